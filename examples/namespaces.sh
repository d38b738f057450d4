# Sourced by live demonstrations: programs in network namespaces, which end with the script. It sets
# `prefix`, that of the namespaces' names, and `spaces`, all of them. Needs root and iproute2.
logs=$(mktemp -d)
pids=
name() { echo "$prefix$$-$1"; }
inside() { space=$1; shift; ip netns exec "$(name "$space")" "$@"; }

clean_up() {
    # A script that failed shows what its programs said.
    [ $? -eq 0 ] || for log in "$logs"/*; do [ ! -f "$log" ] || tail -v -n +1 "$log"; done
    for pid in $pids; do kill -TERM "$pid" 2>/dev/null || true; done
    for pid in $pids; do wait "$pid" 2>/dev/null || true; done
    for space in $spaces; do ip netns del "$(name "$space")" 2>/dev/null || true; done
    rm -rf "$logs"
}
trap clean_up EXIT

# start SPACE LOG READY PROGRAM…: starts a program, and waits until it says that it is ready. Its
# number is then the first of `pids`.
start() {
    space=$1 log=$logs/$2 ready=$3
    shift 3
    : >"$log"
    ip netns exec "$(name "$space")" "$@" >"$log" 2>&1 &
    pids="$! $pids"
    tries=0
    until grep -q "$ready" "$log"; do
        tries=$((tries + 1))
        [ $tries -le 300 ] || exit 1
        sleep 0.1
    done
}

# link SPACE INTERFACE SPACE INTERFACE: joins two namespaces.
link() {
    ip link add "$2" netns "$(name "$1")" type veth peer name "$4" netns "$(name "$3")"
    ip -n "$(name "$1")" link set "$2" up
    ip -n "$(name "$3")" link set "$4" up
}

for space in $spaces; do
    ip netns add "$(name "$space")"
    # No frames but those of the demonstration.
    inside "$space" sh -c 'quiet=/proc/sys/net/ipv6/conf/all/disable_ipv6
        [ ! -e $quiet ] || echo 1 >$quiet'
    ip -n "$(name "$space")" link set lo up
done
