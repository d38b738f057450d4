#!/usr/bin/env bash
# All tests of the project.
#
#   ./test.sh          the quick part: about ten minutes on two cores
#   ./test.sh --all    the long runs too: more random cases, Miri, fuzzing
#
# Needs: rustup with the toolchain of rust-toolchain.toml, a C linker, python3 with scapy, tshark,
# iproute2.
# What is missing is installed where that needs no questions (rustup targets, scapy in a virtual
# environment under target/, Debian packages when run as root), and named otherwise.
set -euo pipefail
cd "$(dirname "$0")"
all=${1:-}
case $all in '' | --all) ;; *) sed -n '2,10s/^# \{0,1\}//p' "$0" && exit 2 ;; esac
# Set, though empty: without the flag of .cargo/config.toml, of whose name each compiler run warns.
export RUSTFLAGS=${RUSTFLAGS:-}

step() { printf '\n== %s\n' "$*"; }
has() { command -v "$1" >/dev/null 2>&1; }

step "tools"
for target in aarch64-unknown-none riscv32imac-unknown-none-elf riscv64gc-unknown-none-elf; do
    rustup target list --installed | grep -qx "$target" || rustup target add "$target"
done
packages=()
has tshark || packages+=(tshark)
has ip || packages+=(iproute2)
if [ "${#packages[@]}" -gt 0 ]; then
    if [ "$(id -u)" = 0 ] && has apt-get; then
        apt-get update -qq && DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends "${packages[@]}"
    else
        echo "missing: apt-get install ${packages[*]}" >&2 && exit 1
    fi
fi
python=python3
if ! python3 -c 'import scapy' 2>/dev/null; then
    [ -x target/python/bin/python ] || python3 -m venv target/python
    target/python/bin/python -m pip install -q scapy==2.8.0
    python=target/python/bin/python
fi

step "format, lints, documentation"
cargo fmt --all --check
cargo fmt --manifest-path fuzz/Cargo.toml --check
cargo clippy --quiet --workspace --all-targets -- -D warnings
cargo clippy --quiet -p dash-core --features defmt -- -D warnings
# What only bare metal compiles. dash-proofs is alone: its panic handler would be a second one.
while read -r machine target; do
    cargo clippy --quiet --target "$target" -p "dash-qemu-$machine" -p dash-firmware \
        -p dash-port-template -p dash-ffi -- -D warnings
    cargo clippy --quiet --target "$target" -p dash-proofs -- -D warnings
done <<'MACHINES'
aarch64 aarch64-unknown-none
riscv64 riscv64gc-unknown-none-elf
riscv32 riscv32imac-unknown-none-elf
MACHINES
RUSTDOCFLAGS="-D warnings" cargo doc --quiet --workspace --no-deps
# smoltcp lends its wire types; its sockets and interfaces stay out.
if grep -rn 'smoltcp::' --include='*.rs' dash-core/src targets/*/src | grep -v 'smoltcp::wire'; then
    echo "only smoltcp::wire may be named" >&2 && exit 1
fi

step "unit, property and end-to-end tests"
[ -z "$all" ] || export PROPTEST_CASES=${PROPTEST_CASES:-20000}
cargo test --quiet --workspace
[ -z "$all" ] || cargo test --quiet --release -p dash-core --lib -- --ignored

step "bare metal"
for target in aarch64-unknown-none riscv32imac-unknown-none-elf; do
    cargo build --quiet --release -p dash-hal -p dash-core --no-default-features --target "$target"
    cargo build --quiet --release -p dash-port-template --target "$target"
done

step "examples: an independent script makes the captures that the tests compare with"
scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT
for example in vnet-to-vnet spec-frames; do
    "$python" "examples/$example/make_captures.py" --out "$scratch/$example" >/dev/null
    find "$scratch/$example" -type f -printf '%P\n' | while read -r file; do
        cmp "$scratch/$example/$file" "examples/$example/$file"
    done
done
for example in flow-cache state-machines; do
    mkdir "$scratch/$example"
    (here=$PWD && cd "$scratch/$example" && python3 "$here/examples/$example/make_files.py")
    for file in "$scratch/$example"/*; do
        cmp "$file" "examples/$example/${file##*/}"
    done
done

step "examples: the README's first command, and no wrong checksum in what leaves"
cargo run --quiet --release -p dash-host -- run --trace --out "$scratch/out" \
    --config examples/vnet-to-vnet/published.json --in 0=examples/vnet-to-vnet/vm.pcap
cmp "$scratch/out/0.pcap" examples/vnet-to-vnet/expected/published-vm/0.pcap
find "$scratch/out" examples/*/expected -name '*.pcap' | while read -r capture; do
    faults=$(tshark -r "$capture" -o ip.check_checksum:TRUE -o udp.check_checksum:TRUE \
        -o udp.ignore_ipv6_zero_checksum:TRUE -o tcp.check_checksum:TRUE -q -z expert,warn 2>/dev/null)
    if [ -n "${faults//[[:space:]]/}" ]; then
        printf '%s\n%s\n' "$capture" "$faults" >&2 && exit 1
    fi
done

step "examples: live frames between network namespaces"
if unshare --net true 2>/dev/null; then
    cargo build --quiet --release -p dash-host -p dash-controller
    bin=${CARGO_TARGET_DIR:-target}/release
    PYTHON=$python examples/flow-cache/demo.sh "$bin/dash"
    examples/reactive-router/demo.sh "$bin/dash" "$bin/dash-controller"
else
    echo "no network namespaces here (they take root): not shown"
fi

if [ -n "$all" ]; then
    .ci/miri
    .ci/fuzz 600
fi
step "all tests passed"
