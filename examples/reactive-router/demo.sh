#!/bin/sh
# The two networks and the ping of 2015 with real kernels: two machines in network namespaces, and
# `dash up` in a third as the hypervisor between them. Each asks for its gateway by ARP, pings it, the
# far gateway and the other machine, and a megabyte goes over TCP. With CONTROLLER first frames wait
# for that program. Needs root, iproute2, python3: `demo.sh [DASH [CONTROLLER]]`.
set -eu
here=$(cd "$(dirname "$0")" && pwd)
dash=${1:-$here/../../target/release/dash}
controller=${2:-}
config=$here/one-host.json
[ -z "$controller" ] || config=$here/remote.json
prefix=rr spaces="vm1 vm2 hypervisor"
. "$here/../namespaces.sh"

for machine in vm1,fa:16:3e:00:17:e6,10.1.0.3/24,10.1.0.1 vm2,fa:16:3e:cf:4b:ed,10.2.0.3/24,10.2.0.1; do
    space=${machine%%,*} rest=${machine#*,}
    mac=${rest%%,*} rest=${rest#*,}
    link "$space" eth0 hypervisor "tap_$space"
    ip -n "$(name "$space")" link set eth0 address "$mac"
    ip -n "$(name "$space")" addr add "${rest%%,*}" dev eth0
    ip -n "$(name "$space")" route add default via "${rest#*,}"
    inside "$space" python3 "$here/end_points.py" plain eth0
done

start hypervisor dash "is up" "$dash" up --config "$config" --socket "$logs/control" \
    --port p11=tap_vm1 p12=tap_vm2
dash_pid=${pids%% *}
[ -z "$controller" ] ||
    start hypervisor controller "connected" "$controller" "$config" "$logs/control"
pings() { inside "$1" python3 "$here/end_points.py" ping "$2" "$3"; }
pings vm2 10.2.0.1 1
pings vm2 10.1.0.1 1
pings vm2 10.1.0.3 5
pings vm1 10.2.0.3 1
start vm1 server ready python3 "$here/end_points.py" serve 5001 "$logs/served"
inside vm2 python3 "$here/end_points.py" send 10.1.0.3 5001 1000000
grep "1000000 bytes from 10.2.0.3" "$logs/served"
# Nobody is there.
if pings vm2 10.1.0.99 1; then exit 1; fi
kill -INT "$dash_pid"
wait "$dash_pid"
cat "$logs/dash"
grep -q '"no_host"' "$logs/dash"
[ "$(grep -c '"cookie"' "$logs/dash")" -eq 2 ]
