#!/usr/bin/env python3
"""Reads registry exports that others wrote, and holds what is read of them against counts and against each other.

usage: MATERIAL=DIR reg_files.py

$MATERIAL/reg: every .reg file from public repositories is read by the example registry_dump without an error, except those that
are no registry exports; the keys, deletions and default values read are as many as INDEX.tsv there counted by patterns.
$MATERIAL/registry-exports: the same registrations as Wine's `reg export` and `reg query` and Samba's two formats have them.
Each of the others must have every value of Wine's export, with the same type and data.

Differences must be listed, with the reason, in reg_files-differences.tsv beside this script; a listed one that no longer
occurs is an error too.
"""
import csv
import json
import os
import subprocess
import sys
from collections import Counter
from pathlib import Path

HERE = Path(__file__).resolve().parent
ROOT = HERE.parent.parent
DUMP = ROOT / "target/debug/examples/registry_dump"
LEFT_OUT = 77
STRINGS = (1, 2)
REFERENCE = "wimmount.v5.reg"
# The others, with the code page of each.
EXPORTS = {"wimmount.regquery.txt": "cp850", "wimmount.samba.v5.reg": "utf-8", "wimmount.samba.regedit4.reg": "cp850"}


def dump(path, *options):
    """The lines read of a file, and the error that ended the reading."""
    run = subprocess.run([DUMP, path, *options], capture_output=True, timeout=60)
    error = None if run.returncode == 0 else run.stderr.decode().strip()
    return [json.loads(line) for line in run.stdout.decode().splitlines()], error


def counts(lines):
    """What INDEX.tsv counts, of what was read."""
    found = Counter()
    for line in lines:
        deleted = line.get("deleted", False)
        if line["name"] is None:
            found["delkeys" if deleted else "keys"] += 1
            continue
        found["delvals"] += deleted
        found["default_at"] += line["name"] == ""
    return found


def differing_counts(folder):
    """How many files were read, and the differences: (file, what, in INDEX.tsv, ours)."""
    with open(folder / "INDEX.tsv", newline="", encoding="utf-8") as index:
        rows = list(csv.DictReader(index, delimiter="\t", quoting=csv.QUOTE_NONE))
    differences = []
    for row in rows:
        lines, error = dump(folder / row["file"])
        if error is not None:
            differences.append((row["file"], "file", "", "refused"))
            continue
        ours = counts(lines)
        for what in ("keys", "delkeys", "delvals", "default_at"):
            if ours[what] != int(row[what]):
                differences.append((row["file"], what, row[what], str(ours[what])))
    unlisted = {path.name for path in folder.glob("*.reg")} - {row["file"] for row in rows}
    differences += [(name, "not in INDEX.tsv", "", "") for name in sorted(unlisted)]
    return len(rows), differences


def values(path, code_page):
    """Type and data of every value, by key and name; the key itself under the name None."""
    lines, error = dump(path, *(["--code-page", code_page] if code_page.startswith("cp") else []))
    if error is not None:
        sys.exit(f"{path.name}: {error}")
    found = {}
    for line in lines:
        key = line["key"].split("\\")[-1]
        found[key, line["name"]] = (line.get("type"), line.get("data_hex"))
    return found


def as_printed(value, code_page):
    """A string as a console of that code page can show it: a question mark for each UTF-16 unit that it lacks."""
    value_type, data = value
    if value_type not in STRINGS:
        return value
    data = bytes.fromhex(data)
    units = [data[at : at + 2].decode("utf-16-le", "surrogatepass") for at in range(0, len(data), 2)]
    return value_type, "".join(unit.encode(code_page, "replace").decode(code_page) for unit in units)


def show(text):
    """One cell of the list of differences."""
    return json.dumps(text, ensure_ascii=True)[1:-1]


def differing_values(folder):
    """How many values were compared, and the differences: (file, key, value, what)."""
    reference = values(folder / REFERENCE, "utf-8")
    compared, differences = 0, []
    for name, code_page in EXPORTS.items():
        others = values(folder / name, code_page)
        for place in sorted(reference.keys() | others.keys(), key=str):
            key, value = place
            place_shown = (name, show(key), "(key)" if value is None else show(value) or "(default)")
            compared += 1
            if place not in others:
                # What a missing key held is missing with it.
                if value is None or (key, None) in others:
                    differences.append((*place_shown, "missing"))
            elif place not in reference:
                differences.append((*place_shown, "only here"))
            elif name.endswith(".txt"):
                if as_printed(reference[place], code_page) != as_printed(others[place], code_page):
                    differences.append((*place_shown, "other data"))
            elif reference[place] != others[place]:
                differences.append((*place_shown, "other data"))
    return compared, differences


def main():
    if not os.environ.get("MATERIAL"):
        print("MATERIAL is not set: nothing was compared")
        sys.exit(LEFT_OUT)
    material = Path(os.environ["MATERIAL"])
    subprocess.run(["cargo", "build", "--quiet", "--example", "registry_dump"], cwd=ROOT, check=True)
    explained = set()
    for row in (HERE / "reg_files-differences.tsv").read_text().splitlines():
        if row and not row.startswith("#"):
            *difference, _reason = row.split("\t")
            explained.add(tuple(difference))
    files, file_differences = differing_counts(material / "reg")
    compared, value_differences = differing_values(material / "registry-exports")
    differences = {tuple(d) for d in file_differences + value_differences}
    failures = ["unexplained: " + "\t".join(d) for d in sorted(differences - explained)]
    failures += ["listed, but agreeing: " + "\t".join(d) for d in sorted(explained - differences)]
    print(*failures, sep="\n", end="\n" if failures else "")
    print(f"{files} files read, {compared} values compared, {len(differences)} differences, {len(failures)} not explained")
    sys.exit(bool(failures))


main()
