#!/usr/bin/env python3
"""Random registries are written by Wine and by Samba, and read back.

usage: [REGISTRIES=N] [SEED=N] generated_exports.py (Debian packages wine, wine64 and samba-common-bin)

Each registry is written as text here, imported and exported by `wine reg` and `net registry`, queried by `wine reg query /s`, and all that
is read with the example registry_dump. Every key and value must be as it was made, and every registration be reported by the
command line, but for what a program is known to write in another way: then it must be as the program writes it. Those ways are listed in
generated_exports-differences.tsv; one that no longer occurs is an error.
"""
import json
import os
import shutil
import subprocess
import tempfile
from pathlib import Path

from support import registry_truth as truth
from support.comparison import ROOT, Comparison, build, dump, explained_differences, finish, without_peer
from support.registry_programs import Samba, Wine
from support.registry_truth import Line, has_any

REGISTRIES = int(os.environ.get("REGISTRIES", "4"))
SEED = int(os.environ.get("SEED", "1"))
PROGRAM = ROOT / "target/debug/dism-mount-status"
SOFTWARE = "HKEY_LOCAL_MACHINE\\SOFTWARE\\"
STRINGS = (truth.REG_SZ, truth.REG_EXPAND_SZ, truth.REG_MULTI_SZ)


def names(line):
    return line.key + (line.name or "")


def read(text, *options):
    """What registry_dump reads."""
    lines, error = dump("-", *options, data=text)
    found = {}
    for line in lines:
        key = line["key"].replace("HKLM\\", "HKEY_LOCAL_MACHINE\\", 1)
        if not key.upper().startswith(SOFTWARE.upper()) or error:
            raise RuntimeError(f"read {key!r}, {error}")
        line = Line(key[len(SOFTWARE) :], line["name"], line.get("type"), bytes.fromhex(line["data_hex"]) if "data_hex" in line else None)
        found.setdefault((line.key, line.name), []).append(line)
    return found


def has_unwritable_name(line):
    """No text can have a NUL, and none a key's name of several lines."""
    return has_any(names(line), truth.NUL) or has_any(line.key, "\r\n")


def until_nul(data):
    units = [data[at : at + 2] for at in range(0, len(data) - 1, 2)]
    return b"".join(units[: units.index(b"\0\0")] if b"\0\0" in units else units) + b"\0\0"


