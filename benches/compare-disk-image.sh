#!/bin/bash
# A verdict on a large disk image: this program on a dynamic VHDX of 64 GiB whose NTFS volume holds 300,000 files and a SOFTWARE hive of
# 100 MB with three mounts, against dissect.target and what a script would do with qemu-img (qemu-nbd where there is /dev/nbd0),
# ntfscat and hivexsh. That the cost does not grow with the disk shows beside one of 8 GiB with 30,000 files.
#
# usage: benches/compare-disk-image.sh [GIGABYTES:FILES...]        (default: 8:30000 64:300000)
#
# As root, with /dev/fuse and loop devices: the volume is filled through ntfs-3g; what is measured needs neither, but for qemu-nbd. Needs
# ntfs-3g, fdisk, qemu-utils, libhivex-bin, strace, GNU time and python3; dissect.target for python3 (PYTHON names another one) is left out
# where it is not there. About 2 GB in a temporary folder. "read" is what read calls delivered of the image, holes included. Files are in the
# page cache.
set -euo pipefail
cd "$(dirname "$0")/.."
export PATH="$PATH:/usr/sbin:/sbin"
PYTHON="${PYTHON:-python3}"
cargo build --quiet --release --example make_software_hive
cargo build --quiet --release --features cli
folder=$(mktemp -d)
mkdir "$folder/volume"
trap 'umount "$folder/volume" 2>/dev/null || true; rm -rf "$folder"' EXIT
offset=$((1024 * 1024))
hive=Windows/System32/config/SOFTWARE

# Puts directories of 100 files below the volume's Files, and what is mounted where the registrations say.
cat >"$folder/fill.py" <<'PY'
import os
import struct
import sys
import uuid

