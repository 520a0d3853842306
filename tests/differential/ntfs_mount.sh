#!/bin/bash
# Judges mounts on an NTFS volume, made with mkntfs and mounted with ntfs-3g: named streams, reparse points, short names,
# mixed case and a directory of 20,000 files, as they are on a volume that Windows left.
#
# usage: ntfs_mount.sh, as root, with /dev/fuse (apt-get install ntfs-3g python3)
# Where nothing can be mounted it says so and is left out (77), and so where a program is missing; under CI the latter fails.
set -euo pipefail
cd "$(dirname "$0")/../.."

leave_out() {
    echo "left out: $1"
    exit 77
}
for program in mkntfs ntfs-3g python3; do
    if ! command -v "$program" >/dev/null; then
        [ -z "${CI:-}" ] || { echo "$program is not installed"; exit 1; }
        leave_out "$program is not installed"
    fi
done
[ "$(id -u)" = 0 ] || leave_out "only root can mount"
[ -e /dev/fuse ] || leave_out "there is no /dev/fuse"

cargo build --quiet --all-features
work=$(mktemp -d)
volume=$work/volume
trap 'umount "$volume" 2>/dev/null || true; rm -rf "$work"' EXIT
mkdir "$volume"
truncate -s 256M "$work/image"
mkntfs --quiet --fast --force --label WIN --partition-start 2048 --heads 16 --sectors-per-track 63 --sector-size 512 \
    "$work/image" >/dev/null 2>&1
mount_volume() { # how streams are shown
    ntfs-3g -o "streams_interface=$1" "$work/image" "$volume" || leave_out "ntfs-3g cannot mount"
}

mount_volume xattr
# There is no Users, Program Files, ProgramData: the volume is whole because it is mounted as such.
mkdir -p "$volume/Windows/System32/config"
cp fixtures/captures/three-mounts/tree/Windows/System32/config/SOFTWARE "$volume/Windows/System32/config/Software"
python3 - "$volume" "$work/mounts.reg" <<'PYTHON'
import os, struct, sys, uuid

volume, export = sys.argv[1:]
OWN, OTHER = uuid.UUID("e242237c-66ed-4958-b9ec-c49b07eaeeb5"), uuid.UUID("0b6cc4b5-ff0b-4eb8-9f53-7a36de5b6e4c")
WIM, MOUNT_POINT, SYMLINK, WOF = 0x80000008, 0xA0000003, 0xA000000C, 0x80000017


def at(path):
    return os.path.join(volume, path)


def empty(path):
    open(at(path), "w").close()


def stream(path, mount_id):
    records = b""
    for number, text in (1, "C:\\images\\install.wim"), (2, "C:\\mount"):
        payload = (text + "\0").encode("utf-16-le")
        records += struct.pack("<II", number, len(payload)) + payload + bytes(-len(payload) % 8)
    data = struct.pack("<I", 0x28 + len(records)) + bytes(12) + mount_id.bytes_le + bytes(8) + records
    os.setxattr(at(path), "user.$WIMMOUNTDATA", data)


def reparse(path, tag, data):
    os.setxattr(at(path), "system.ntfs_reparse_data", struct.pack("<IHH", tag, len(data), 0) + data)


def junction(path, target):
    os.mkdir(at(path))
    substitute, shown = ("\\??\\" + target).encode("utf-16-le"), target.encode("utf-16-le")
    spans = struct.pack("<HHHH", 0, len(substitute), len(substitute) + 2, len(shown))
    reparse(path, MOUNT_POINT, spans + substitute + b"\0\0" + shown + b"\0\0")


def relative_link(path, target):
    empty(path)
    name = target.encode("utf-16-le")
    reparse(path, SYMLINK, struct.pack("<HHHHI", 0, len(name), 0, len(name), 1) + name)


for path in ("Mount", "NoStream", "Replaced", "Leftover/deep", "Images", "Many", "SafeOS.Mount/sub", "монтаж 映像",
             "a long name of a directory/mount"):
    os.makedirs(at(path))
wim = open("fixtures/wim/two-images.wim", "rb").read()
for path in "Images/Install.wim", "Many/File 19999.wim":
    with open(at(path), "wb") as file:
        file.write(wim)
for number in range(19999):
    empty(f"Many/File {number:05}.txt")
for path in "Mount", "монтаж 映像", "a long name of a directory/mount":
    stream(path, OWN)
for path in "Replaced", "Leftover/deep":
    stream(path, OTHER)
os.setxattr(at("a long name of a directory"), "system.ntfs_dos_name", b"ALONGN~1")
junction("Junction", "C:\\MOUNT")
junction("Away", "D:\\mount")
junction("Loop", "C:\\loop")
relative_link("Images/link.wim", "..\\many\\FILE 19999.WIM")
empty("Images/wof.wim")
reparse("Images/wof.wim", WOF, struct.pack("<IIII", 1, 2, 1, 0))
for path, mount_id in ("SafeOS.Mount/one.dll", OTHER), ("SafeOS.Mount/sub/two.dll", OTHER), ("Mount/stub.dll", OWN):
    empty(path)
    reparse(path, WIM, mount_id.bytes_le + bytes(20))

