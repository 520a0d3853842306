#!/usr/bin/env python3
"""Compares what we find inside WIM files with what wimlib-imagex finds.

Usage: [MATERIAL=DIR] python3 tests/differential/wim_contents.py [WIM...]

Makes WIMs with wimlib-imagex (Debian package wimtools) in XPRESS, LZX and LZMS with several chunk sizes, solid, uncompressed,
pipable, split and as deltas, and takes all of $MATERIAL/wim, where MATERIAL is set; instead of these it takes WIMs that are
named. Where mkntfs and ntfscp (Debian package ntfs-3g) are there, named streams and short names come from an NTFS volume;
root with /dev/fuse also makes what fixtures/captured-wim/make.sh makes. Paths, attributes, times, short names, hard links and
the hashes of all streams of `examples/wim_tree.rs` must equal `wimlib-imagex dir --detailed`; every stream, a reparse point's
too, must be read with that hash. Files extracted by wimlib must have the same hash, and where 7z (Debian package p7zip-full)
is there and reads the kind, those that it extracts. A verification must find what `wimlib-imagex verify` finds.
Without wimlib-imagex the comparison is left out, which is a failure under CI, and so is the want of 7z there.
"""
import calendar
import hashlib
import json
import os
import random
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from support.comparison import ROOT, Comparison, finish, without_peer

FIXTURES = ROOT / "fixtures" / "captured-wim"
NO_DATA = "0" * 40
CHUNK_SIZES = {"XPRESS": [12, 13, 14, 15, 16], "LZX": [15, 16, 17, 18, 19, 20, 21], "LZMS": [15, 17, 20, 26]}
SOLID_CHUNK_SIZES = {"XPRESS": [15], "LZX": [15, 20], "LZMS": [15, 20, 23, 26]}
# What wimlib refuses or reads wrongly because it is damaged, with what we owe.
DAMAGED = {
    "wimlib_cyclic.wim": "entries of a directory's own",
    "wimlib_dotdot.wim": "a file's name",
    "wimlib_duplicate_names.wim": "a name of its own",
}
CORRUPT = {"wimlib_corrupted_file_1.wim", "wimlib_corrupted_file_2.wim"}


def wimlib(*arguments):
    return subprocess.run(["wimlib-imagex", *map(str, arguments)], capture_output=True)


def make(*arguments):
    done = wimlib(*arguments)
    if done.returncode != 0:
        sys.exit(f"wimlib-imagex {arguments}: {done.stderr.decode(errors='replace')}")


