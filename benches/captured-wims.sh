#!/bin/sh
# A verdict on every image of a large WIM file: time, memory and what is read of it.
#
# usage: benches/captured-wims.sh [IMAGES [GIGABYTES]]        (default: 8 images, 5 GB)
#
# Needs wimlib-imagex (wimtools), GNU time and strace. Each image has a SOFTWARE hive of 100 MB with three mounts and 20,000
# small files; what fills the file cannot be compressed. The file is in the page cache as far as memory allows.
set -eu
cd "$(dirname "$0")/.."
images=${1:-8} gigabytes=${2:-5}
cargo build --quiet --release --example make_software_hive
cargo build --quiet --release --features cli
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
tree=$folder/tree wim=$folder/reference.wim

mkdir -p "$tree/Windows/System32/config" "$tree/Users" "$tree/Program Files" "$tree/ProgramData" "$tree/data"
target/release/examples/make_software_hive "$tree/Windows/System32/config/SOFTWARE" 100
seq 20000 | (cd "$tree/data" && split -l 1 -a 4 - file)
megabytes=$((gigabytes * 1000 / images))
image=0
while [ "$image" -lt "$images" ]; do
    image=$((image + 1))
    head -c "${megabytes}M" /dev/urandom >"$tree/ProgramData/payload"
    # Its last byte is slack: each image has a hive of its own.
    printf '%b' "\\0$(printf '%o' "$image")" | dd of="$tree/Windows/System32/config/SOFTWARE" bs=1 seek=$(($(stat -c %s "$tree/Windows/System32/config/SOFTWARE") - 1)) conv=notrunc status=none
    if [ "$image" = 1 ]; then
        wimlib-imagex capture "$tree" "$wim" "image $image" --compress=LZX:1 >/dev/null
    else
        wimlib-imagex append "$tree" "$wim" "image $image" >/dev/null
    fi
done
rm -r "$tree"

run() { target/release/dism-mount-status --fail-on never --format summary "$@" "$wim"; }
run
best=
for _ in 1 2 3 4 5; do
    start=$(date +%s%N)
    run >/dev/null
    end=$(date +%s%N)
    took=$(((end - start) / 1000000))
    if [ -z "$best" ] || [ "$took" -lt "$best" ]; then best=$took; fi
done
peak=$(/usr/bin/time -f %M target/release/dism-mount-status --fail-on never --format summary "$wim" 2>&1 >/dev/null | tail -1)
strace -f -y -e trace=read,pread64 -o "$folder/trace" target/release/dism-mount-status --fail-on never --format summary "$wim" >/dev/null
read=$(awk -v wim="$wim>" 'index($0, wim) { sum += $NF } END { print sum + 0 }' "$folder/trace")
printf '%s images in %s bytes: %s ms, %s bytes read, %s KiB peak\n' "$images" "$(stat -c %s "$wim")" "$best" "$read" "$peak"
