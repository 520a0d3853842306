#!/usr/bin/env bash
# Inspects many captures of mixed kinds (exports, hives, trees, WIM files) with one job and with two, and prints time, ratio and
# peak memory at a tenth of the number and at all of it.
#
# usage: benches/many-captures.sh [COUNT [FORMAT...]]
#
# COUNT is 10000 and the format jsonl where they are not given. The captures are links to the fixtures, so that the page cache holds them all. Needs bash, GNU time
# and python3. Other work on the same processors falsifies the ratio: the load at the start is printed.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

count="${1:-10000}"
formats=("${@:2}")
[[ ${#formats[@]} -gt 0 ]] || formats=(jsonl)
cargo build --quiet --release --features cli
program="$PWD/target/release/dism-mount-status"
scratch="$(mktemp -d)"
trap 'rm -rf "$scratch"' EXIT
# Links to folders would not do for trees: their files are linked one by one.
python3 - "$PWD/fixtures" "$scratch" "$count" <<'PYTHON'
import os, shutil, sys
fixtures, scratch, count = sys.argv[1], sys.argv[2], int(sys.argv[3])
sources = [("reg", "registry/every-status.reg"), ("tree", "captures/three-mounts/tree"), ("hive", "captures/needs-remount/tree/Windows/System32/config/SOFTWARE"),
           ("reg", "registry/one-mounted.reg"), ("wim", "captured-wim/lzx.wim")]
# Beside the first of each kind, in the same file system: what is linked to.
kept = []
for number, (kind, source) in enumerate(sources):
    to = f"{scratch}/source{number}"
    copy = shutil.copytree if kind == "tree" else shutil.copy
    copy(f"{fixtures}/{source}", to)
    kept.append((kind, to))
os.mkdir(f"{scratch}/captures")
with open(f"{scratch}/list", "w") as names:
    for number in range(count):
        kind, source = kept[number % len(kept)]
        name = f"{scratch}/captures/{number:06}.{kind}"
        if kind == "tree":
            shutil.copytree(source, name, copy_function=os.link)
        else:
            os.link(source, name)
        names.write(name + "\n")
PYTHON
printf 'load at the start: %s\n' "$(cut -d ' ' -f 1-3 /proc/loadavg)"

# measure NUMBER JOBS FORMAT: seconds, processor seconds, KiB; the best of three runs.
measure() {
    local run
    for run in 1 2 3; do
        head -n "$1" "$scratch/list" | /usr/bin/time --format '%e %U %S %M' --output "$scratch/time" \
            "$program" --from - --jobs "$2" --format "$3" --fail-on never --quiet --output /dev/null
        awk '{ printf "%s %.2f %s\n", $1, $2 + $3, $4 }' "$scratch/time"
    done | sort -n | head -n 1
}

printf '%-8s %9s  %22s  %22s  %6s\n' format captures '1 job' '2 jobs' ratio
for format in "${formats[@]}"; do
    for number in $((count / 10)) "$count"; do
        read -r one one_processor one_memory <<<"$(measure "$number" 1 "$format")"
        read -r two two_processor two_memory <<<"$(measure "$number" 2 "$format")"
        printf '%-8s %9d  %6.2f s %8.1f MiB  %6.2f s %8.1f MiB  %6.2f  (processor: %s s, %s s)\n' "$format" "$number" \
            "$one" "$(awk "BEGIN { print $one_memory / 1024 }")" "$two" "$(awk "BEGIN { print $two_memory / 1024 }")" \
            "$(awk -v one="$one" -v two="$two" 'BEGIN { print (two > 0) ? one / two : 0 }')" "$one_processor" "$two_processor"
    done
done
