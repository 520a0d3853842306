#!/bin/bash
# Compares the search for orphaned mount directories with `find DIR -type d` over the same tree.
#
# benches/orphans.sh [FILES]: makes a tree of FILES files (500,000 unless told) with a registry of three mounts, and
# prints the times of both, five runs each after one to warm the cache. The search may cost 1.5 times as much as find.
set -euo pipefail
cd "$(dirname "$0")/.."
files=${1:-500000}
cargo build --quiet --release --example captured_mounts
tree=$(mktemp -d)
trap 'rm -rf "$tree"' EXIT

python3 - "$tree" "$files" <<'P'
import os, sys
tree, files = sys.argv[1], int(sys.argv[2])
# As on a Windows volume: twelve files in a directory, directories up to six levels deep.
directory, made, number = None, 0, 0
while made < files:
    levels = [f"d{number // 10 ** level % 10}" for level in range(5, -1, -1)][: 3 + number % 4]
    directory = os.path.join(tree, "Program Files", *levels)
    os.makedirs(directory, exist_ok=True)
    for i in range(min(12, files - made)):
        open(os.path.join(directory, f"{number:06}-{i:02} some file.dll"), "w").close()
    made += 12
    number += 1
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
tool=target/release/examples/captured_mounts
judged=$(seconds "$tool" "$tree")
find=$(seconds find "$tree" -type d)
search=$(seconds "$tool" --find-orphans "$tree")
echo "judging three registrations: $judged s"
echo "find -type d:                $find s"
echo "search for orphans:          $search s"
python3 -c "
ratio = $search / $find
print(f'ratio: {ratio:.2f} (at most 1.5)')
raise SystemExit(ratio > 1.5)"
