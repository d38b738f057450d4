#!/usr/bin/env bash
# Builds the library for C programs on Linux and installs it:
#
#   install.sh PREFIX [options of cargo, such as --release]
#
# PREFIX gets lib/libdash.a, lib/pkgconfig/dash.pc and include/dash.h. CARGO names another cargo.
set -euo pipefail
[ $# -ge 1 ] || { sed -n '2,6s/^# \{0,1\}//p' "$0" >&2 && exit 2; }
prefix=$(realpath -m "$1")
shift
cd "$(dirname "$0")"

# The messages say where the library is, whatever the options.
library=$(${CARGO:-cargo} rustc --quiet --lib --crate-type staticlib \
    --message-format json-render-diagnostics "$@" | grep -o '[^"]*/libdash\.a' | tail -n 1)
version=$(sed -n 's/^version = "\(.*\)"/\1/p' ../../Cargo.toml | head -n 1)
install -D -m 644 "$library" "$prefix/lib/libdash.a"
install -D -m 644 include/dash.h "$prefix/include/dash.h"
sed -e "s|@PREFIX@|$prefix|" -e "s|@VERSION@|$version|" dash.pc.in |
    install -D -m 644 /dev/stdin "$prefix/lib/pkgconfig/dash.pc"
