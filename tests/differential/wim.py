#!/usr/bin/env python3
"""Compares what we tell about WIM files with what wimlib-imagex tells.

Usage: [MATERIAL=DIR] python3 tests/differential/wim.py

Makes WIMs of every kind with wimlib-imagex (Debian package wimtools) and takes all of $MATERIAL/wim, where MATERIAL is
set. Header and XML facts of `examples/wim_info.rs` must equal `wimlib-imagex info --header` and `--xml`; of WIMs that
wimlib refuses because they are damaged, the header must equal that of the sound one they were made from.
Without wimlib-imagex the comparison is left out, which is a failure where CI=true.
"""
import json
import os
import random
import shutil
import subprocess
import sys
import tempfile
import uuid
import xml.etree.ElementTree as ElementTree
from pathlib import Path

from support.comparison import ROOT, Comparison, finish, without_peer

FIXTURES = ROOT / "fixtures" / "wim"

RESOURCES = {
    "Blob Table": "lookup_table",
    "XML Data": "xml_data",
    "Boot Metadata": "boot_metadata",
    "Integrity": "integrity_table",
}
ARCHITECTURES = {0: "x86", 5: "arm", 6: "ia64", 9: "amd64", 12: "arm64"}


def wimlib(*arguments):
    return subprocess.run(["wimlib-imagex", *map(str, arguments)], capture_output=True)


def make(*arguments):
    done = wimlib(*arguments)
    if done.returncode != 0:
        sys.exit(f"wimlib-imagex {arguments}: {done.stderr.decode(errors='replace')}")


def make_sound_wims(folder):
    """WIMs that wimlib reads."""
    tree = folder / "tree"
    (tree / "sub").mkdir(parents=True)
    (tree / "hello.txt").write_text("hello\n")
    (tree / "sub" / "text.txt").write_text("all work and no play\n" * 5000)
    (tree / "sub" / "noise.bin").write_bytes(random.Random(1).randbytes(300_000))

    def capture(name, *options, title="Title"):
        make("capture", tree, folder / name, title, "--no-acls", *options)
        return folder / name

    for compression in ["none", "XPRESS", "LZX", "LZMS"]:
        capture(f"{compression}.wim", f"--compress={compression}")
        capture(f"{compression}-check-boot.wim", f"--compress={compression}", "--check", "--boot")
        capture(f"{compression}-pipable.wim", f"--compress={compression}", "--pipable")
    capture("xpress-4k.wim", "--compress=XPRESS", "--chunk-size=4096")
    capture("wimboot.wim", "--wimboot")
    capture("solid.esd", "--solid", "--check")
    for compression in ["XPRESS", "LZX"]:
        capture(f"solid-{compression}.esd", "--solid", f"--solid-compress={compression}")
    capture("names.wim", title="Größe 映像 🪟 <&> \"quoted\"")
    make("append", tree, folder / "names.wim", "", "a description, no name")

    capture("properties.wim", title="Properties")
    for name, value in {
        "FLAGS": "Professional", "WINDOWS/EDITIONID": "Professional", "WINDOWS/VERSION/MAJOR": 10,
        "WINDOWS/VERSION/MINOR": 0, "WINDOWS/VERSION/BUILD": 22621, "WINDOWS/VERSION/SPBUILD": 1702,
        "DISPLAYNAME": "Shown", "UNKNOWN/DEEPER/STILL": "x", "WINDOWS/ARCH": 12,
    }.items():
        make("info", folder / "properties.wim", 1, "--image-property", f"{name}={value}")

    forty = capture("forty.wim", title="Image 1")
    for number in range(2, 41):
        make("append", tree, forty, f"Image {number}", f"number {number}")
        make("info", forty, number, "--image-property",
             f"WINDOWS/ARCH={[0, 5, 6, 9, 12, 77][number % 6]}")
    make("split", folder / "LZX-check-boot.wim", folder / "split.swm", "0.1")
    base = capture("base.wim")
    (tree / "more.txt").write_text("more\n")
    capture("delta.wim", f"--delta-from={base}")
    empty = capture("no-images.wim")
    make("delete", empty, 1)
    for name, flag in {"read-only.wim": 0x04, "write-in-progress.wim": 0x40}.items():
        change(base, folder / name, lambda wim, flag=flag: wim.__setitem__(16, wim[16] | flag))
    return sorted(path for path in folder.iterdir() if path.suffix in (".wim", ".esd", ".swm"))


def change(source, target, edit):
    content = bytearray(source.read_bytes())
    edit(content)
    target.write_bytes(content)
    return target


