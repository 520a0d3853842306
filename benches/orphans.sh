#!/bin/bash
# Compares the search for orphaned mount directories with `find DIR -type d` over the same tree.
#
# benches/orphans.sh [FILES]: makes a tree of FILES files (500,000 unless told) with a registry of three mounts, and
# prints the times of both, the least of five runs each after one to warm the cache. The search may cost 1.5 times as much as find.
set -euo pipefail
cd "$(dirname "$0")/.."
files=${1:-500000}
cargo build --quiet --release --features cli
tree=$(mktemp -d)
trap 'rm -rf "$tree"' EXIT

python3 - "$tree" "$files" <<'P'
import os, sys
tree, files = sys.argv[1], int(sys.argv[2])
# Twelve files in a directory, directories up to six levels deep.
for number in range(-(-files // 12)):
    directory = os.path.join(tree, "Program Files", *f"{number:05}")
    os.makedirs(directory, exist_ok=True)
    for file in range(number * 12, min(number * 12 + 12, files)):
        open(os.path.join(directory, f"{file:06} some file.dll"), "w").close()
P
mkdir -p "$tree/Windows/System32/config" "$tree/Users" "$tree/images"
cp fixtures/captures/three-mounts/tree/Windows/System32/config/SOFTWARE "$tree/Windows/System32/config/SOFTWARE"
echo "$(find "$tree" -type f | wc -l) files in $(find "$tree" -type d | wc -l) directories"

seconds() { # the least wall-clock time of five runs
    python3 - "$@" <<'P'
import subprocess, sys, time
times = []
for _ in range(6):
    start = time.perf_counter()
    subprocess.run(sys.argv[1:], stdout=subprocess.DEVNULL, check=True)
    times.append(time.perf_counter() - start)
print(f"{min(times[1:]):.3f}")
P
}
tool=(target/release/dism-mount-status --fail-on never)
judged=$(seconds "${tool[@]}" "$tree")
find=$(seconds find "$tree" -type d)
search=$(seconds "${tool[@]}" --find-orphans "$tree")
echo "judging three registrations: $judged s"
echo "find -type d:                $find s"
echo "search for orphans:          $search s"
python3 -c "
ratio = $search / $find
print(f'ratio: {ratio:.2f} (at most 1.5)')
raise SystemExit(ratio > 1.5)"
