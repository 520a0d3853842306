"""Other readers of disk images and partition tables, and our own, for the comparisons."""
import collections
import hashlib
import io
import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[3]
READER = ROOT / "target/debug/examples/disk_image"
LEFT_OUT = 77
CI = os.environ.get("CI") == "true"
MIB = 1 << 20
SECTOR = 512
# Nothing is to outlive a loss of power.
CONVERT = ["qemu-img", "convert", "-t", "unsafe"]
# Partitions that hold others, which sfdisk lists beside them.
EXTENDED = ("5", "f", "85")

failures = []
counts = collections.Counter()


def fail(text):
    failures.append(text)
    if len(failures) <= 40:
        print("NOT as expected:", text[:400])


def finish(name, cases):
    """Ends a script, with the line that `run` takes for its table."""
    print(f"{name}: cases={cases} equal={cases - len(failures)} explained=0 unexplained={len(failures)}")
    sys.exit(bool(failures))


def leave_out(reason):
    print(reason if CI else f"left out: {reason}")
    sys.exit(1 if CI else LEFT_OUT)


def need(*programs):
    for program in programs:
        if not shutil.which(program):
            leave_out(f"{program} is not installed")


def build():
    subprocess.run(["cargo", "build", "--quiet", "--example", "disk_image", "--all-features"], cwd=ROOT, check=True)


try:
    import pyvhdi
    from dissect.hypervisor.disk.qcow2 import HAS_ZSTD, QCow2
    from dissect.hypervisor.disk.vhd import VHD
    from dissect.hypervisor.disk.vhdx import VHDX
    from dissect.hypervisor.disk.vmdk import VMDK
except ImportError as error:
    leave_out(f"{error.name} is not there for Python: pip install dissect.hypervisor libvhdi-python")


def run(*command, **options):
    done = subprocess.run([str(word) for word in command], capture_output=True, timeout=300, **options)
    if done.returncode != 0:
        raise RuntimeError(f"{' '.join(map(str, command))}: {done.stderr.decode(errors='replace').strip()[-300:]}")
    return done.stdout


# Disks: each reader gives the size and the SHA-256.


def digest(stream):
    hash, size = hashlib.sha256(), 0
    while data := stream.read(MIB):
        hash.update(data)
        size += len(data)
    return size, hash.hexdigest()


def facts(image):
    return json.loads(run(READER, image))


def ours(image):
    with subprocess.Popen([READER, image, "0", str(1 << 62)], stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
        result = digest(process.stdout)
        error = process.stderr.read().decode()
    return result if process.returncode == 0 else error.strip()


def by_qemu(image):
    raw = image.with_name("by qemu")
    # Of a VHD the size that it tells, not that of its geometry.
    driver = qemu_driver(image)
    options = f"driver={driver},file.filename={image}" + (",force_size_calc=current_size" if driver == "vpc" else "")
    run(*CONVERT, "--image-opts", options, "-O", "raw", raw, cwd=image.parent)
    with raw.open("rb") as stream:
        result = digest(stream)
    raw.unlink()
    return result


def qemu_driver(image):
    if image.suffix in (".vhd", ".vhdx"):
        return {".vhd": "vpc", ".vhdx": "vhdx"}[image.suffix]
    return json.loads(run("qemu-img", "info", "-U", "--output=json", image))["format"]


def by_dissect(image):
    openers = {".vhd": VHD, ".vhdx": VHDX, ".vmdk": Vmdk, ".qcow2": lambda stream: QCow2(image).open()}
    with image.open("rb") as stream:
        return digest(openers[image.suffix](stream))


class Vmdk(VMDK):
    """With an end: dissect reads by 8 KiB, and knows nothing of a disk that ends between."""

    def read_sectors(self, sector, count):
        return super().read_sectors(sector, min(count, self.sector_count - sector))


def by_libvhdi(image, parents=()):
    files = []
    for image in (image, *parents):
        file = pyvhdi.file()
        file.open(str(image))
        files.append(file)
    for child, parent in zip(files, files[1:]):
        child.set_parent(parent)
    hash, size = hashlib.sha256(), files[0].get_media_size()
    files[0].seek(0)
    for at in range(0, size, MIB):
        hash.update(files[0].read(min(MIB, size - at)))
    return size, hash.hexdigest()


def by_ewfexport(image):
    segments = sorted(image.parent.glob("*.[Ee]??"), key=lambda path: (not path.suffix[2:].isdigit(), path.suffix))
    out = run("ewfexport", "-q", "-u", "-f", "raw", "-t", "-", *segments)
    # What it says of itself comes behind the disk.
    return digest(io.BytesIO(out.removesuffix(b"ewfexport: SUCCESS\n")))


def peers_of(extension, options=""):
    if extension in ("vhd", "vhdx"):
        return by_qemu, by_dissect, by_libvhdi
    # dissect has Zstandard only beside another package, and reads a grain that is marked as zeros from the first sector of the file.
    if "zstd" in options and not HAS_ZSTD or "zeroed_grain" in options:
        return (by_qemu,)
    return by_qemu, by_dissect


# Partition tables.


def sfdisk(target, script):
    run("sfdisk", "--no-reread", "--no-tell-kernel", target, input=script.encode())


def sfdisk_table(target):
    """What sfdisk lists, as our reader would tell it."""
    listed = json.loads(run("sfdisk", "--json", target))["partitiontable"]
    sector_size = listed.get("sectorsize", SECTOR)
    partitions = [
        {
            "number": int(re.search(r"\d+$", entry["node"].removeprefix(str(target)))[0]),
            "start": entry["start"] * sector_size,
            "size": entry["size"] * sector_size,
            "type": entry["type"].lower(),
            "name": entry.get("name"),
            "id": entry.get("uuid", "").lower(),
        }
        for entry in listed.get("partitions", [])
        if entry["type"] not in EXTENDED
    ]
    return {"scheme": listed["label"], "id": listed["id"].lower(), "sector_size": sector_size, "partitions": partitions}


def compare_table(name, image, target=None):
    """The partitions that we find on a raw disk against those that sfdisk does, there or on the device that it is; gives ours."""
    about = facts(image).get("table", {})
    theirs = sfdisk_table(target or image)
    mine = {key: about.get(key) for key in ("scheme", "id", "sector_size")}
    mine["partitions"] = [
        {
            "number": entry["number"],
            "start": entry["start"],
            "size": entry["size"],
            "type": entry["type"],
            "name": entry["name"] or None,
            "id": guid_in(entry["identity"]),
        }
        for entry in about.get("partitions", [])
    ]
    counts["tables as sfdisk"] += 1
    counts["partitions"] += len(theirs["partitions"])
    if mine != theirs:
        fail(f"{name}: partitions {mine}, sfdisk: {theirs}")
    return about


def guid_in(identity):
    found = re.search(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}", identity)
    return found[0] if found else ""
