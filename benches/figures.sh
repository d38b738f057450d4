#!/usr/bin/env bash
# One run of the benchmarks and of the machine's own limits beside them, as one table.
#
#   benches/figures.sh            about five minutes after the build
#   benches/figures.sh quick      fewer samples: one to two minutes after the build
#
# RUSTFLAGS and CARGO_TARGET_DIR mean what they always do. Needs cargo, python3; cc and taskset are
# used when there: without cc the machine's own limits are 'skipped'.
set -euo pipefail
repository=$(cd "$(dirname "$0")/.." && pwd)
quick=()
case ${1:-} in
'') ;;
quick) quick=(--warm-up-time 1 --measurement-time 2 --sample-size 10) ;;
*) sed -n '2,9s/^# \{0,1\}//p' "$0" && exit 2 ;;
esac
scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT
export CRITERION_HOME=$scratch/criterion
pinned=()
if command -v taskset >/dev/null; then pinned=(taskset -c "$(($(nproc) - 1))"); fi

cd "$repository"
cargo bench --quiet -p dash-benches --no-run >&2

limits() {
    if [ -x "$scratch/baseline" ]; then
        "${pinned[@]}" "$scratch/baseline" <<<limits | sed '/^$/d' >>"$scratch/limits.jsonl"
    fi
}
: >"$scratch/limits.jsonl"
if command -v cc >/dev/null; then
    cc -O3 -march=native -o "$scratch/baseline" benches/peers/baseline.c
fi
# Before and after: the two show how steady the machine was.
limits
for bench in whole_packet miss new_flows service_chains reactive_router; do
    "${pinned[@]}" cargo bench --quiet -p dash-benches --bench "$bench" -- "${quick[@]}" >&2
done
limits

python3 - "$scratch" <<'PYTHON'
import json, pathlib, re, statistics, sys

scratch = pathlib.Path(sys.argv[1])
cpuinfo = pathlib.Path("/proc/cpuinfo").read_text()
def field(name):
    found = re.search(rf"^{name}\s*:\s*(.*)$", cpuinfo, re.M)
    return found[1] if found else "unknown"
print(f"CPU: {field('model name')}, family {field('cpu family')} model {field('model')}, "
      f"{field('cache size')} cache, at {field('cpu MHz')} MHz\n")
print("| what | median ns | smallest ns | a second |\n|---|--:|--:|--:|")

def row(name, times):
    middle = statistics.median(times)
    print(f"| {name} | {middle:,.1f} | {min(times):,.1f} | {1e9 / middle:,.0f} |")

# In the order in which they ran.
files = sorted(scratch.glob("criterion/**/new/sample.json"), key=lambda file: file.stat().st_mtime_ns)
for file in files:
    identity = json.loads((file.parent / "benchmark.json").read_text())
    sample = json.loads(file.read_text())
    elements = (identity.get("throughput") or {}).get("Elements", 1)
    row(identity["full_id"], [
        time / iterations / elements for time, iterations in zip(sample["times"], sample["iters"])
    ])

rows = {}
for line in (scratch / "limits.jsonl").read_text().splitlines():
    line = json.loads(line)
    rows.setdefault(f"machine: {line['work']}", []).append(line["ns_per_op"])
for name, times in rows.items():
    row(name, times)
if not rows:
    print("| machine | skipped | | |")
PYTHON