def make_damaged_wims(folder):
    """WIMs whose header is sound and the rest is not, with the warning that we owe."""
    source = folder / "names.wim"
    size = source.stat().st_size
    xml = int.from_bytes(source.read_bytes()[0x50:0x58], "little")

    def damaged(name, edit):
        return change(source, folder / f"damaged-{name}.wim", edit)

    def cut(length):
        return lambda wim: wim.__delitem__(slice(length, None))

    def write(offset, text):
        return lambda wim: wim.__setitem__(slice(offset, offset + len(text)), text)

    return source, {
        damaged("cut-in-half", cut(size // 2)): "truncated",
        damaged("cut-in-xml", cut(size - 201)): "truncated",
        damaged("header-only", cut(208)): "truncated",
        damaged("unclosed", write(size - 12, "<XXXX>".encode("utf-16-le"))): "image-xml-malformed",
        damaged("other-root", write(xml + 4, "X".encode("utf-16-le"))): "image-xml-malformed",
        damaged("zeroed-xml", write(xml, bytes(size - xml))): "image-xml-malformed",
    }


def header_by_wimlib(path):
    done = wimlib("info", "--header", path)
    if done.returncode != 0:
        return None
    fields, flags = {}, set()
    for line in done.stdout.decode().splitlines():
        if "=" in line:
            name, value = line.split("=", 1)
            fields[name.strip()] = value.strip()
        elif line.endswith("is set"):
            flags.add(line.split()[0].removeprefix("WIM_HDR_FLAG_").replace("XPRESS_2", "XPRESS2"))
    number = {name: int(value, 0) for name, value in fields.items() if name not in ("Magic Characters", "GUID")}
    facts = {
        "is_pipable": fields["Magic Characters"].startswith("WLPWM"),
        "version": number["Version"],
        "flags": number["Flags"],
        "flag_names": sorted(flags),
        "chunk_size": number["Chunk Size"],
        "guid": uuid.UUID(bytes_le=bytes.fromhex(fields["GUID"])).hex,
        "part_number": number["Part Number"],
        "total_parts": number["Total Parts"],
        "image_count": number["Image Count"],
        "boot_index": number["Boot Index"],
    }
    for theirs, ours in RESOURCES.items():
        original = f"{theirs} Original Size" if f"{theirs} Original Size" in number else f"{theirs} Original_size"
        facts[ours] = {
            "size": number[f"{theirs} Size"],
            "flags": number[f"{theirs} Flags"],
            "offset": number[f"{theirs} Offset"],
            "original_size": number[original],
        }
    return facts


def xml_by_wimlib(path):
    root = ElementTree.fromstring(wimlib("info", "--xml", path).stdout.decode("utf-16"))

    def text(element, name):
        found = element.find(name)
        return None if found is None else found.text or ""

    def number(element, name):
        value = text(element, name)
        return None if value is None else int(value, 0)

    def time(element, name):
        high, low = number(element, f"{name}/HIGHPART"), number(element, f"{name}/LOWPART")
        return None if high is None else high << 32 | low

    def image(element):
        architecture = number(element, "WINDOWS/ARCH")
        parts = [number(element, f"WINDOWS/VERSION/{name}") for name in ("MAJOR", "MINOR", "BUILD", "SPBUILD")]
        return {
            "index": int(element.get("INDEX")),
            "name": text(element, "NAME"),
            "description": text(element, "DESCRIPTION"),
            "flags": text(element, "FLAGS"),
            "edition_id": text(element, "WINDOWS/EDITIONID"),
            "version": None if parts == [None] * 4 else ".".join(str(part or 0) for part in parts),
            "architecture": None if architecture is None
            else ARCHITECTURES.get(architecture, f"architecture {architecture}"),
            "creation_time": time(element, "CREATIONTIME"),
            "last_modification_time": time(element, "LASTMODIFICATIONTIME"),
            "total_bytes": number(element, "TOTALBYTES"),
            "directory_count": number(element, "DIRCOUNT"),
            "file_count": number(element, "FILECOUNT"),
            "is_wimboot": number(element, "WIMBOOT") == 1,
        }

    return {
        "xml_total_bytes": number(root, "TOTALBYTES"),
        "images": [image(element) for element in root.findall("IMAGE")],
    }


def facts_by_us(paths):
    command = ["cargo", "run", "--quiet", "--all-features", "--example", "wim_info", "--", *map(str, paths)]
    done = subprocess.run(command, cwd=ROOT, stdout=subprocess.PIPE, check=True)
    facts = [json.loads(line) for line in done.stdout.splitlines()]
    for fact in facts:
        fact["flag_names"] = sorted(fact.get("flag_names", []))
    return dict(zip(paths, facts, strict=True))


def differences(expected, facts):
    return [
        f"{name}: wimlib {value}, we {facts.get(name)} {facts.get('error', '')}"
        for name, value in expected.items()
        if facts.get(name) != value
    ]


def main():
    if shutil.which("wimlib-imagex") is None:
        without_peer("wimlib-imagex (Debian package wimtools)")
    # wimlib refuses a WIM that was cut off, of which we tell what is left.
    comparison = Comparison("WIM headers and XML as wimlib-imagex tells them: files", {("cut.wim", "refused by wimlib")})
    with tempfile.TemporaryDirectory() as folder:
        sound = make_sound_wims(Path(folder))
        origin, damaged = make_damaged_wims(Path(folder))
        others = [path for path in sorted(FIXTURES.iterdir()) if path.suffix in (".wim", ".esd", ".swm")]
        if material := os.environ.get("MATERIAL"):
            others += sorted(Path(material, "wim").glob("*.wim"))
        else:
            print("MATERIAL is not set: only WIMs made here are compared")
        ours = facts_by_us([*sound, *others, *damaged])
        for path in [*sound, *others]:
            header = header_by_wimlib(path)
            if header is None:
                comparison.differs(path.name, "refused by wimlib")
                continue
            expected = header | xml_by_wimlib(path) | {"cut_off": [], "warnings": []}
            found = differences(expected, ours[path])
            comparison.check(not found, path.name, detail="; ".join(found))
        for path, warning in damaged.items():
            found = differences(header_by_wimlib(origin), ours[path])
            if warning not in [entry["code"] for entry in ours[path]["warnings"]]:
                found.append(f"no warning {warning}, but {ours[path]['warnings']}")
            comparison.check(not found, path.name, detail="; ".join(found))
    finish(comparison)


if __name__ == "__main__":
    main()
