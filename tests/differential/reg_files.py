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
import sys
from collections import Counter

from support.comparison import Comparison, build, dump, explained_differences, finish, material

STRINGS = (1, 2)
REFERENCE = "wimmount.v5.reg"
# The others, with the code page of each.
EXPORTS = {"wimmount.regquery.txt": "cp850", "wimmount.samba.v5.reg": "utf-8", "wimmount.samba.regedit4.reg": "cp850"}


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


COUNTED = ("keys", "delkeys", "delvals", "default_at")


def compare_counts(folder, comparison):
    """Differences: file, what, in INDEX.tsv, ours."""
    with open(folder / "INDEX.tsv", newline="", encoding="utf-8") as index:
        rows = list(csv.DictReader(index, delimiter="\t", quoting=csv.QUOTE_NONE))
    for row in rows:
        lines, error = dump(folder / row["file"])
        if error is not None:
            comparison.differs(row["file"], "file", "", "refused")
            continue
        ours = counts(lines)
        for what in COUNTED:
            comparison.check(ours[what] == int(row[what]), row["file"], what, row[what], ours[what])
    for name in sorted({path.name for path in folder.glob("*.reg")} - {row["file"] for row in rows}):
        comparison.differs(name, "not in INDEX.tsv", "", "")


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


def compare_values(folder, comparison):
    """Differences: file, key, value, what."""
    reference = values(folder / REFERENCE, "utf-8")
    for name, code_page in EXPORTS.items():
        others = values(folder / name, code_page)
        for place in sorted(reference.keys() | others.keys(), key=str):
            key, value = place
            place_shown = (name, show(key), "(key)" if value is None else show(value) or "(default)")
            if place not in others:
                # What a missing key held is missing with it.
                if value is None or (key, None) in others:
                    comparison.differs(*place_shown, "missing")
            elif place not in reference:
                comparison.differs(*place_shown, "only here")
            elif name.endswith(".txt"):
                is_same = as_printed(reference[place], code_page) == as_printed(others[place], code_page)
                comparison.check(is_same, *place_shown, "other data")
            else:
                comparison.check(reference[place] == others[place], *place_shown, "other data")


def main():
    folder = material()
    build("--example", "registry_dump")
    explained = explained_differences("reg_files-differences.tsv")
    of_values = {difference for difference in explained if difference[0] in EXPORTS}
    public = Comparison("exports from public repositories: counts", explained - of_values)
    compare_counts(folder / "reg", public)
    others = Comparison("exports by Wine and Samba, against each other: values", of_values)
    compare_values(folder / "registry-exports", others)
    finish(public, others)


main()