MOUNTS = [
    ("C:\\mount", "C:\\IMAGES\\INSTALL.WIM"),
    ("c:/nostream", "C:\\many\\FILE 19999.WIM"),
    ("C:\\replaced", "C:\\images\\link.wim"),
    ("C:\\gone", "C:\\images\\gone.wim"),
    ("C:\\junction", "C:\\images\\wof.wim"),
    ("C:\\away", "D:\\x.wim"),
    ("C:\\loop", "C:\\images"),
    ("C:\\alongn~1\\MOUNT", "C:\\NOSUCH~1\\x.wim"),
    ("\\\\?\\C:\\МОНТАЖ 映像\\", "C:\\Many\\x\\y.wim"),
    ("C:\\toolong", "C:\\many\\file 00000.TXT"),
]
with open(export, "w", encoding="utf-8") as reg:
    reg.write("Windows Registry Editor Version 5.00\n")
    for number, paths in enumerate(MOUNTS):
        mount, image = (path.replace("\\", "\\\\") for path in paths)
        key = f"HKEY_LOCAL_MACHINE\\SOFTWARE\\Microsoft\\WIMMount\\Mounted Images\\{{{uuid.UUID(int=number) if number else OWN}}}"
        reg.write(f'\n[{key}]\n"WIM Path"="{image}"\n"Mount Path"="{mount}"\n"Image Index"=dword:1\n"Status"=dword:2\n')
PYTHON
umount "$volume"
# The attribute is limited to 64 KiB, a stream is not.
mount_volume windows
mkdir "$volume/TooLong"
head -c 70000 /dev/zero >"$volume/TooLong:\$WIMMOUNTDATA"
umount "$volume"

judge() { # arguments of the program; a line for each mounted image, each orphan, and each kind of warning
    target/debug/dism-mount-status --fail-on never --format json "$@" | python3 -c '
import json, sys
capture = json.load(sys.stdin)["captures"][0]
for image in capture["mounted_images"]:
    codes = [finding["code"] for finding in image["findings"]]
    name = (image["image"] or {}).get("name")
    print(image["mount_path"], image["mount_status"], " ".join(codes), name or "-", sep=" | ")
for orphan in capture["orphaned_mounts"]:
    print("orphan", orphan["mount_path"], orphan["mount_id"][:8], orphan["image_file_path"] or "-", sep=" | ")
for code in sorted({warning["code"] for warning in capture["warnings"]}):
    print("warning", code)
if capture["error"]:
    print("error", capture["error"]["message"])'
}

# Mount path, status, what was found, the image's name. Where the streams are shown all but the first directory hold another mount.
with_streams='C:\mount | NeedsRemount | system-stopped | Windows 11 Pro
c:/nostream | Invalid | mount-data-missing | Windows 11 Pro
C:\replaced | Invalid | mount-directory-replaced | Windows 11 Pro
C:\gone | Invalid | mount-directory-missing image-file-missing | -
C:\junction | Invalid | mount-directory-replaced image-file-unreadable | -
C:\away | NeedsRemount | volume-not-captured volume-not-captured system-stopped | -
C:\loop | NeedsRemount | mount-directory-unreadable image-file-unreadable system-stopped | -
C:\alongn~1\MOUNT | Invalid | mount-directory-replaced image-file-missing | -
\\?\C:\МОНТАЖ 映像\ | Invalid | mount-directory-replaced image-file-missing | -
C:\toolong | Invalid | mount-data-unreadable image-file-not-a-wim | -'
orphans='orphan | C:\Leftover\deep | 0b6cc4b5 | C:\images\install.wim
orphan | C:\SafeOS.Mount | 0b6cc4b5 | -'
without_streams='C:\mount | NeedsRemount | streams-not-captured system-stopped | Windows 11 Pro
c:/nostream | NeedsRemount | streams-not-captured system-stopped | Windows 11 Pro
C:\replaced | NeedsRemount | streams-not-captured system-stopped | Windows 11 Pro
C:\gone | Invalid | mount-directory-missing image-file-missing | -
C:\junction | NeedsRemount | streams-not-captured image-file-unreadable system-stopped | -
C:\away | NeedsRemount | volume-not-captured volume-not-captured system-stopped | -
C:\loop | NeedsRemount | mount-directory-unreadable image-file-unreadable system-stopped | -
C:\alongn~1\MOUNT | Invalid | streams-not-captured image-file-missing | -
\\?\C:\МОНТАЖ 映像\ | Invalid | streams-not-captured image-file-missing | -
C:\toolong | NeedsRemount | streams-not-captured image-file-not-a-wim system-stopped | -'

# The registrations of a machine that was off, its files on the volume.
joined=(--captured stopped --drive "C=$volume" "$work/mounts.reg")

runs=0 failed=0
expect() { # name of the run, expected lines, arguments of the program
    local name="$1" expected="$2"
    shift 2
    runs=$((runs + 1))
    if diff <(printf '%s\n' "$expected") <(judge "$@"); then
        echo "as expected: $name"
    else
        echo "NOT as expected: $name"
        failed=$((failed + 1))
    fi
}

mount_volume xattr
expect "streams as attributes" "$with_streams
$orphans" "${joined[@]}" --find-orphans
expect "the hive on the volume itself" 'C:\Program Files\mount | Invalid | mount-directory-missing volume-not-captured | -
C:\Users\me\mount | Invalid | mount-directory-missing | Zweites Größe 映像 🪟
C:\mount | NeedsRemount | system-stopped | Windows 11 Pro' "$volume"
umount "$volume"
mount_volume windows
expect "streams as files" "$with_streams
$orphans" "${joined[@]}" --find-orphans
umount "$volume"
mount_volume none
expect "no streams" "$without_streams" "${joined[@]}"
echo "NTFS volumes mounted by ntfs-3g, judged: captures: cases=$runs equal=$((runs - failed)) explained=0 unexplained=$failed"
exit $((failed > 0))
