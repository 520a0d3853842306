#!/usr/bin/env python3
"""Disks come out of their containers as they were packed in, and as other readers unpack them.

usage: disk_containers.py (Debian packages qemu-utils, ewf-tools, fdisk; pip install dissect.hypervisor libvhdi-python)

Makes disks with partition tables and packs them by qemu-img (VHD, VHDX, QCOW2 and VMDK with all that can be chosen about them,
chains, snapshots, images left dirty), by ewfacquirestream (E01 of every kind, in one segment and in 102), by split, and, where no
tool does it, by support/. `examples/disk_image.rs` must give the whole disk (by SHA-256) as it went in and as
qemu-img, ewfexport, dissect.hypervisor and libvhdi read it, and the partitions as sfdisk lists them. The same of the images in
fixtures/disk-images and of those that Windows made in the source package of dissect.hypervisor. Of images that were cut off it may give
less, with a warning or an error, but nothing that was not there.

Where a program is missing it says so and is left out (77); under CI=true that fails.
"""
import functools
import gzip
import io
import lzma
import os
import random
import shutil
import subprocess
import sys
import tarfile
import tempfile
import time
from pathlib import Path

from support import vhd_files, vhdx_files
from support.disk_readers import (
    CONVERT,
    MIB,
    READER,
    ROOT,
    SECTOR,
    build,
    by_dissect,
    by_ewfexport,
    by_libvhdi,
    by_qemu,
    compare_table,
    counts,
    digest,
    fail,
    finish,
    facts,
    failures,
    need,
    ours,
    peers_of,
    run,
    sfdisk,
)

FIXTURES = ROOT / "fixtures/disk-images"
PACKAGE = "dissect.hypervisor==3.6"
# Pieces in which images that were cut off are read.
PIECE = 4 * MIB


def compare(name, image, expected, *peers, table=None, warning=None):
    """Our reading of an image against what was packed (`None` where only peers know), what the peers read, and the partitions."""
    mine = ours(image)
    about = facts(image)
    warnings = [text["message"] for text in about.get("warnings", [])]
    if [text for text in warnings if not (warning and warning in text)] or bool(warnings) != bool(warning):
        fail(f"{name}: warnings {warnings}")
    counts["images"] += 1
    others = {} if expected is None else {"what was packed": expected}
    for peer in peers:
        try:
            others[getattr(peer, "__name__", "by_libvhdi")] = peer(image)
        except Exception as error:
            fail(f"{name}: {peer} failed: {error!r}")
    for other, theirs in others.items():
        counts["disks as " + other.replace("by_", "")] += 1
        if mine != theirs:
            fail(f"{name}: read {mine}, {other}: {theirs}")
    if table is not None:
        counts["tables"] += 1
        if about.get("table") != table:
            fail(f"{name}: partitions {about.get('table')}, not {table}")


