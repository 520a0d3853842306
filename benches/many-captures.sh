#!/usr/bin/env bash
# Inspects many captures of mixed kinds (exports, hives, a tree, a WIM file, zips, tar archives, a disk image) with one job and with two, and prints
# time, ratio and peak memory at a tenth of the number and at all of it.
#
# usage: benches/many-captures.sh [COUNT [FORMAT...]]
#
# COUNT is 10000, and the formats are jsonl, csv, summary and html, where they are not given. RUNS=N takes the best of N runs in turns, 3 if it is not set. The captures are links
# to copies of fixtures, so that the page cache holds them all. Needs bash, GNU time, python3 and two processors. Other work on them falsifies the ratio: the load is
# printed. A second table says what each kind costs by itself.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

count="${1:-10000}"
formats=("${@:2}")
[[ ${#formats[@]} -gt 0 ]] || formats=(jsonl csv summary html)
runs="${RUNS:-3}"
[[ "$count" =~ ^[0-9]+$ && "$count" -ge 100 ]] || { echo "COUNT is a number from 100 on, not $count" >&2; exit 2; }
[[ -x /usr/bin/time ]] || { echo 'GNU time is missing (Debian: time)' >&2; exit 2; }
cargo build --quiet --release --features cli
program="$PWD/target/release/dism-mount-status"
scratch="$(mktemp -d)"
trap 'rm -rf "$scratch"' EXIT

# Links to folders would not do for trees: their files are linked one by one.
python3 - "$PWD/fixtures" "$scratch" "$count" <<'PYTHON'
import lzma, os, shutil, sys
fixtures, scratch, count = sys.argv[1], sys.argv[2], int(sys.argv[3])
SOURCES = [("export", "registry/every-status.reg"), ("tree", "captures/three-mounts/tree"),
           ("hive", "captures/needs-remount/tree/Windows/System32/config/SOFTWARE"), ("export", "registry/one-mounted.reg"),
           ("wim", "captured-wim/lzx.wim"), ("zip", "collections/velociraptor/collection.zip"), ("zip", "collections/kape/out.zip"),
           ("tar", "collections/uac/uac.tar.gz"), ("tar", "collections/packed-tree/tree.tar.zst"), ("disk", "disk-images/volume-512/volume.img.xz")]
# Copies of them in the same file system: what is linked to. A file has at most 65,000 names on ext4.
MOST_LINKS = 30_000
os.mkdir(f"{scratch}/captures")
with open(f"{scratch}/list", "w") as names:
    copies = {}
    for number in range(count):
        kind, source = SOURCES[number % len(SOURCES)]
        copy = f"{scratch}/{number % len(SOURCES)}-{number // MOST_LINKS}"
        if copy not in copies:
            if kind == "tree":
                shutil.copytree(f"{fixtures}/{source}", copy)
            elif source.endswith(".xz"):
                with lzma.open(f"{fixtures}/{source}") as packed, open(copy, "wb") as unpacked:
                    shutil.copyfileobj(packed, unpacked)
            else:
                shutil.copy(f"{fixtures}/{source}", copy)
            copies[copy] = kind
        # A folder of its own each: what lies beside a hive may be its log.
        folder = f"{scratch}/captures/{number:06}"
        os.mkdir(folder)
        name = f"{folder}/{kind}"
        shutil.copytree(copy, name, copy_function=os.link) if kind == "tree" else os.link(copy, name)
        names.write(name + "\n")
PYTHON
# What was made is written out now, not while something is measured.
sync

# measure LIST FORMAT JOBS...: runs with each number of jobs in turns; `best JOBS` then tells seconds, processor seconds and KiB of the best.
measure() {
    local list="$1" format="$2" run jobs status
    shift 2
    rm -f "$scratch"/times-*
    for ((run = 0; run < runs; run++)); do
        for jobs in "$@"; do
            status=0
            /usr/bin/time --quiet --format '%e %U %S %M' --output "$scratch/time" \
                "$program" --from "$list" --jobs "$jobs" --format "$format" --fail-on never --quiet --output /dev/null || status=$?
            [[ $status -eq 0 ]] || { echo "the program ended with $status" >&2; exit 1; }
            awk '{ printf "%s %.2f %s\n", $1, $2 + $3, $4 }' "$scratch/time" >>"$scratch/times-$jobs"
        done
    done
}

best() {
    sort -n "$scratch/times-$1" | head -n 1
}

printf 'processors: %s, load at the start: %s\n\n' "$(nproc)" "$(cut -d ' ' -f 1-3 /proc/loadavg)"
printf '%-8s %8s | %8s %9s %9s | %8s %9s %9s | %5s\n' format captures '1 job' processor memory '2 jobs' processor memory ratio
for format in "${formats[@]}"; do
    for number in $((count / 10)) "$count"; do
        head -n "$number" "$scratch/list" >"$scratch/part"
        measure "$scratch/part" "$format" 1 2
        read -r one one_processor one_memory <<<"$(best 1)"
        read -r two two_processor two_memory <<<"$(best 2)"
        awk -v format="$format" -v number="$number" -v one="$one" -v one_processor="$one_processor" -v one_memory="$one_memory" \
            -v two="$two" -v two_processor="$two_processor" -v two_memory="$two_memory" 'BEGIN {
                printf "%-8s %8d | %6.2f s %7.2f s %5.1f MiB | %6.2f s %7.2f s %5.1f MiB | %5.2f\n", format, number,
                    one, one_processor, one_memory / 1024, two, two_processor, two_memory / 1024, (two > 0 ? one / two : 0)
            }'
    done
done

printf '\n%-8s %8s | %14s\n' kind captures 'processor, each'
for kind in export hive tree wim zip tar disk; do
    grep --max-count=1000 "/$kind\$" "$scratch/list" >"$scratch/part"
    number="$(wc -l <"$scratch/part")"
    measure "$scratch/part" jsonl 1
    read -r _ processor _ <<<"$(best 1)"
    awk -v kind="$kind" -v number="$number" -v processor="$processor" \
        'BEGIN { printf "%-8s %8d | %8.0f microseconds\n", kind, number, 1e6 * processor / number }'
done
printf '\nload at the end: %s\n' "$(cut -d ' ' -f 1-3 /proc/loadavg)"