def make_tree(tree):
    """Files whose sizes lie around those of chunks, text, noise, machine code with calls, links."""
    chance = random.Random(5)
    (tree / "sub" / "deeper").mkdir(parents=True)
    (tree / "empty").write_bytes(b"")
    (tree / "Größe 映像.txt").write_text("hello\n")
    for size in (1, 4095, 4096, 4097, 32767, 32768, 32769, 65536, 65537, 3_000_001):
        (tree / f"text-{size}").write_bytes((b"all work and no play %d\n" % size * (size // 20 + 1))[:size])
    (tree / "sub" / "noise").write_bytes(chance.randbytes(300_000))
    calls = b"".join(
        b"\xe8" + chance.randrange(-50_000, 50_000).to_bytes(4, "little", signed=True) + chance.randbytes(chance.randrange(9))
        for _ in range(40_000)
    )
    (tree / "sub" / "calls").write_bytes(calls)
    (tree / "sub" / "program").write_bytes(Path(sys.executable).resolve().read_bytes()[:4_000_000])
    (tree / "sub" / "deeper" / "mixed").write_bytes(chance.randbytes(70_000) + bytes(100_000) + calls[:50_000])
    os.link(tree / "sub" / "calls", tree / "sub" / "calls again")
    os.symlink("sub/noise", tree / "link")
    os.symlink("/sub/deeper", tree / "absolute link")
    for number in range(300):
        (tree / "sub" / "deeper" / f"file {number}").write_text(f"{number}")


def make_volume(folder):
    """An NTFS volume with named streams, or None without the tools."""
    if not (shutil.which("mkntfs") and shutil.which("ntfscp")):
        return None
    volume, stream = folder / "volume.ntfs", folder / "stream"
    with volume.open("wb") as file:
        file.truncate(16 << 20)
    subprocess.run(["mkntfs", "-q", "-F", volume], check=True, capture_output=True)
    stream.write_bytes(b"the file's own data " * 5000)
    subprocess.run(["ntfscp", volume, stream, "a file with streams.txt"], check=True, capture_output=True)
    for name, size in {"one": 100, "$WIMMOUNTDATA": 300, "large": 200_000}.items():
        stream.write_bytes(random.Random(size).randbytes(size))
        done = subprocess.run(["ntfscp", "-N", name, volume, stream, "a file with streams.txt"], capture_output=True)
        if done.returncode != 0:
            sys.exit(f"ntfscp: {done.stderr.decode()}")
    return volume


def make_wims(folder):
    """WIMs, each with its further parts and the WIMs that a delta builds on."""
    tree = folder / "tree"
    make_tree(tree)
    wims = []

    def capture(name, *options, source=tree):
        make("capture", source, folder / name, "Title", "--no-acls", *options)
        wims.append([folder / name])
        return folder / name

    capture("none.wim", "--compress=none")
    for compression, orders in CHUNK_SIZES.items():
        for order in orders:
            capture(f"{compression}-{order}.wim", f"--compress={compression}", f"--chunk-size={1 << order}")
        capture(f"{compression}-pipable.wim", f"--compress={compression}", "--pipable")
        capture(f"{compression}-best.wim", f"--compress={compression}:100")
    for compression, orders in SOLID_CHUNK_SIZES.items():
        for order in orders:
            options = ["--solid", f"--solid-compress={compression}", f"--solid-chunk-size={1 << order}"]
            capture(f"solid-{compression}-{order}.esd", *options)
    # A second run of solid resources.
    (tree / "later.txt").write_text("later\n" * 5000)
    make("append", tree, folder / "solid-LZMS-20.esd", "Second", "--no-acls", "--solid")
    (tree / "later.txt").unlink()
    if volume := make_volume(folder):
        capture("ntfs.wim", "--compress=LZX", source=volume)
    two = capture("two.wim", "--compress=LZX", "--check")
    (tree / "more.txt").write_text("more\n")
    make("append", tree, two, "Second", "--no-acls")
    make("split", two, folder / "split.swm", "1")
    wims.append(sorted(folder.glob("split*.swm"), key=lambda path: (len(path.name), path.name)))
    capture("delta.wim", f"--delta-from={two}")
    if os.geteuid() == 0 and os.path.exists("/dev/fuse") and shutil.which("ntfs-3g") and shutil.which("setfattr"):
        captured = folder / "captured"
        done = subprocess.run(["bash", FIXTURES / "make.sh", captured], capture_output=True)
        if done.returncode != 0:
            sys.exit(f"make.sh: {done.stderr.decode(errors='replace')}")
        wims += [[path] for path in sorted(captured.iterdir()) if path.suffix != ".swm"]
        wims.append(sorted(captured.glob("*.swm"), key=lambda path: (len(path.name), path.name)))
    return wims


def seconds(text):
    return calendar.timegm(time.strptime(text, "%a %b %d %H:%M:%S %Y UTC"))


def files_by_wimlib(paths, image):
    references = [f"--ref={path}" for path in paths[1:]]
    done = wimlib("dir", "--detailed", paths[0], image, *references)
    if done.returncode != 0:
        return None
    files, hash_of = {}, None
    for line in done.stdout.decode(errors="replace").splitlines():
        name, equals, value = (part.strip() for part in line.partition("="))
        if line.startswith("\t"):
            hash_of = line.strip().removesuffix(":")
        elif not equals:
            continue
        elif name == "Full Path":
            file = {"streams": {}}
            files[value.strip('"')] = file
        elif name == "Short Name":
            file["dos_name"] = value.strip('"')
        elif name == "Attributes":
            file["attributes"] = int(value, 16)
        elif name.endswith(" Time"):
            file[name.lower().replace(" ", "_")] = seconds(value)
        elif name == "Link Group ID":
            file["hard_link_group"] = int(value, 16)
        elif name == "Reparse Tag":
            file["reparse_tag"] = int(value, 16)
        elif name == "Hash" and (value := value.removeprefix("0x")) != NO_DATA:
            file["streams"][hash_of] = value
    return files


def stream_name(stream):
    if stream["name"]:
        return f'Named data stream "{stream["name"]}"'
    return {"Data": "Unnamed data stream", "ReparsePoint": "Reparse point stream"}.get(stream["kind"], stream["kind"])


def file_by_us(fact):
    epoch = 11_644_473_600
    file = {name: fact[name] for name in ("dos_name", "attributes", "hard_link_group")}
    for name in ("creation_time", "last_access_time", "last_write_time"):
        file[name] = fact[name] // 10_000_000 - epoch
    if fact["reparse_tag"] is not None:
        file["reparse_tag"] = fact["reparse_tag"]
    file["streams"] = {stream_name(s): s["sha1"] for s in fact["streams"] if s["sha1"]}
    return file


def lines_by_us(paths):
    command = ["cargo", "run", "--quiet", "--release", "--all-features", "--example", "wim_tree", "--"]
    done = subprocess.run([*command, *map(str, paths)], cwd=ROOT, stdout=subprocess.PIPE, check=True)
    return [json.loads(line) for line in done.stdout.splitlines()]


def hashes_below(target):
    hashes = {
        f"/{file.relative_to(target)}": hashlib.sha1(file.read_bytes()).hexdigest()
        for file in target.rglob("*")
        if file.is_file() and not file.is_symlink()
    }
    shutil.rmtree(target, ignore_errors=True)
    return hashes


def extracted_by_7z(path, folder):
    """By image and path, of a WIM of one part; nothing where 7z does not read it."""
    target = folder / "extracted"
    done = subprocess.run(["7z", "x", "-y", f"-o{target}", path], capture_output=True)
    hashes = hashes_below(target)
    return hashes if done.returncode == 0 else {}


def extracted_hashes(paths, image, folder):
    target = folder / "extracted"
    references = [f"--ref={path}" for path in paths[1:]]
    done = wimlib("apply", paths[0], image, target, "--no-acls", *references)
    hashes = hashes_below(target)
    return hashes if done.returncode == 0 else {}


def unnamed_hashes(fact):
    return [s["data"] and s["data"].get("sha1") for s in fact["streams"] if stream_name(s) == "Unnamed data stream"]


class Comparisons:
    """With each peer, over all WIMs."""

    def __init__(self):
        self.soundness = Comparison("WIMs as wimlib-imagex takes them, sound or damaged: images")
        self.files = Comparison("WIM contents as wimlib-imagex lists them: files")
        self.streams = Comparison("WIM contents, read and held against their SHA-1: streams")
        self.extracted = Comparison("WIM contents as wimlib-imagex extracts them: files")
        self.by_7z = Comparison("WIM contents as 7z extracts them: files")
        self.verifications = Comparison("WIMs verified as by wimlib-imagex: files")

    def each(self):
        """Those that were made."""
        by_7z = [self.by_7z] if shutil.which("7z") else []
        return [self.soundness, self.files, self.streams, self.extracted, *by_7z, self.verifications]

    def of_verification(self, name, paths, lines):
        """wimlib verifies the integrity table and all data, too."""
        if name in DAMAGED or name == "delta.wim":
            return
        verification = next(line for line in lines if "damaged_chunks" in line)
        chunks = verification["damaged_chunks"]
        is_damaged = any(chunks.values()) or any(data["damaged_count"] for data in verification["data"].values())
        refused = wimlib("verify", paths[0], *(f"--ref={path}" for path in paths[1:])).returncode != 0
        has_table = name != "two.wim" or None not in chunks.values()
        self.verifications.check(is_damaged == refused and has_table, name, detail=f"{verification}, wimlib refused: {refused}")

    def with_7z(self, paths, files, folder):
        if not shutil.which("7z") or len(paths) > 1 or paths[0].name == "delta.wim":
            return
        for path, sha1 in extracted_by_7z(paths[0], folder).items():
            image = 1
            # Each of several images is a folder; beside them lie the XML data.
            if len(files) > 1:
                _, image, *path = path.split("/", 2)
                image, path = int(image) if image.isdecimal() else 0, "/" + "".join(path)
            ours = files.get(image, {}).get(path)
            # Links are files of 7z's here, their data are those of the link.
            if ours is None or ours["reparse_tag"] is not None:
                continue
            hashes = unnamed_hashes(ours)
            self.by_7z.check(not hashes or sha1 in hashes, paths[0].name, image, path, detail=f"7z {sha1}, we {hashes}")

    def of_image(self, paths, image, ours, folder):
        name = paths[0].name
        theirs = files_by_wimlib(paths, image)
        self.soundness.check((theirs is None) <= (name in DAMAGED), name, image, "refused by wimlib")
        if theirs is None:
            return
        for path in sorted(theirs.keys() | ours.keys()):
            if path not in ours or path not in theirs:
                self.files.differs(name, image, path, f"only {'wimlib' if path in theirs else 'we'} found it")
                continue
            mine, is_found = file_by_us(ours[path]), ours[path]["is_found"]
            is_same = mine == theirs[path] and is_found
            detail = f"wimlib {theirs[path]}, we {mine}; found by its path: {is_found}"
            self.files.check(is_same, name, image, path, detail=detail)
            for stream in ours[path]["streams"]:
                data, sha1 = stream["data"], stream["sha1"]
                # A delta lacks what the WIM holds from which it was made.
                if name == "delta.wim" and data is None:
                    continue
                is_read = data is not None and data.get("sha1") == sha1
                is_right = not sha1 or is_read != (name in CORRUPT)
                self.streams.check(is_right, name, image, path, stream_name(stream), detail=f"{sha1}, we read {data}")
        if name in CORRUPT or name == "delta.wim":
            return
        for path, sha1 in extracted_hashes(paths, image, folder).items():
            if path in ours:
                hashes = unnamed_hashes(ours[path])
                self.extracted.check(sha1 in hashes, name, image, path, detail=f"wimlib {sha1}, we {hashes}")

    def of_wim(self, paths, folder):
        name, lines = paths[0].name, lines_by_us(paths)
        errors = [line["error"] for line in lines if isinstance(line.get("error"), str)]
        warnings = [warning["message"] for line in lines for warning in line.get("warnings", [])]
        if expected := DAMAGED.get(name):
            if not any(expected in warning for warning in warnings):
                self.soundness.differs(name, f"no warning of {expected}", detail=str(warnings))
        elif errors or warnings:
            self.soundness.differs(name, "errors or warnings", detail=f"{errors} {warnings}")
        files = {}
        for line in lines:
            if "path" in line:
                files.setdefault(line["image"], {})["/" + "/".join(line["path"])] = line
        for image, ours in files.items():
            self.of_image(paths, image, ours, folder)
        if name not in CORRUPT and name not in DAMAGED:
            self.with_7z(paths, files, folder)
        self.of_verification(name, paths, lines)


def main():
    if shutil.which("wimlib-imagex") is None:
        without_peer("wimlib-imagex (Debian package wimtools)")
    if not shutil.which("7z"):
        if os.environ.get("CI"):
            without_peer("7z (Debian package p7zip-full)")
        print("7z is not installed: nothing is compared with what it extracts")
    comparisons = Comparisons()
    with tempfile.TemporaryDirectory() as folder:
        named = [[Path(path)] for path in sys.argv[1:]]
        wims = named or make_wims(Path(folder))
        if not named and (material := os.environ.get("MATERIAL")):
            wims += [[path] for path in sorted(Path(material, "wim").glob("*.wim"))]
        for paths in wims:
            comparisons.of_wim(paths, Path(folder))
    finish(*comparisons.each())


if __name__ == "__main__":
    main()
