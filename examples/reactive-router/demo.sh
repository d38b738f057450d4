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
logs=$(mktemp -d)
spaces="vm1 vm2 hypervisor"
name() { echo "rr$$-$1"; }
inside() { space=$1; shift; ip netns exec "$(name "$space")" "$@"; }
pids=

clean_up() {
    for pid in $pids; do kill -TERM "$pid" 2>/dev/null || true; done
    for pid in $pids; do wait "$pid" 2>/dev/null || true; done
    for space in $spaces; do ip netns del "$(name "$space")" 2>/dev/null || true; done
    rm -rf "$logs"
}
trap clean_up EXIT

# Starts a program in a namespace, and waits until it says that it is ready.
start() {
    space=$1 log=$logs/$2 ready=$3
    shift 3
    : >"$log"
    ip netns exec "$(name "$space")" "$@" >"$log" 2>&1 &
    pids="$! $pids"
    tries=0
    until grep -q "$ready" "$log"; do
        tries=$((tries + 1))
        if [ $tries -gt 300 ]; then cat "$log"; exit 1; fi
        sleep 0.1
    done
}

for space in $spaces; do
    ip netns add "$(name "$space")"
    inside "$space" sh -c 'echo 1 >/proc/sys/net/ipv6/conf/all/disable_ipv6'
    ip -n "$(name "$space")" link set lo up
done
for machine in vm1,fa:16:3e:00:17:e6,10.1.0.3/24,10.1.0.1 vm2,fa:16:3e:cf:4b:ed,10.2.0.3/24,10.2.0.1; do
    space=${machine%%,*} rest=${machine#*,}
    mac=${rest%%,*} rest=${rest#*,}
    ip link add eth0 netns "$(name "$space")" address "$mac" type veth \
        peer name "tap_$space" netns "$(name hypervisor)"
    ip -n "$(name hypervisor)" link set "tap_$space" up
    ip -n "$(name "$space")" link set eth0 up
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
wait "$dash_pid" || true
cat "$logs/dash"
grep -q '"no_host"' "$logs/dash"
[ "$(grep -c '"cookie"' "$logs/dash")" -eq 2 ]
