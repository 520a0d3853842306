#!/bin/sh
# Reads a large hive out of WIMs of each kind, from start to end: this library against wimlib-imagex extract --to-stdout. Both
# hold the data against their SHA-1 and write them to /dev/null.
#
# usage: benches/compare-wim.sh [MEGABYTES]        (default: 100)
#
# Needs wimlib-imagex (Debian package wimtools) and GNU time. The files are in the page cache. Told are the least times of five
# runs in turns, that from start to end and that of the processor, the ratio of the latter, the bytes of the hive for each
# second of the processor, and the most memory. Ends with 1 where the ratio is above 1.5.
set -eu
cd "$(dirname "$0")/.."
command -v wimlib-imagex >/dev/null || { echo 'wimlib-imagex (Debian package wimtools) is not installed' >&2; exit 2; }
cargo build --quiet --release --example make_software_hive
cargo build --quiet --release --features captured-wim --example wim_cat
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
mkdir "$folder/tree"
target/release/examples/make_software_hive "$folder/tree/SOFTWARE" "${1:-100}"
size=$(stat -c %s "$folder/tree/SOFTWARE")
echo "hive of $size bytes"

# run NAME COMMAND...: adds "start to end, processor, memory" to the results of NAME.
run() {
    name=$1
    shift
    /usr/bin/time -f '%e %U %S %M' -o "$folder/time" "$@" >/dev/null 2>"$folder/errors" || { cat "$folder/errors" >&2; exit 2; }
    awk '{ print $1, $2 + $3, $4 }' "$folder/time" >>"$folder/$name"
}
least() { # NAME COLUMN
    awk -v column="$2" 'NR == 1 || $column < least { least = $column } END { print least }' "$folder/$1"
}

slow=0
printf '%-12s %-8s %8s %10s %7s %10s %12s\n' kind reader time processor ratio MB/s 'peak memory'
while read -r kind options; do
    # shellcheck disable=SC2086 # several options
    wimlib-imagex capture "$folder/tree" "$folder/hive.wim" Hive --no-acls $options >/dev/null
    rm -f "$folder/ours" "$folder/wimlib"
    for _ in 1 2 3 4 5; do
        run ours target/release/examples/wim_cat "$folder/hive.wim" SOFTWARE
        run wimlib wimlib-imagex extract --to-stdout "$folder/hive.wim" 1 /SOFTWARE
    done
    ratio=$(awk -v a="$(least ours 2)" -v b="$(least wimlib 2)" 'BEGIN { printf "%.2f", a / b }')
    for reader in ours wimlib; do
        printf '%-12s %-8s %6s s %8s s %7s %10s %8s KiB\n' "$kind" $reader "$(least $reader 1)" "$(least $reader 2)" \
            "$([ $reader = ours ] && echo "$ratio")" "$(awk -v s="$size" -v t="$(least $reader 2)" 'BEGIN { printf "%.0f", s / t / 1e6 }')" \
            "$(least $reader 3)"
    done
    awk -v ratio="$ratio" 'BEGIN { exit ratio > 1.5 }' || slow=1
    rm "$folder/hive.wim"
done <<KINDS
none --compress=none
XPRESS --compress=XPRESS
LZX --compress=LZX
LZX-2M --compress=LZX --chunk-size=2M
LZMS --compress=LZMS
solid --solid --solid-chunk-size=8M
KINDS
exit $slow
