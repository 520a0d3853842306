#!/usr/bin/env bash
# Whole processes, from start to three mount registrations of a large registry export: this program, from a file and from a
# pipe, and ripgrep, which only counts the lines with the key's name in the same file.
#
# usage: benches/compare-exports.sh [MEGABYTES...]        (default: 200 1000)
#
# Needs python3, GNU time and ripgrep. The export is in the page cache. The three take turns, seven times, so that whatever else
# the machine does falls on all of them. The figures are medians: the time from start to end, the time that processors were
# busy (with a pipe, also for filling it), both in relation to ripgrep, and the peak of memory, in which a memory map shows.
set -euo pipefail
cd "$(dirname "$0")/.."
cargo build --quiet --release --features cli
ours=(target/release/dism-mount-status --format json --fail-on never)
probe=(rg -c -a -E none '(?-u)W\x00I\x00M\x00M\x00o\x00u\x00n\x00t\x00')
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
export=$folder/software.reg
runs=7

from_file() { "${timed[@]}" "${ours[@]}" "$export"; }
from_pipe() { cat "$export" | "${timed[@]}" "${ours[@]}" -; }
ripgrep() { "${timed[@]}" "${probe[@]}" "$export"; }

# measure COMMAND: milliseconds that it took, and that processors were busy with it
measure() {
    timed=()
    local TIMEFORMAT='%R %U %S'
    { time "$1" >/dev/null; } 2>&1 | awk 'END { print $1 * 1000, ($2 + $3) * 1000 }'
}

# peak COMMAND: the most memory it had, in KiB
peak() {
    timed=(/usr/bin/time -v -o "$folder/time")
    "$1" >/dev/null
    awk '/Maximum resident set size/ { print $NF }' "$folder/time"
}

# median COLUMN COMMAND: of all its runs
median() { awk -v column="$1" '{ print $column }' "$folder/$2" | sort -n | awk '{ times[NR] = $1 } END { print times[int((NR + 1) / 2)] }'; }

[ $# -gt 0 ] || set -- 200 1000
for megabytes in "$@"; do
    python3 benches/make-export.py "$megabytes" "$export"
    cat "$export" >/dev/null
    timed=()
    found=$(from_file | grep -c '"mount_path"')
    [ "$found" = 3 ] || { echo "expected 3 mounted images, found $found" >&2; exit 1; }
    for command in from_file from_pipe ripgrep; do : >"$folder/$command"; done
    for ((run = 0; run < runs; run++)); do
        for command in from_file from_pipe ripgrep; do
            measure "$command" >>"$folder/$command"
        done
    done
    bytes=$(stat -c %s "$export")
    echo "export of $bytes bytes"
    printf '%-12s %12s %12s %12s %12s %12s\n' '' time 'to ripgrep' processor 'to ripgrep' 'peak memory'
    for command in from_file from_pipe ripgrep; do
        echo "$(median 1 "$command") $(median 1 ripgrep) $(median 2 "$command") $(median 2 ripgrep) $(peak "$command")" |
            awk -v name="${command/_/ a }" '{ printf "%-12s %9d ms %12.2f %9d ms %12.2f %8d KiB\n", name, $1, $1 / $2, $3, $3 / $4, $5 }'
    done
done
