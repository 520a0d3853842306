#!/usr/bin/env python3
"""NTFS volumes are read as they were written, and as dissect.ntfs, ntfscat and the crate ntfs read them.

usage: ntfs_volumes.py, as root, with /dev/fuse (Debian packages ntfs-3g, attr, wimtools; pip install dissect.hypervisor dissect.ntfs)

Makes volumes with mkntfs (sectors of 512 to 4,096 bytes, clusters of 512 B to 2 MiB) and fills them through ntfs-3g: compressed,
sparse, heavily fragmented and many-linked files, directories of 20,000 entries and such whose index lies in a record of its own,
named streams on directories, reparse points, and files that the Windows Overlay Filter compressed, whose chunks wimlib made. Of
every file `examples/ntfs_files.rs` must read the bytes that were written; of every record names, streams, times and reparse data
must be those of dissect.ntfs, and for hives, `$WIMMOUNTDATA` and reparse points those of ntfscat too. The crate ntfs, which gives
compressed data as they are stored and loses data behind attribute lists, must agree on all other streams and reparse data. The volumes that Windows
made in the source packages of dissect.ntfs and dissect.hypervisor must be read as dissect reads them.

Where nothing can be mounted it says so and is left out (77), and so where a program is missing; under CI=true the latter fails.
"""
import gzip
import hashlib
import io
import json
import os
import random
import shutil
import struct
import subprocess
import sys
import tarfile
import tempfile
import uuid
from pathlib import Path

from support import ntfs_crate, wof

ROOT = Path(__file__).resolve().parents[2]
FILES = ROOT / "target/debug/examples/ntfs_files"
DISK = ROOT / "target/debug/examples/disk_image"
FIXTURES = ROOT / "fixtures"
LEFT_OUT = 77
CI = os.environ.get("CI") == "true"
MAX_HASHED = 64 << 20
PACKAGES = ["dissect.ntfs==3.16", "dissect.hypervisor==3.6"]
DATA, REPARSE_POINT, STANDARD_INFORMATION, FILE_NAME = 0x80, 0xC0, 0x10, 0x30
DOS_NAMESPACE = 2
MOUNT_ID = uuid.UUID("e242237c-66ed-4958-b9ec-c49b07eaeeb5")
WIM, MOUNT_POINT, SYMLINK, WOF = 0x80000008, 0xA0000003, 0xA000000C, 0x80000017
COMPRESSED = 0x800
# Sector size, cluster size, size of the volume, entries of the large directory.
VOLUMES = [
    (512, 512, 64 << 20, 2_000),
    (512, 1024, 96 << 20, 2_000),
    (512, 4096, 256 << 20, 20_000),
    (1024, 2048, 96 << 20, 1_000),
    (2048, 8192, 128 << 20, 1_000),
    (4096, 4096, 512 << 20, 20_000),
    (4096, 65536, 512 << 20, 1_000),
    (512, 2 << 20, 4 << 30, 300),
]


def leave_out(reason, is_missing=False):
    print(reason if is_missing and CI else f"left out: {reason}")
    sys.exit(1 if is_missing and CI else LEFT_OUT)


for program in ("mkntfs", "ntfs-3g", "ntfscat", "setfattr", "wimlib-imagex"):
    if not shutil.which(program):
        leave_out(f"{program} is not installed", True)
try:
    from dissect.hypervisor.disk.vhd import VHD
    from dissect.hypervisor.disk.vhdx import VHDX
    from dissect.ntfs import NTFS
except ImportError as error:
    leave_out(f"{error.name} is not there for Python: pip install dissect.hypervisor dissect.ntfs", True)

failures = []
counts = {"volumes": 0, "files": 0, "streams": 0, "ntfscat": 0, "crate": 0, "explained": 0}


def fail(text):
    failures.append(text)
    if len(failures) <= 40:
        print("NOT as expected:", text[:400])


def sha1(data):
    return hashlib.sha1(data).hexdigest()


