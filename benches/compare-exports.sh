#!/usr/bin/env bash
# Whole processes, from start to three mount registrations of a large registry export: this program, from a file and from a
# pipe, and ripgrep, which only counts the lines with the key's name in the same file.
#
# usage: benches/compare-exports.sh [MEGABYTES...]        (default: 200 1000)
#
# Needs python3, GNU time and ripgrep. The export is in the page cache. The three take turns, seven times, so that whatever else
# the machine does falls on all of them; the times are medians.
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

# microseconds COMMAND: how long it takes
microseconds() {
    timed=()
    local start=${EPOCHREALTIME/./}
    "$1" >/dev/null
    echo $((${EPOCHREALTIME/./} - start))
}

# peak COMMAND: the most memory it had, in KiB
peak() {
    timed=(/usr/bin/time -v -o "$folder/time")
    "$1" >/dev/null
    awk '/Maximum resident set size/ { print $NF }' "$folder/time"
}

median() { sort -n "$1" | awk '{ times[NR] = $1 } END { print times[int((NR + 1) / 2)] }'; }

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
            microseconds "$command" >>"$folder/$command"
        done
    done
    rival=$(median "$folder/ripgrep")
    bytes=$(stat -c %s "$export")
    echo "export of $bytes bytes"
    printf '%-22s %12s %12s %18s %12s\n' '' median MB/s 'of ripgrep'"'"'s time' 'peak memory'
    for command in from_file from_pipe ripgrep; do
        median "$folder/$command" | awk -v name="${command/_/ a }" -v bytes="$bytes" -v rival="$rival" -v peak="$(peak "$command")" \
            '{ printf "%-22s %9.1f ms %12.0f %18.2f %8d KiB\n", name, $1 / 1000, bytes / $1, $1 / rival, peak }'
    done
done