def by_hand(line):
    """reg.exe and we end a string that is written as bytes."""
    if line.type in (truth.REG_EXPAND_SZ, truth.REG_MULTI_SZ) and line.data:
        data = line.data[: len(line.data) // 2 * 2]
        if not data.endswith(b"\0\0"):
            return "a string that does not end", line._replace(data=data + b"\0\0")


def by_wine(line):
    if line.type == truth.REG_SZ:
        return "REG_SZ up to its first NUL", line._replace(data=until_nul(line.data))
    if line.type == truth.REG_DWORD and len(line.data) > 4:
        return "REG_DWORD of more than 4 bytes", line._replace(data=line.data[:4])
    return by_hand(line)


def is_printable(text, code_page):
    is_control = any(character < " " or character == "\x7f" for character in text)
    return not is_control and text.encode(code_page, "replace").decode(code_page) == text


def text_of(line):
    """A string's, with NULs as blanks; of others there is none."""
    return line.data.decode("utf-16-le", "surrogatepass").replace("\0", " ") if line.type in STRINGS else ""


def has_odd_length(line):
    return line.type in STRINGS and len(line.data) % 2 == 1


def wine_cannot(line):
    """Wine prints what lies behind a number of fewer than four bytes."""
    return has_unwritable_name(line) or line.type == truth.REG_DWORD and 0 < len(line.data) < 4


def wine_cannot_query(line):
    """What `reg query` prints as (null), with what lies behind it, or so that it cannot be told from other lines."""
    if wine_cannot(line) or has_odd_length(line) or not is_printable(names(line) + text_of(line), "cp437"):
        return True
    if line.type in (None, truth.REG_NONE):
        return False
    if line.type == truth.REG_DWORD:
        return len(line.data) != 4
    if line.type == truth.REG_MULTI_SZ:
        return not line.data.endswith(bytes(4))
    return line.type not in (*STRINGS, truth.REG_BINARY) or not line.data


def by_wine_query(line):
    if line.type in (truth.REG_SZ, truth.REG_EXPAND_SZ):
        return "a string up to its first NUL", line._replace(data=until_nul(line.data))


def samba_cannot(line):
    """It keeps text as UTF-8, and cuts names of values at 255 characters."""
    if has_unwritable_name(line) or has_odd_length(line) or len(line.name or "") > 255:
        return True
    return has_any(line.name or "", "\r\n") or truth.has_lone_surrogate(names(line) + text_of(line))


def samba_cannot_regedit4(line):
    return samba_cannot(line) or not is_printable(names(line) + text_of(line), "cp850")


def by_samba(line):
    if line.type == truth.REG_SZ:
        return "REG_SZ up to its first NUL", line._replace(data=until_nul(line.data))
    return by_hand(line)


def registrations(lines):
    """What of them is complete, as the command line reports it."""
    keys = {}
    for line in lines:
        above, _, name = line.key.rpartition("\\")
        if above == truth.MOUNTS and line.name is not None:
            keys.setdefault(name.strip("{}").lower(), {})[line.name] = line
    for mount_id, values in keys.items():
        if len(values) == 4:
            paths = [text_of(values[name])[:-1] for name in ("Mount Path", "WIM Path")]
            yield (mount_id, *paths, *(int.from_bytes(values[name].data, "little") for name in ("Image Index", "Status")))


def compare_registrations(comparison, lines, text, *options):
    command = [PROGRAM, "--fail-on", "never", "--format", "json", *options, "-"]
    run = subprocess.run(command, input=text, capture_output=True, timeout=60)
    (capture,) = json.loads(run.stdout)["captures"]
    fields = ("mount_id", "mount_path", "image_file_path", "image_index", "progress_value")
    found = {tuple(image[field] for field in fields) for image in capture["mounted_images"]}
    for registration in registrations(lines):
        comparison.check(registration in found, ascii(registration), detail=ascii(capture["mounted_images"]))


def made(registry, seed, cannot):
    """What of a registry a program can write, and the text of it to import."""
    lines = truth.without(registry, cannot)
    return lines, truth.as_text(lines, seed)


def main():
    for program, package in (("wine", "wine, wine64"), ("net", "samba-common-bin")):
        if not shutil.which(program):
            without_peer(f"{program} (Debian packages {package})")
    build("--example", "registry_dump", "--bin", "dism-mount-status")
    explained = explained_differences("generated_exports-differences.tsv")
    comparisons = {}

    def take(name, lines, text, written, *options):
        if name not in comparisons:
            comparisons[name] = Comparison(name, {row for row in explained if row[0] == name})
        truth.compare(comparisons[name], lines, read(text, *options), written)
        compare_registrations(mounts, lines, text, *options)

    mounts = Comparison("generated exports: registrations reported")
    root = SOFTWARE + truth.ROOT
    print(f"{REGISTRIES} registries from seed {SEED}")
    with tempfile.TemporaryDirectory() as folder:
        samba = Samba(Path(folder))
        with Wine(Path(folder)) as wine:
            for seed in range(SEED, SEED + REGISTRIES):
                registry = truth.Generator(seed, subkeys=1000 if seed == SEED else 0).lines
                lines, text = made(registry, seed, has_unwritable_name)
                take("generated exports, as text here: keys, values", lines, text, by_hand)
                lines, text = made(registry, seed, wine_cannot)
                wine.begin(root, text)
                take("generated exports, by Wine's reg export: keys, values", lines, wine.export(root), by_wine)
                lines, text = made(registry, seed, wine_cannot_query)
                wine.begin(root, text)
                take("generated exports, by Wine's reg query: keys, values", lines, wine.query(root), by_wine_query, "--code-page", "437")
                lines, text = made(registry, seed, samba_cannot)
                samba.begin(text)
                take("generated exports, by Samba: keys, values", lines, samba.export(root), by_samba)
                lines, text = made(registry, seed, samba_cannot_regedit4)
                samba.begin(text)
                text = samba.export(root, "regedit4")
                take("generated exports, by Samba as REGEDIT4: keys, values", lines, text, by_samba, "--code-page", "850")
    finish(*comparisons.values(), mounts)


if __name__ == "__main__":
    main()
