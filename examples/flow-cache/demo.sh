#!/bin/sh
# The demonstration of use case 4 of FlowBlaze.p4 with live frames: tenants, tunnel router and servers
# are Scapy programs in network namespaces, the switch is `dash up`. Fails unless every frame that
# arrives anywhere is right, byte for byte. Needs root, iproute2, a Python with scapy (PYTHON, python3),
# and the command dash: `demo.sh [DASH]`.
set -eu
here=$(cd "$(dirname "$0")" && pwd)
dash=${1:-$here/../../target/release/dash}
python=${PYTHON:-python3}
logs=$(mktemp -d)
spaces="datacenter servers otr sswitch"
name() { echo "fc$$-$1"; }
pids=

clean_up() {
    [ $? -eq 0 ] || tail -n +1 "$logs"/server "$logs"/otr "$logs"/dash || true
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
    # No frames but those of the demonstration.
    ip netns exec "$(name "$space")" sh -c 'quiet=/proc/sys/net/ipv6/conf/all/disable_ipv6
        [ ! -e $quiet ] || echo 1 >$quiet'
done
for link in datacenter:dc servers:servers otr:otr; do
    space=${link%%:*} end=${link##*:}
    ip link add "${end}_sswitch" netns "$(name "$space")" type veth \
        peer name "sswitch_$end" netns "$(name sswitch)"
    ip -n "$(name "$space")" link set "${end}_sswitch" up
    ip -n "$(name sswitch)" link set "sswitch_$end" up
done

start sswitch dash "is up" "$dash" up --config "$here/flow-cache.json" --socket "$logs/control" \
    --port DC=sswitch_dc OTR=sswitch_otr SRV=sswitch_servers
dash_pid=${pids%% *}
start servers server ready "$python" "$here/end_points.py" server servers_sswitch
start otr otr ready "$python" "$here/end_points.py" otr otr_sswitch
ip netns exec "$(name datacenter)" "$python" "$here/end_points.py" tenants dc_sswitch
cat "$logs/server" "$logs/otr"
kill -INT "$dash_pid"
wait "$dash_pid"
cat "$logs/dash"
# The server got each frame, the router one of each tenant, and none was wrong.
[ "$(grep -c 'server: .* as expected' "$logs/server")" -eq 6 ]
[ "$(grep -c 'otr: .* as expected' "$logs/otr")" -eq 3 ]
if grep wrong "$logs/server" "$logs/otr"; then exit 1; fi
echo "flow cache: every frame is as it should be"
