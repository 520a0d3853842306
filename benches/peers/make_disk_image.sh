#!/bin/bash
# Makes a dynamic VHDX with an NTFS volume of many files, three mounts in its SOFTWARE hive, their directories with their streams, and their
# image files.
#
# usage: make_disk_image.sh VHDX GIGABYTES FILES SOFTWARE
#
# As root, with /dev/fuse and loop devices: the volume is filled through ntfs-3g. Needs ntfs-3g, fdisk, qemu-utils and python3.
set -euo pipefail
[[ $# -eq 4 ]] || { sed -n 's/^# usage: //p' "$0" >&2; exit 2; }
out=$(realpath "$1") gigabytes=$2 files=$3 software=$(realpath "$4")
cd "$(dirname "$0")/../.."
export PATH="$PATH:/usr/sbin:/sbin"
folder=$(mktemp -d)
mkdir "$folder/volume"
trap 'umount "$folder/volume" 2>/dev/null || true; rm -rf "$folder"' EXIT
raw=$folder/disk.raw volume=$folder/volume config=$folder/volume/Windows/System32/config offset=$((1024 * 1024))

# Directories of 100 files below the volume's Files, and what is mounted where the registrations say.
cat >"$folder/fill.py" <<'PY'
import os
import shutil
import struct
import sys
import uuid

volume, files, wim = sys.argv[1], int(sys.argv[2]), sys.argv[3]
for directory in range(files // 100):
    path = f"{volume}/Files/{directory % 50}/directory {directory}"
    os.makedirs(path)
    for file in range(100):
        # Every other one is resident.
        with open(f"{path}/file {file} with a name of usual length.txt", "wb") as out:
            out.write(b"data " * (20 if file % 2 else 0))
os.makedirs(f"{volume}/images")
for number in range(3):
    mount_id = uuid.UUID(f"{number:08x}-0000-4000-8000-000000000000")
    records = b""
    for kind, text in (1, f"C:\\images\\{number}.wim"), (2, f"C:\\mount\\{number}"):
        payload = (text + "\0").encode("utf-16-le")
        records += struct.pack("<II", kind, len(payload)) + payload + bytes(-len(payload) % 8)
    stream = struct.pack("<I", 0x28 + len(records)) + bytes(12) + mount_id.bytes_le + bytes(8) + records
    os.makedirs(f"{volume}/mount/{number}")
    os.setxattr(f"{volume}/mount/{number}", "user.$WIMMOUNTDATA", stream)
    shutil.copyfile(wim, f"{volume}/images/{number}.wim")
PY

truncate -s "${gigabytes}G" "$raw"
# The disk and the partition that fixtures/disk-images/SYSTEM.gpt knows as C.
sfdisk --quiet --no-reread --no-tell-kernel "$raw" <<END
label: gpt
label-id: 6D6F756E-7400-4000-8000-000000000000
start=1MiB, type=EBD0A0A2-B9E5-4433-87C0-68B6B72699C7, uuid=6D6F756E-7400-4000-8000-000000000002
END
loop=$(losetup --find --show --offset $offset --sizelimit $(((gigabytes << 30) - 2 * offset)) "$raw")
mkntfs --quiet --fast --force --label Windows --partition-start 2048 --heads 16 --sectors-per-track 63 "$loop" >/dev/null 2>&1
ntfs-3g -o streams_interface=xattr,big_writes "$loop" "$volume"
python3 "$folder/fill.py" "$volume" "$files" fixtures/wim/two-images.wim
mkdir -p "$config" "$volume/Users" "$volume/Program Files" "$volume/ProgramData"
cp "$software" "$config/SOFTWARE"
cp fixtures/disk-images/SYSTEM.gpt "$config/SYSTEM"
umount "$volume"
losetup --detach "$loop"
qemu-img convert -t unsafe -f raw -O vhdx -o subformat=dynamic,block_size=32M "$raw" "$out"