def text(size, seed=0):
    return (b"all work and no play %d makes " % (seed % 97) * (size // 24 + 1))[:size]


def mount_data(mount_id):
    records = b""
    for number, path in (1, "C:\\images\\install.wim"), (2, "C:\\mount"):
        payload = (path + "\0").encode("utf-16-le")
        records += struct.pack("<II", number, len(payload)) + payload + bytes(-len(payload) % 8)
    return struct.pack("<I", 0x28 + len(records)) + bytes(12) + mount_id.bytes_le + bytes(8) + records


class Volume:
    """A volume that is being filled, and what was written to it: streams and reparse data by path."""

    def __init__(self, image, folder):
        self.image, self.folder = image, folder
        self.streams, self.reparse_points = {}, {}
        # Of files that the Windows Overlay Filter compressed: ntfs-3g opens none of their streams once they are such.
        self.methods = {}

    def mount(self, streams):
        options = f"streams_interface={streams},compression"
        done = subprocess.run(["ntfs-3g", "-o", options, self.image, self.folder], capture_output=True, text=True)
        if done.returncode != 0:
            leave_out(f"ntfs-3g cannot mount: {done.stderr.strip()}")

    def unmount(self):
        subprocess.run(["umount", self.folder], check=True)

    def at(self, path):
        return os.path.join(self.folder, path)

    def make_directory(self, path):
        os.makedirs(self.at(path), exist_ok=True)

    def write(self, path, data):
        with open(self.at(path), "wb") as file:
            file.write(data)
        self.streams[path, ""] = data

    def write_sparsely(self, path, size, parts):
        data = bytearray(size)
        with open(self.at(path), "wb") as file:
            file.truncate(size)
            for offset, part in parts:
                file.seek(offset)
                file.write(part)
                data[offset : offset + len(part)] = part
        self.streams[path, ""] = bytes(data)

    def write_in_turn(self, paths, step, count):
        """Several files that grow in turn, so that their clusters lie between each other."""
        data = {path: bytearray() for path in paths}
        files = {path: os.open(self.at(path), os.O_CREAT | os.O_WRONLY | os.O_APPEND) for path in paths}
        for turn in range(count):
            for number, path in enumerate(paths):
                part = struct.pack("<QQ", turn, number) * (step // 16)
                os.write(files[path], part)
                data[path] += part
        for path in paths:
            os.close(files[path])
            self.streams[path, ""] = bytes(data[path])

    def stream(self, path, name, data):
        os.setxattr(self.at(path), f"user.{name}", data)
        self.streams[path, name] = data

    def reparse(self, path, tag, data):
        data = struct.pack("<IHH", tag, len(data), 0) + data
        os.setxattr(self.at(path), "system.ntfs_reparse_data", data)
        self.reparse_points[path] = data


def fill(volume, folder, cluster, entries):
    chance = random.Random(cluster)
    for path in ("Windows/System32/config", "Mount/sub", "Replaced", "Images", "Many", "монтаж 映像", "Streams", "Compressed/in"):
        volume.make_directory(path)
    hive = (FIXTURES / "captures/three-mounts/tree/Windows/System32/config/SOFTWARE").read_bytes()
    volume.write("Windows/System32/config/SOFTWARE", hive)
    volume.write("Windows/System32/config/large", hive + chance.randbytes(3_000_000))
    volume.write("Images/install.wim", (FIXTURES / "wim/two-images.wim").read_bytes())
    for size in (0, 1, 300, 511, 512, 513, 700, 1023, 1024, 4095, 4096, 4097, 65_535, 65_536, 65_537):
        volume.write(f"Images/size {size}", chance.randbytes(size))
    for directory in "Mount", "монтаж 映像":
        volume.stream(directory, "$WIMMOUNTDATA", mount_data(MOUNT_ID))
    volume.stream("Mount/sub", "other", b"")
    volume.write("Mount/with streams", b"its data")
    for number in range(40):
        volume.stream("Mount/with streams", f"stream {number}", chance.randbytes(20 * number))
    # So many that the directory's index goes to a record of its own.
    for number in range(200):
        volume.write(f"Streams/file {number}", b"")
    for number in range(60):
        volume.stream("Streams", f"stream {number}", chance.randbytes(60))
    volume.stream("Streams", "$WIMMOUNTDATA", mount_data(uuid.UUID(int=7)))
    for number in range(entries):
        volume.write(f"Many/File {number:05} {'x' * (number % 30)}.txt", b"")
    volume.write("Many/last", b"the last one")
    volume.write("Images/linked", b"linked" * 1000)
    for number in range(400):
        link = f"Many/link {number} of a file with many names"
        os.link(volume.at("Images/linked"), volume.at(link))
        volume.streams[link, ""] = b"linked" * 1000
    os.setxattr(volume.at("Images/install.wim"), "system.ntfs_dos_name", b"INSTAL~1.WIM")
    # Reparse points.
    for number, path in enumerate(("Mount/stub.dll", "Mount/sub/stub.dll")):
        volume.write(path, b"")
        volume.reparse(path, WIM, MOUNT_ID.bytes_le + bytes([number]) * 20)
    volume.make_directory("Junction")
    target, shown = "\\??\\C:\\Mount".encode("utf-16-le"), "C:\\Mount".encode("utf-16-le")
    spans = struct.pack("<HHHH", 0, len(target), len(target) + 2, len(shown))
    volume.reparse("Junction", MOUNT_POINT, spans + target + b"\0\0" + shown + b"\0\0")
    volume.write("Images/long link", b"")
    name = ("..\\" + "deep\\" * 700 + "install.wim").encode("utf-16-le")
    volume.reparse("Images/long link", SYMLINK, struct.pack("<HHHHI", 0, len(name), 0, len(name), 1) + name)
    # Sparse, fragmented, compressed.
    volume.write_sparsely("Images/sparse", 5_000_000, [(0, b"start"), (1_234_567, text(100_000)), (4_999_990, b"0123456789")])
    volume.write_sparsely("Images/all sparse", 3_000_001, [])
    volume.write_in_turn(["Images/fragmented 1", "Images/fragmented 2", "Images/fragmented 3"], max(512, min(cluster, 4096)), 2500)
    if cluster <= 4096:
        for directory in "Compressed", "Compressed/in":
            os.setxattr(volume.at(directory), "system.ntfs_attrib_be", struct.pack(">I", COMPRESSED | 0x10))
        noise = chance.randbytes(200_000)
        for size in (0, 10, 600, 4096, 5000, 8192, 65_535, 65_536, 65_537, 131_072, 1_000_000):
            volume.write(f"Compressed/text {size}", text(size, size))
            volume.write(f"Compressed/noise {size}", (noise * 5)[:size])
        mixed = text(70_000) + noise + bytes(300_000) + text(500_000) + noise[:50_000]
        volume.write("Compressed/in/mixed", mixed)
        volume.write("Compressed/in/zeros", bytes(400_000))
        volume.write_in_turn(["Compressed/in/turn 1", "Compressed/in/turn 2"], 4096, 600)
    kinds = {
        "text": text(300_000, 3),
        "noise between": text(40_000) + chance.randbytes(100_000) + text(40_001),
        "calls": b"".join(b"\xe8" + chance.randrange(-50_000, 50_000).to_bytes(4, "little", signed=True) for _ in range(30_000)),
        "small": text(3000),
    }
    for method in wof.METHODS:
        for kind, data in kinds.items():
            path = f"Images/wof {method} {kind}"
            volume.write_sparsely(path, len(data), [])
            chunks = wof.chunks_of(folder, data, method)
            volume.streams[path, ""] = data
            volume.streams[path, "WofCompressedData"] = chunks
            volume.methods[path] = method
    volume.write("Images/wimboot", b"")
    volume.reparse("Images/wimboot", WOF, struct.pack("<IIQ", 1, 1, 5) + bytes(40))
    del volume.streams["Images/wimboot", ""]


def fill_streams(volume):
    """Streams that are too large for extended attributes."""
    large = bytes(range(256)) * 280
    for path, name, data in [("Replaced", "$WIMMOUNTDATA", large)] + [
        (path, name, data) for (path, name), data in volume.streams.items() if name == "WofCompressedData"
    ]:
        with open(f"{volume.at(path)}:{name}", "wb") as file:
            file.write(data)
        volume.streams[path, name] = data


def ours(image, offset=0):
    """What our reader finds: files by path, mounts, facts about the volume."""
    run = subprocess.run([FILES, image, str(offset)], capture_output=True, timeout=600)
    if run.returncode != 0:
        fail(f"{image}: {run.stderr.decode()}")
        return {}, [], {}
    lines = [json.loads(line) for line in run.stdout.decode().splitlines()]
    files, mounts, about = {}, [], {}
    for line in lines:
        if "record" in line:
            files["/".join(line["path"])] = line
        elif "mounts" in line:
            mounts = line["mounts"]
        elif "cluster_size" in line:
            about = line
        else:
            fail(f"{image}: {line}")
    return files, mounts, about


def compare_with_written(name, volume, files):
    for (path, stream), data in volume.streams.items():
        found = {s["name"]: s for s in files.get(path, {}).get("streams", [])}
        if path not in files or stream not in found:
            fail(f"{name}: {path}:{stream} is not found")
        elif (found[stream]["size"], found[stream]["sha1"]) != (len(data), sha1(data)):
            fail(f"{name}: {path}:{stream} is {found[stream]}, written were {len(data)} bytes")
    for path, data in volume.reparse_points.items():
        if files.get(path, {}).get("reparse_data") != data.hex():
            fail(f"{name}: reparse data of {path}")
    if "error" not in str(files["Images/wimboot"]["streams"]) or "WIMBoot" not in str(files["Images/wimboot"]["streams"]):
        fail(f"{name}: data of a WIMBoot file: {files['Images/wimboot']}")


def compare_with_dissect(name, files, fh, stored_as_they_are=()):
    """Every record that our reader lists, with all that dissect.ntfs finds in it."""
    volume = NTFS(fh)
    children = {}
    for path, file in files.items():
        if path:
            parent, _, child = path.rpartition("/")
            children.setdefault(parent, {})[child] = file["record"]
    seen = set()
    for path, file in files.items():
        record = volume.mft.get(file["record"])
        counts["files"] += 1
        if not file["is_found"] is True:
            fail(f"{name}: {path} is not found by its path: {file['is_found']}")
        if file["is_directory"] != record.is_dir():
            fail(f"{name}: {path} is a directory or not")
        if file["is_directory"] and not file["reparse_data"]:
            entries = record.index("$I30").entries()
            theirs = {}
            for entry in entries:
                key = entry.attribute
                if key and key.flags != DOS_NAMESPACE and key.file_name != ".":
                    reference = entry.header.FileReference
                    theirs[key.file_name] = reference.SegmentNumberLowPart | reference.SegmentNumberHighPart << 32
            mine = children.get(path, {})
            if mine != theirs:
                fail(f"{name}: entries of {path!r}: {sorted(set(mine.items()) ^ set(theirs.items()))[:5]}")
        if file["record"] in seen:
            continue
        seen.add(file["record"])
        theirs = {}
        is_wof = (file["reparse_data"] or "").startswith(struct.pack("<I", WOF).hex())
        for attribute in record.attributes[DATA]:
            stream = attribute.header.name
            if stream in theirs:
                continue
            size = record.size(stream)
            is_readable = size <= MAX_HASHED and not (is_wof and stream == "")
            theirs[stream] = (size, sha1(record.open(stream).read()) if is_readable else None)
            counts["streams"] += 1
        mine = {s["name"]: (s["size"], s["sha1"] if not (is_wof and s["name"] == "") else None) for s in file["streams"]}
        # dissect decompresses the last unit of a compressed stream even where ntfs-3g stored it as it is, one cluster and a hole
        # behind; what was written is compared beside, and ntfs-3g reads that too.
        if mine != theirs and (path not in stored_as_they_are or mine[""][0] != theirs[""][0]):
            fail(f"{name}: streams of {path!r}: {set(mine.items()) ^ set(theirs.items())}")
        reparse = record.attributes[REPARSE_POINT]
        reparse = record.open("", reparse[0].header.type).read().hex() if reparse else None
        if file["reparse_data"] != reparse:
            fail(f"{name}: reparse data of {path!r}")
        times = record.attributes[STANDARD_INFORMATION][0].attribute.attr
        theirs = [times.CreationTime, times.LastModificationTime, times.LastChangeTime, times.LastAccessTime]
        times = file["information"]
        kinds = ("creation_time", "modification_time", "record_modification_time", "access_time")
        if [times[kind] for kind in kinds] != theirs:
            fail(f"{name}: times of {path!r}: {times}, {theirs}")
        short = [a.attribute.file_name for a in record.attributes[FILE_NAME] if a.attribute.flags == DOS_NAMESPACE]
        if file["dos_name"] != (short[0] if short else None):
            fail(f"{name}: short name of {path!r}: {file['dos_name']}, {short}")
    if len(seen) < 12:
        fail(f"{name}: {len(seen)} records")


def compare_with_ntfscat(name, volume, files):
    wanted = [(path, "", DATA) for path in ("Windows/System32/config/SOFTWARE", "Windows/System32/config/large")]
    wanted += [(path, stream, DATA) for path, stream in volume.streams if stream == "$WIMMOUNTDATA"]
    wanted += [(path, "", REPARSE_POINT) for path in volume.reparse_points]
    for path, stream, kind in wanted:
        command = ["ntfscat", "-a", hex(kind), *(["-n", stream] if stream else []), "-i", str(files[path]["record"]), volume.image]
        data = subprocess.run(command, capture_output=True).stdout
        counts["ntfscat"] += 1
        if kind == REPARSE_POINT:
            is_same = files[path]["reparse_data"] == data.hex()
        else:
            is_same = {s["name"]: s["sha1"] for s in files[path]["streams"]}[stream] == sha1(data)
        if not is_same:
            fail(f"{name}: ntfscat reads something else of {path}:{stream} ({kind:#x})")


def compare_with_crate(name, image, files):
    by_record = {file["record"]: (path, file) for path, file in files.items()}
    for record, (theirs, known) in ntfs_crate.read(image, list(by_record)).items():
        path, file = by_record[record]
        mine = {("stream", stream["name"]): (stream["size"], stream["sha1"]) for stream in file["streams"]}
        if data := file["reparse_data"]:
            mine["reparse", ""] = (len(data) // 2, sha1(bytes.fromhex(data)))
        # Of a file that the Windows Overlay Filter compressed it gives the hole that is stored, and it takes cluster 0 for one.
        if path == "$Boot" or (data or "").startswith(struct.pack("<I", WOF).hex()):
            known.add("holes")
        too_large = {key: (value[0], None) for key, value in theirs.items() if key in mine and mine[key][1] is None}
        if mine == theirs | too_large:
            counts["crate"] += len(mine)
        elif known:
            counts["explained"] += 1
        else:
            fail(f"{name}: the crate ntfs has of {path!r}: {theirs}, not {mine}")


def compare_mounts(name, mounts):
    directories = {tuple(mount["path"]) for mount in mounts if mount["kind"] == "directory"}
    expected = {("Mount",), ("монтаж 映像",), ("Streams",), ("Replaced",)}
    if directories != expected:
        fail(f"{name}: mount directories {directories}")
    stubs = {tuple(mount["path"]) for mount in mounts if mount["kind"] == "file"}
    if stubs != {("Mount", "stub.dll"), ("Mount", "sub", "stub.dll")}:
        fail(f"{name}: files of mounts {stubs}")


def made_by_mkntfs(folder):
    for sector, cluster, size, entries in VOLUMES:
        name = f"sectors of {sector}, clusters of {cluster}"
        image, mounted = folder / "image", folder / "mounted"
        image.unlink(missing_ok=True)
        mounted.mkdir(exist_ok=True)
        with image.open("wb") as file:
            file.truncate(size)
        command = ["mkntfs", "-q", "-Q", "-F", "-L", "WIN", "-s", str(sector), "-c", str(cluster), "-p", "2048", "-H", "16", "-S", "63", image]
        subprocess.run(command, check=True, capture_output=True)
        volume = Volume(image, mounted)
        volume.mount("xattr")
        try:
            fill(volume, folder, cluster, entries)
        finally:
            volume.unmount()
        volume.mount("windows")
        try:
            fill_streams(volume)
        finally:
            volume.unmount()
        volume.mount("xattr")
        try:
            for path, method in volume.methods.items():
                volume.reparse(path, WOF, struct.pack("<IIII", 1, 2, 1, method))
            path = f"Compressed/text {cluster}"
            if (path, "") in volume.streams and Path(volume.at(path)).read_bytes() != volume.streams[path, ""]:
                fail(f"{name}: ntfs-3g reads something else of {path} than was written")
        finally:
            volume.unmount()
        files, mounts, about = ours(image)
        if (about.get("sector_size"), about.get("cluster_size"), about.get("label")) != (sector, cluster, "WIN"):
            fail(f"{name}: {about}")
        if about.get("warnings"):
            fail(f"{name}: {about['warnings'][:3]}")
        before = len(failures)
        compare_with_written(name, volume, files)
        with image.open("rb") as fh:
            compare_with_dissect(name, files, fh, {f"Compressed/text {cluster}"})
        compare_with_ntfscat(name, volume, files)
        compare_with_crate(name, image, files)
        compare_mounts(name, mounts)
        counts["volumes"] += 1
        print(f"{name}, records of {about.get('record_size')}: {len(files)} files, {len(failures) - before} not as expected", flush=True)
        image.unlink()


# The disks among them.
CONTAINERS = {"fixed.vhd": VHD, "dynamic.vhd": VHD, "fixed.vhdx": VHDX, "dynamic.vhdx": VHDX}


def packages(folder):
    """The source packages, three times tried for; None where they cannot be had."""
    for _ in range(3):
        command = [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps", "--no-binary", ":all:", "-d", folder, *PACKAGES]
        if subprocess.run(command, capture_output=True).returncode == 0:
            return sorted(folder.glob("*.tar.gz"))
    return None


def made_by_windows(folder):
    archives = packages(folder)
    if archives is None:
        print("the source packages of dissect cannot be had: volumes that Windows made are left out")
        return
    for archive in archives:
        with tarfile.open(archive) as tar:
            for member in tar.getmembers():
                base = os.path.basename(member.name).removesuffix(".gz")
                if base not in ("ntfs.bin", "ntfs-cloud.bin", *CONTAINERS):
                    continue
                image = folder / base
                data = gzip.decompress(tar.extractfile(member).read())
                image.write_bytes(data)
                offset = 0
                if base in CONTAINERS:
                    # What these disks have in front of their volume.
                    offset = 65536
                    with image.open("rb") as fh:
                        data = CONTAINERS[base](fh).read()
                    # Unpacked by ours, read in there by dissect: each by itself.
                    image.write_bytes(subprocess.run([DISK, image, "0", str(len(data))], capture_output=True, check=True).stdout)
                before = len(failures)
                files, _, _ = ours(image, offset)
                compare_with_dissect(base, files, io.BytesIO(data[offset:]))
                if offset == 0:
                    compare_with_crate(base, image, files)
                counts["volumes"] += 1
                print(f"{base}: {len(files)} files, {len(failures) - before} not as expected", flush=True)
                image.unlink()


def main():
    if os.geteuid() != 0:
        leave_out("only root can mount")
    if not os.path.exists("/dev/fuse"):
        leave_out("there is no /dev/fuse")
    if not ntfs_crate.build():
        leave_out("the crate ntfs cannot be built", True)
    build = ["cargo", "build", "--quiet", "--example", "ntfs_files", "--example", "disk_image", "--all-features"]
    subprocess.run(build, cwd=ROOT, check=True)
    with tempfile.TemporaryDirectory() as folder:
        made_by_windows(Path(folder))
        made_by_mkntfs(Path(folder))
    print(
        f"{counts['volumes']} volumes, {counts['files']} files, {counts['streams']} streams as dissect.ntfs, {counts['ntfscat']} as "
        f"ntfscat, {counts['crate']} as the crate ntfs ({counts['explained']} files explained), {len(failures)} not as expected"
    )
    cases, unexplained = counts["files"] + counts["streams"] + counts["ntfscat"], len(failures)
    what = "NTFS as dissect.ntfs, ntfscat and the writer have it: files, streams"
    print(f"{what}: cases={cases} equal={cases - unexplained} explained=0 unexplained={unexplained}")
    sys.exit(bool(failures))


main()
