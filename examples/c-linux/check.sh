#!/usr/bin/env bash
# Builds vnet against the library in debug, in release, and with both sides under the address
# sanitizer (the C side under UBSan too), runs the captures of examples/vnet-to-vnet through each,
# and compares what leaves, and what is dropped, with the committed output of the host. Then plants
# a write behind a frame's memory in C, and one in Rust: the sanitizer must see both.
#
# Needs gcc, make, pkg-config, python3, and a nightly toolchain for -Zsanitizer.
set -euo pipefail
cd "$(dirname "$0")"
root=$(realpath ../..)
work=${CARGO_TARGET_DIR:-$root/target}/c-linux
mkdir -p "$work"
work=$(realpath "$work")
host=$(rustc -vV | sed -n 's/^host: //p')
example=../vnet-to-vnet

# build NAME CFLAGS [options of cargo]: the library and the program.
build() {
    local name=$1 cflags=$2
    shift 2
    "$root/targets/ffi/install.sh" "$work/$name" "$@"
    PKG_CONFIG_PATH=$work/$name/lib/pkgconfig make --silent --always-make CFLAGS="$cflags"
    install vnet "$work/$name/vnet"
}

# run NAME: every capture that the configuration is for.
run() {
    local name=$1 run capture out=$work/$1/out
    for run in published-vm published-transports published-vm-underlay6 published-vm-overlay6 \
        published-vm-overlay6-underlay6 drops; do
        capture=${run#published-}
        rm -rf "$out" && mkdir -p "$out"
        "$work/$name/vnet" "$example/$capture.pcap" "$out" 0 1 >"$out/report"
        cmp "$out/0.pcap" "$example/expected/$run/0.pcap"
        sed -n 's/^drop: //p' "$out/report" | sort >"$out/drops"
        python3 -c 'import json, sys
for name, count in json.load(open(sys.argv[1]))["drops"].items(): print(name, count)' \
            "$example/expected/$run/expected.json" | sort | cmp - "$out/drops"
        # Each flow that was there at the end is told of when its core ends.
        sed -n 's/^flow: //p' "$out/report" | sort >"$out/flows"
        sed -n 's/^ended: \(.*\), bytes .*: deleted$/\1/p' "$out/report" | sort | cmp - "$out/flows"
    done
    echo "c-linux: $name: the bytes and drops of the host"
}

# fails NAME PLACE: the sanitizer stops the program, and names the place of the write.
fails() {
    local name=$1 place=$2
    if "$work/$name/vnet" "$example/vm.pcap" "$work/$name" 0 >/dev/null 2>"$work/$name/errors"; then
        echo "c-linux: $name: the planted overflow went unseen" >&2 && exit 1
    fi
    grep -q 'heap-buffer-overflow' "$work/$name/errors" && grep -q "$place" "$work/$name/errors" ||
        { cat "$work/$name/errors" >&2 && exit 1; }
    echo "c-linux: $name: seen"
}

build debug '-O0 -g'
run debug
build release '-O2 -g' --release
run release

export RUSTUP_TOOLCHAIN=nightly RUSTFLAGS=-Zsanitizer=address CARGO_TARGET_DIR=$work/target
sanitized='-O1 -g -fsanitize=address,undefined -fno-sanitize-recover=all'
build sanitized "$sanitized" --target "$host"
run sanitized
build planted-in-c "$sanitized -DPLANTED_OVERFLOW" --target "$host"
fails planted-in-c make_frame
build planted-in-rust "$sanitized" --target "$host" --features planted-overflow
fails planted-in-rust FrameBuffer.*take
