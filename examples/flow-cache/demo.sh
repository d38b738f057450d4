#!/bin/sh
# The demonstration of use case 4 of FlowBlaze.p4 with live frames: tenants, tunnel router and servers
# are Scapy programs in network namespaces, the switch is `dash up`. Fails unless every frame that
# arrives anywhere is right, byte for byte. Needs root, iproute2, a Python with scapy (PYTHON, python3),
# and the command dash: `demo.sh [DASH]`.
set -eu
here=$(cd "$(dirname "$0")" && pwd)
dash=${1:-$here/../../target/release/dash}
python=${PYTHON:-python3}
prefix=fc spaces="datacenter servers otr sswitch"
. "$here/../namespaces.sh"

link datacenter dc_sswitch sswitch sswitch_dc
link servers servers_sswitch sswitch sswitch_servers
link otr otr_sswitch sswitch sswitch_otr

start sswitch dash "is up" "$dash" up --config "$here/flow-cache.json" --socket "$logs/control" \
    --port DC=sswitch_dc OTR=sswitch_otr SRV=sswitch_servers
dash_pid=${pids%% *}
start servers server ready "$python" "$here/end_points.py" server servers_sswitch
start otr otr ready "$python" "$here/end_points.py" otr otr_sswitch
inside datacenter "$python" "$here/end_points.py" tenants dc_sswitch
cat "$logs/server" "$logs/otr"
kill -INT "$dash_pid"
wait "$dash_pid"
cat "$logs/dash"
# The server got each frame, the router one of each tenant, and none was wrong.
[ "$(grep -c 'server: .* as expected' "$logs/server")" -eq 6 ]
[ "$(grep -c 'otr: .* as expected' "$logs/otr")" -eq 3 ]
if grep wrong "$logs/server" "$logs/otr"; then exit 1; fi
echo "flow cache: every frame is as it should be"