def contents(size, seed):
    """Zeros, noise, text and single sectors, by 64 KiB."""
    chance = random.Random(seed)
    unit = 1 << 16
    data = bytearray(size)
    for at in range(0, size, unit):
        kind, end = chance.randrange(10), min(at + unit, size)
        if kind < 2:
            data[at:end] = chance.randbytes(end - at)
        elif kind < 5:
            data[at:end] = (b"sector %d of a disk " % at * 5000)[: end - at]
        elif kind < 7:
            start = at + chance.randrange(unit // SECTOR) * SECTOR
            data[start : min(start + SECTOR, end)] = chance.randbytes(min(start + SECTOR, end) - start if start < end else 0)
    return data


def make_disks(folder):
    scripts = {
        "mbr": "label: dos\nlabel-id: 0x4d4f554e\n2048,2048,6\n4096,4096,7,*\n8192,16000,f\n9000,6144,7\n16384,5000,7\n",
        "gpt": "label: gpt\n2048,2048,U\n4096,12000,EBD0A0A2-B9E5-4433-87C0-68B6B72699C7\n",
    }
    disks = {}
    # Neither is a whole number of what containers count in.
    for number, (kind, script) in enumerate(scripts.items()):
        disk = folder / f"{kind}.raw"
        disk.write_bytes(contents((12 - 2 * number) * MIB + 3 * SECTOR, number))
        sfdisk(disk, script)
        table = compare_table(f"the disk {kind}", disk)
        with disk.open("rb") as stream:
            disks[kind] = (disk, digest(stream), table)
    return disks


# Containers.

CONVERSIONS = [
    ("vhd", "vpc", "subformat=fixed,force_size=on"),
    ("vhd", "vpc", "subformat=dynamic,force_size=on"),
    ("vhd", "vpc", "subformat=fixed"),
    ("vhd", "vpc", "subformat=dynamic"),
    ("vhdx", "vhdx", "subformat=fixed"),
    ("vhdx", "vhdx", "subformat=dynamic"),
    ("vhdx", "vhdx", "subformat=dynamic,block_size=1M"),
    ("vhdx", "vhdx", "subformat=dynamic,block_size=256M,log_size=3M"),
    ("qcow2", "qcow2", "compat=0.10"),
    ("qcow2", "qcow2", "compat=1.1"),
    ("qcow2", "qcow2", "cluster_size=512,refcount_bits=1"),
    ("qcow2", "qcow2", "cluster_size=2M,refcount_bits=64,preallocation=metadata"),
    ("qcow2", "qcow2", "compat=0.10,cluster_size=4096 -c"),
    ("qcow2", "qcow2", "compression_type=zlib -c"),
    ("qcow2", "qcow2", "compression_type=zlib,cluster_size=512 -c"),
    ("qcow2", "qcow2", "compression_type=zlib,cluster_size=2M -c"),
    ("qcow2", "qcow2", "compression_type=zstd -c"),
    ("qcow2", "qcow2", "compression_type=zstd,cluster_size=2M -c"),
    ("vmdk", "vmdk", "subformat=monolithicSparse"),
    ("vmdk", "vmdk", "subformat=monolithicSparse,zeroed_grain=on,compat6=on"),
    ("vmdk", "vmdk", "subformat=monolithicFlat"),
    ("vmdk", "vmdk", "subformat=twoGbMaxExtentSparse"),
    ("vmdk", "vmdk", "subformat=twoGbMaxExtentFlat"),
    ("vmdk", "vmdk", "subformat=streamOptimized"),
]


def convert(folder, disk, extension, driver, options):
    image = folder / f"disk.{extension}"
    options, *switches = options.split()
    run(*CONVERT, "-f", "raw", "-O", driver, "-o", options, *switches, disk, image)
    return image


def converted(folder, disks):
    for kind, (disk, expected, table) in disks.items():
        for extension, driver, options in CONVERSIONS:
            with tempfile.TemporaryDirectory(dir=folder) as place:
                image = convert(Path(place), disk, extension, driver, options)
                # A geometry makes the disk larger.
                known = expected if extension != "vhd" or "force_size" in options else None
                name, peers = f"{kind}, {extension}, {options}", peers_of(extension, options)
                compare(name, image, known, *peers, table=table if known else None)


def large(folder, _disks):
    """More than one extent of 2 GiB, and blocks of more than one sector bitmap."""
    disk, size, chance = folder / "large.raw", (4 << 30) + 5 * MIB, random.Random(4)
    places = [0, (2 << 30) - SECTOR, 2 << 30, (4 << 30) - SECTOR, 4 << 30, size - SECTOR]
    places += [chance.randrange(size // SECTOR) * SECTOR for _ in range(10)]
    with disk.open("wb") as file:
        file.truncate(size)
        for at in places:
            file.seek(at)
            file.write((b"%d " % at * 50)[:SECTOR])
    kinds = [("vmdk", "vmdk", "subformat=twoGbMaxExtentSparse"), ("vmdk", "vmdk", "subformat=twoGbMaxExtentFlat")]
    kinds += [("vhdx", "vhdx", "subformat=dynamic,block_size=1M"), ("vhd", "vpc", "force_size=on"), ("qcow2", "qcow2", "cluster_size=4096")]
    for extension, driver, options in kinds:
        with tempfile.TemporaryDirectory(dir=folder) as place, disk.open("rb") as packed:
            image = convert(Path(place), disk, extension, driver, options)
            for at in places:
                start = max(0, at - 3 * SECTOR)
                packed.seek(start)
                counts["pieces of large disks"] += 1
                if run(READER, image, start, 7 * SECTOR) != packed.read(7 * SECTOR):
                    fail(f"a disk of 4 GiB and more, {extension}, {options}: other bytes at {at:#x}")


def write_by_qemu(image, writes, *end, driver):
    commands = [f"write -q -P {value} {at} {length}" if value else f"write -q -z {at} {length}" for value, at, length in writes]
    switches = [word for command in [*commands, *end] for word in ("-c", command)]
    done = subprocess.run(["qemu-io", "-t", "writeback", "-f", driver, *switches, image], cwd=image.parent, capture_output=True)
    assert "abort" in end or done.returncode == 0, done.stdout + done.stderr


def written_over(size, seed):
    """Writes by value, offset and length: whole clusters, parts of them, zeros."""
    chance = random.Random(seed)
    writes = [(0, 512 * 1024, 256 * 1024)]
    for number in range(24):
        length = chance.choice((512, 4096, 65536, 200 * 1024))
        at = chance.randrange((size - length) // SECTOR) * SECTOR
        writes.append((number % 4 and 1 + number, at, length))
    return writes


def chains(folder, _disks):
    place, base, size = folder, folder / "base.raw", 24 * MIB + 3 * SECTOR
    base.write_bytes(contents(size, "base"))
    create = ["qemu-img", "create", "-q", "-f"]
    run(*create, "qcow2", "-o", "cluster_size=4096", "-b", "base.raw", "-F", "raw", "middle.qcow2", cwd=place)
    options = 'json:{"driver":"qcow2","file":{"driver":"file","filename":"middle.qcow2"}}'
    run(*create, "qcow2", "-b", options, "-F", "qcow2", "top.qcow2", cwd=place)
    # A parent may be smaller than its child, and larger.
    run(*create, "qcow2", "-b", "middle.qcow2", "-F", "qcow2", "larger.qcow2", size + 3 * MIB, cwd=place)
    run(*create, "qcow2", "-b", "middle.qcow2", "-F", "qcow2", "smaller.qcow2", size - 5 * MIB, cwd=place)
    run(*create, "qcow2", "-b", "middle.qcow2", "-F", "qcow2", "-o", "compat=0.10,cluster_size=512", "older.qcow2", cwd=place)
    for name in "middle", "top", "larger", "smaller", "older":
        writes = [write for write in written_over(size - 5 * MIB, name) if name != "older" or write[0]]
        write_by_qemu(place / f"{name}.qcow2", writes, driver="qcow2")
    for name in "middle", "top", "larger", "smaller", "older":
        # dissect reads no JSON there, knows no zeros behind the end of a backing file, and stumbles over version 2 with one.
        peers = (by_qemu,) if name in ("top", "larger", "older") else (by_qemu, by_dissect)
        compare(f"a chain of QCOW2, {name}", place / f"{name}.qcow2", None, *peers)
    # What is read is the disk as it is now.
    snapshot = place / "middle.qcow2"
    run("qemu-img", "snapshot", "-c", "before", snapshot)
    write_by_qemu(snapshot, written_over(size, "later"), driver="qcow2")
    compare("a QCOW2 with a snapshot", snapshot, None, by_qemu, by_dissect, warning="snapshot")
    run(*CONVERT, "-O", "vmdk", base, place / "base.vmdk")
    for name, parent in ("middle", "base"), ("top", "middle"):
        run(*create, "vmdk", "-b", f"{parent}.vmdk", "-F", "vmdk", f"{name}.vmdk", cwd=place)
        # Zeros are not written as a mark here.
        write_by_qemu(place / f"{name}.vmdk", [write for write in written_over(size, name) if write[0]], driver="vmdk")
        compare(f"a chain of VMDK, {name}", place / f"{name}.vmdk", None, by_qemu, by_dissect)
    for name in "middle.qcow2", "top.vmdk", "top.qcow2":
        parent = {"middle.qcow2": "base.raw", "top.vmdk": "middle.vmdk", "top.qcow2": "middle.qcow2"}[name]
        (place / parent).rename(place / "elsewhere")
        refused(f"{name} without its parent", place / name, "parent", parent)
        (place / "elsewhere").rename(place / parent)
    # Which gives it another CID.
    write_by_qemu(place / "middle.vmdk", [(7, 0, SECTOR)], driver="vmdk")
    refused("top.vmdk over a parent that was written to", place / "top.vmdk", "CID", "middle.vmdk")


def refused(name, image, *words):
    counts["refused"] += 1
    error = facts(image).get("error") or ""
    if not all(word in error for word in words):
        fail(f"{name}: {error or 'it is read'}, without {words}")


DIFFERENCING = {"vhd": vhd_files.differencing, "vhdx": vhdx_files.differencing}


def differencing(folder, _disks):
    size = 10 * MIB + 3 * SECTOR
    data = contents(size, "one")
    disk, other = folder / "disk.raw", folder / "other.raw"
    disk.write_bytes(data)
    other.write_bytes(contents(size, "another"))
    for extension, driver, grain in ("vhd", "vpc", 1), ("vhd", "vpc", 8), ("vhdx", "vhdx", 1), ("vhdx", "vhdx", 8):
        options = "subformat=dynamic,force_size=on" if driver == "vpc" else "subformat=dynamic,block_size=1M"
        parent = convert(folder, disk, extension, driver, options).rename(folder / f"base.{extension}")
        chain, state = [parent], data
        for name in "middle", "top":
            chance = random.Random(name)
            grains = {number for number in range(size // SECTOR // grain + 1) if chance.random() < 0.2}
            grains -= set(range(5000 // grain, 9000 // grain))
            child = convert(folder, other, extension, driver, options).read_bytes()
            file, present = DIFFERENCING[extension](child, chain[0].read_bytes(), chain[0].name, lambda sector: sector // grain in grains)
            image = folder / f"{name}.{extension}"
            image.write_bytes(file)
            chain.insert(0, image)
            packed, own = bytearray(state), other.read_bytes()
            for sector in present:
                packed[sector * SECTOR : (sector + 1) * SECTOR] = own[sector * SECTOR : (sector + 1) * SECTOR]
            state = bytes(packed[:size])
            peers = peers_of_child(extension, grain, name, chain)
            compare(f"{extension}, {name}, by {grain} sectors", image, digest(io.BytesIO(state)), *peers)
        parent.rename(folder / "elsewhere")
        refused(f"a differencing {extension} without its parent", chain[0], "parent", parent.name)


def peers_of_child(extension, grain, name, chain):
    """libvhdi takes a VHD's sector for the child's where one before it in the same byte of the bitmap is; dissect reads no
    differencing VHD, and loses count where a child asks a differencing parent for less than a byte of its bitmap."""
    libvhdi = functools.partial(by_libvhdi, parents=chain[1:])
    dissect_counts = extension == "vhdx" and (grain, name) != (1, "top")
    return [libvhdi] * ((extension, grain) != ("vhd", 1)) + [by_dissect] * dissect_counts


def left_dirty(folder, _disks):
    """Images that a process left in the middle of its work: read as qemu-img reads them once it has repaired them."""
    size = 24 * MIB
    for extension, driver, options in ("vhdx", "vhdx", "subformat=dynamic,block_size=1M"), ("qcow2", "qcow2", "lazy_refcounts=on"):
        image = folder / f"disk.{extension}"
        run("qemu-img", "create", "-q", "-f", driver, "-o", options, image, size)
        before = image.read_bytes()
        write_by_qemu(image, written_over(size, "dirty"), "flush", "abort", driver=driver)
        if extension == "vhdx":
            # As if nothing but the log had reached the disk: only who replays it finds the new blocks.
            image.write_bytes(vhdx_files.with_log_to_replay(image.read_bytes(), before))
            if by_dissect(image) == ours(image):
                fail("a dirty vhdx: it is the same without its log")
        elif not any("in use" in text["message"] for text in facts(image)["warnings"]):
            fail(f"a dirty {extension}: nothing is said")
        mine = ours(image)
        run("qemu-img", "check", "-q", "-r", "all", image)
        counts["left dirty"] += 1
        if mine != by_qemu(image) or mine != by_dissect(image):
            fail(f"a dirty {extension}: read {mine}, qemu-img {by_qemu(image)}")
        image.unlink()


def not_read(folder, disks):
    """Kinds that are refused by their names."""
    disk = folder / "disk.raw"
    disk.write_bytes(disks["gpt"][0].read_bytes()[:MIB])
    secret = ["--object", "secret,id=key,data=secret"]
    for driver, options, *words in [
        ("qcow2", ["-o", "extended_l2=on"], "extended L2"),
        ("qcow2", ["-o", "data_file=%s"], "external data file"),
        ("qcow2", [*secret, "-o", "encrypt.format=luks,encrypt.key-secret=key,encrypt.iter-time=10"], "encrypted", "LUKS"),
        ("qcow", [], "QCOW"),
        ("qed", [], "QED"),
        ("vdi", [], "VDI"),
        ("parallels", [], "Parallels"),
    ]:
        image = folder / "refused"
        options = [word.replace("%s", str(folder / "data")) for word in options]
        run(*CONVERT, "-f", "raw", "-O", driver, *options, disk, image)
        refused(f"{driver} {options}", image, *words)
        image.unlink()


def ewf(folder, disks):
    disk, expected, table = disks["mbr"]
    versions = ["ftk", "encase2", "encase3", "encase4", "encase5", "encase6", "encase7", "linen5", "linen6", "linen7", "ewfx"]
    levels = ["none", "empty-block", "fast", "best"]
    cases = [(version, levels[number % 4], 64, "3MiB") for number, version in enumerate(versions)]
    cases += [("encase6", "fast", chunk, "1GiB") for chunk in (16, 1024, 32768)]
    for version, level, chunk, segment in cases:
        with tempfile.TemporaryDirectory(dir=folder) as place:
            image = acquire(Path(place), disk, version, level, chunk, segment)
            compare(f"E01, {version}, {level}, {chunk} sectors, {segment}", image, expected, by_ewfexport, table=table)
    # After E99 comes EAA.
    noise = folder / "noise.raw"
    noise.write_bytes(random.Random(3).randbytes(MIB) * 101)
    with tempfile.TemporaryDirectory(dir=folder) as place, noise.open("rb") as stream:
        image = acquire(Path(place), noise, "encase5", "none", 64, "1MiB")
        assert image.with_suffix(".EAA").exists()
        compare("E01 in many segments", image, digest(stream), by_ewfexport)
        image.with_suffix(".E02").unlink()
        if not any("E02" in text["message"] for text in facts(image)["warnings"]):
            fail(f"E01 without its second segment: {facts(image)}")
    noise.unlink()


def acquire(place, disk, version, level, chunk, segment):
    size = {"MiB": MIB, "GiB": 1 << 30}[segment[-3:]] * int(segment[:-3])
    with disk.open("rb") as stream:
        command = ["ewfacquirestream", "-q", "-t", place / "disk", "-f", version, "-c", level, "-b", chunk, "-S", size]
        run(*command, stdin=stream)
    return next(place.glob("*.[Ee]01"))


def split_raw(folder, disks):
    for kind, (disk, expected, table) in disks.items():
        for first, digits, size in (1, 3, 3 * MIB), (0, 3, 5 * MIB), (1, 2, 700_000), (0, 4, MIB):
            with tempfile.TemporaryDirectory(dir=folder) as place:
                run("split", f"--bytes={size}", f"--numeric-suffixes={first}", f"--suffix-length={digits}", disk, Path(place) / "disk.")
                compare(f"{kind} split into {size} bytes", Path(place) / f"disk.{first:0{digits}}", expected, table=table)


def cut_off(folder, disks):
    disk, (size, _), _ = disks["mbr"]
    data = disk.read_bytes()
    conversions = [one for number, one in enumerate(CONVERSIONS) if number in (0, 1, 4, 6, 8, 13, 16, 18, 20, 21, 23)]
    for extension, driver, options in [*conversions, ("E01", None, None)]:
        for share in 0.3, 0.7, 0.97:
            with tempfile.TemporaryDirectory(dir=folder) as place:
                place = Path(place)
                image = convert(place, disk, extension, driver, options) if driver else acquire(place, disk, "encase6", "fast", 64, "1GiB")
                largest = max(place.iterdir(), key=lambda path: path.stat().st_size)
                os.truncate(largest, int(largest.stat().st_size * share))
                name = f"{extension}, {options}, cut off at {share}"
                counts["cut off"] += 1
                about = facts(image)
                pieces = [subprocess.run([READER, image, str(at), str(PIECE)], capture_output=True).stdout for at in range(0, size, PIECE)]
                counts["MiB read of images cut off"] += sum(map(len, pieces)) // MIB
                for at, piece in zip(range(0, size, PIECE), pieces):
                    if not data[at : at + PIECE].startswith(piece):
                        fail(f"{name}: other bytes from {at:#x} on")
                told = about.get("error") or [text for text in about["warnings"] if "cut off" in text["message"]]
                # The disk may end before its last block does; a fixed VHD without its footer is a raw disk.
                if not told and b"".join(pieces) != data and about["format"] != "raw":
                    fail(f"{name}: nothing is said")


# Images of others.


def fixtures(folder, _disks):
    packed = {}
    for kind in sorted(path.name for path in FIXTURES.iterdir() if path.is_dir()):
        place = folder / kind
        place.mkdir()
        for file in (FIXTURES / kind).glob("*.xz"):
            (place / file.stem).write_bytes(lzma.decompress(file.read_bytes()))
        first = [place / name for name in ("disk.001", "disk.E01", "disk.img", "volume.img") if (place / name).exists()]
        image = first[0] if first else next(path for path in place.iterdir() if path.stem == "disk")
        extension = image.suffix[1:]
        peers = [by_ewfexport] if extension == "E01" else list(peers_of(extension)) if extension in ("vhd", "vhdx", "qcow2", "vmdk") else []
        if extension == "img":
            with image.open("rb") as stream:
                packed[kind] = digest(stream)
            if kind in ("mbr", "gpt"):
                compare_table(f"fixture {kind}", image)
        packed_in_it = packed.get(kind) if extension == "img" else mbr_fixture()
        compare(f"fixture {kind}", image, packed_in_it, *peers)
        shutil.rmtree(place)


@functools.cache
def mbr_fixture():
    """All containers among the fixtures hold the same disk."""
    return digest(io.BytesIO(lzma.decompress((FIXTURES / "mbr/disk.img.xz").read_bytes())))


def made_by_windows(folder, _disks):
    for _ in range(3):
        command = [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps", "--no-binary", ":all:", "-d", folder, PACKAGE]
        if subprocess.run(command, capture_output=True).returncode == 0:
            break
    else:
        print("the source package of dissect.hypervisor cannot be had: images that Windows made are left out")
        return
    [archive] = folder.glob("*.tar.gz")
    with tarfile.open(archive) as tar:
        for member in tar.getmembers():
            base = os.path.basename(member.name).removesuffix(".gz")
            if not base.endswith(("vhd", "vhdx", ".vmdk")):
                continue
            image = folder / base
            image.write_bytes(gzip.decompress(tar.extractfile(member).read()))
            if base == "differencing.avhdx":
                refused(base, image, "parent", ".avhdx")
            elif base == "sesparse.vmdk":
                refused(base, image, "SESparse")
            else:
                compare(base, image, None, by_qemu, by_dissect, by_libvhdi)
                counts["made by Windows"] += 1


def main():
    need("qemu-img", "qemu-io", "ewfexport", "ewfacquirestream", "sfdisk", "split")
    build()
    with tempfile.TemporaryDirectory() as folder:
        folder = Path(folder)
        disks = make_disks(folder)
        parts = [converted, large, chains, differencing, left_dirty, not_read, ewf, split_raw, cut_off, fixtures, made_by_windows]
        for part in parts:
            before, started = len(failures), time.monotonic()
            with tempfile.TemporaryDirectory(dir=folder) as place:
                part(Path(place), disks)
            name = part.__name__.replace("_", " ")
            print(f"{name}: {len(failures) - before} not as expected, {time.monotonic() - started:.1f} s", flush=True)
    print(", ".join(f"{count:,} {what}" for what, count in counts.items()))
    comparisons = ("disks as ", "tables", "pieces of large disks", "cut off", "refused")
    cases = sum(count for what, count in counts.items() if what.startswith(comparisons))
    finish("disks as packed, or as qemu-img, ewfexport, dissect and libvhdi read them", cases)


main()