volume, files = sys.argv[1], int(sys.argv[2])
for directory in range(files // 100):
    path = f"{volume}/Files/{directory % 50}/directory {directory}"
    os.makedirs(path)
    for file in range(100):
        # Every other one is resident.
        with open(f"{path}/file {file} with a name of usual length.txt", "wb") as out:
            out.write(b"data " * (20 if file % 2 else 0))
for line in sys.stdin:
    mount_id, mount_path, image = line.rstrip("\n").split("\t")
    place = lambda path: f"{volume}/" + path[3:].replace("\\", "/")
    os.makedirs(place(mount_path), exist_ok=True)
    os.makedirs(os.path.dirname(place(image)), exist_ok=True)
    records = b""
    for number, text in (1, image), (2, mount_path):
        payload = (text + "\0").encode("utf-16-le")
        records += struct.pack("<II", number, len(payload)) + payload + bytes(-len(payload) % 8)
    data = struct.pack("<I", 0x28 + len(records)) + bytes(12) + uuid.UUID(mount_id).bytes_le + bytes(8) + records
    os.setxattr(place(mount_path), "user.$WIMMOUNTDATA", data)
    with open(place(image), "wb") as out:
        out.write(open(sys.argv[3], "rb").read())
PY

cat >"$folder/peer-dissect.py" <<'PY'
import sys
from dissect.target import Target
target = Target.open(sys.argv[1])
for key in target.registry.keys("HKLM\\SOFTWARE\\Microsoft\\WIMMount\\Mounted Images"):
    for mount in key.subkeys():
        values = {value.name: value.value for value in mount.values()}
        directory = target.fs.path(values["Mount Path"].replace("\\", "/").replace("C:", "/sysvol", 1))
        print(mount.name, values, directory.exists())
PY

# What a script would do: the hive, the stream and the header of each mounted image.
cat >"$folder/peer-script.sh" <<'SH'
set -eu
image=$1 folder=$2
if [ -e /dev/nbd0 ]; then
    qemu-nbd --read-only --connect=/dev/nbd0 "$image"
    trap 'qemu-nbd --disconnect /dev/nbd0 >/dev/null' EXIT
    until [ -e /dev/nbd0p1 ]; do sleep 0.01; done
    volume=/dev/nbd0p1
else
    volume=$folder/volume.raw
    qemu-img convert --image-opts "driver=raw,offset=1048576,file.driver=vhdx,file.file.filename=$image" -O raw "$volume"
fi
ntfscat "$volume" Windows/System32/config/SOFTWARE >"$folder/hive"
printf 'cd \\Microsoft\\WIMMount\\Mounted Images\nls\n' | hivexsh "$folder/hive"
for number in 0 1 2; do
    ntfscat -a 0x80 -n '$WIMMOUNTDATA' "$volume" "mount/$number" | wc -c
    ntfscat "$volume" "images/$number.wim" | head -c 208 | wc -c
done
rm -f "$folder/volume.raw" "$folder/hive"
SH

# make GIGABYTES FILES: the disk.
make() {
    local raw=$folder/disk.raw loop
    truncate -s "${1}G" "$raw"
    # The disk and the partition that fixtures/disk-images/SYSTEM.gpt knows as C.
    sfdisk --quiet --no-reread --no-tell-kernel "$raw" <<END
label: gpt
label-id: 6D6F756E-7400-4000-8000-000000000000
start=1MiB, type=EBD0A0A2-B9E5-4433-87C0-68B6B72699C7, uuid=6D6F756E-7400-4000-8000-000000000002
END
    loop=$(losetup --find --show --offset $offset --sizelimit $(((${1} << 30) - 2 * offset)) "$raw")
    mkntfs --quiet --fast --force --label Windows --partition-start 2048 --heads 16 --sectors-per-track 63 "$loop" >/dev/null 2>&1
    ntfs-3g -o streams_interface=xattr,big_writes "$loop" "$folder/volume"
    for number in 0 1 2; do
        printf '0000000%s-0000-4000-8000-000000000000\tC:\\mount\\%s\tC:\\images\\%s.wim\n' $number $number $number
    done | python3 "$folder/fill.py" "$folder/volume" "$2" fixtures/wim/two-images.wim
    mkdir -p "$folder/volume/$(dirname $hive)" "$folder/volume/Users" "$folder/volume/Program Files" "$folder/volume/ProgramData"
    cp "$folder/SOFTWARE" "$folder/volume/$hive"
    cp fixtures/disk-images/SYSTEM.gpt "$folder/volume/$(dirname $hive)/SYSTEM"
    umount "$folder/volume"
    losetup --detach "$loop"
    rm -f "$folder/disk.vhdx"
    qemu-img convert -t unsafe -f raw -O vhdx -o subformat=dynamic,block_size=32M "$raw" "$folder/disk.vhdx"
    rm "$raw"
}

# measure NAME RUNS COMMAND...: least of several runs.
measure() {
    local name=$1 runs=$2 best= took peak read
    shift 2
    if ! "$@" >"$folder/out" 2>"$folder/error"; then
        printf '| | %s | not measured: %s |\n' "$name" "$(tail -n 1 "$folder/error")"
        return
    fi
    for _ in $(seq "$runs"); do
        took=$(date +%s%N)
        "$@" >/dev/null 2>&1
        took=$((($(date +%s%N) - took) / 1000))
        if [ -z "$best" ] || [ "$took" -lt "$best" ]; then best=$took; fi
    done
    peak=$(/usr/bin/time -f %M "$@" 2>&1 >/dev/null | tail -n 1)
    strace -f -y -e trace=read,pread64,preadv,readv -o "$folder/trace" "$@" >/dev/null 2>&1 || true
    read=$(awk '/disk\.vhdx>/ { sum += $NF } END { print sum + 0 }' "$folder/trace")
    ours=${ours:-$best}
    awk -v image="$image" -v name="$name" -v took="$best" -v ours="$ours" -v peak="$peak" -v read="$read" 'BEGIN {
        printf "| %s | %s | %.1f ms | %.1f | %.1f MiB | %.2f MiB |\n", image, name, took / 1000, took / ours, peak / 1024, read / 1048576
    }'
}

target/release/examples/make_software_hive "$folder/SOFTWARE" 100
unpacker=qemu-img
[ ! -e /dev/nbd0 ] || unpacker=qemu-nbd
[ $# -gt 0 ] || set -- 8:30000 64:300000
echo '| image | reader | time | to this | peak memory | read |'
echo '|---|---|---|---|---|---|'
for disk in "$@"; do
    make "${disk%:*}" "${disk#*:}"
    image="${disk%:*} GiB, ${disk#*:} files, $(du -m "$folder/disk.vhdx" | cut -f 1) MiB in the file"
    ours=
    measure this 20 target/release/dism-mount-status --format json --fail-on never "$folder/disk.vhdx"
    image=
    # That it is a verdict, and on what.
    target/release/dism-mount-status --format json --fail-on never "$folder/disk.vhdx" |
        python3 -c 'import json, sys
[capture] = json.load(sys.stdin)["captures"]
found = [(mount["mount_path"], mount["mount_status"]) for mount in capture["mounted_images"]]
assert found == [(f"C:\\mount\\{number}", "NeedsRemount") for number in range(3)] and capture["warnings"] == [], capture'
    measure "this, --find-orphans" 3 target/release/dism-mount-status --find-orphans --format json --fail-on never "$folder/disk.vhdx"
    measure "dissect.target" 3 "$PYTHON" "$folder/peer-dissect.py" "$folder/disk.vhdx"
    measure "$unpacker, ntfscat, hivexsh" 3 bash "$folder/peer-script.sh" "$folder/disk.vhdx" "$folder"
done
