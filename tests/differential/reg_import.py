#!/usr/bin/env python3
"""Holds the `.reg` reader against what Windows' reg.exe makes of import texts, as Wine's test suite records it.

usage: MATERIAL=DIR reg_import.py

The cases are those of $MATERIAL/registry-exports/wine-reg-import-cases.jsonl. Each line of it is one test: imports and, between
them, checks of values and keys, state shared within the test. Every import is read with the example registry_dump and applied to
a model of the registry. A disagreement must be listed, with its reason, in reg_import_exceptions.tsv beside this script; a listed
one that no longer occurs is an error too. At least 95 % of all checks must agree.
"""
import json
import sys

from support.comparison import Comparison, build, dump, explained_differences, finish, material

BASE = "HKEY_CURRENT_USER\\Software\\Wine\\reg_test"
STRINGS = (1, 2, 7)


def canonical(path):
    """In upper case and without empty levels."""
    return "\\".join(part for part in path.upper().split("\\") if part)


class Registry:
    """Keys and values by their names in upper case."""

    def __init__(self):
        self.keys = {}

    def key(self, path):
        parts = canonical(path).split("\\")
        for depth in range(1, len(parts) + 1):
            self.keys.setdefault("\\".join(parts[:depth]), {})
        return self.keys["\\".join(parts)]

    def has(self, path):
        return canonical(path) in self.keys

    def delete(self, path):
        path = canonical(path)
        for key in [k for k in self.keys if k == path or k.startswith(path + "\\")]:
            del self.keys[key]

    def apply(self, entry):
        if entry.get("deleted"):
            if entry["name"] is None:
                self.delete(entry["key"])
            else:
                self.key(entry["key"]).pop(entry["name"].upper(), None)
        elif entry["name"] is None:
            self.key(entry["key"])
        else:
            value = (entry["type"], bytes.fromhex(entry["data_hex"]))
            self.key(entry["key"])[entry["name"].upper()] = value


def run_import(registry, data):
    for line in dump("-", data=data)[0]:
        registry.apply(line)


def value_agrees(found, op):
    """Strings are recorded as the ANSI interface of the registry hands them out."""
    if found is None:
        return False
    value_type, data = found
    if value_type in STRINGS:
        data = data.decode("utf-16-le").encode("cp1252", "replace")
    expected = bytes.fromhex(op["data"] or "")
    return value_type == op["type"] and len(data) == op["size"] and data == expected


def path_of(op, handles):
    root, rest = op["args"][0], op["args"][1]
    return (handles.get(root, root) + "\\" + rest) if rest not in ("NULL", "") else handles.get(root, root)


def check(test):
    """Yields (line, agrees, what) for each check of one test."""
    registry, handles = Registry(), {"hkey": BASE}
    for op in test["ops"]:
        kind = op["op"]
        if kind == "import":
            run_import(registry, bytes.fromhex(op["hex"]))
        elif kind in ("value", "novalue"):
            name = (op["name"] or "").upper()
            key = canonical(handles[op["key"]])
            found = registry.keys.get(key, {}).get(name)
            agrees = value_agrees(found, op) if kind == "value" else found is None
            yield op["line"], agrees, f"{kind} {op['name']!r}: found {found}, expected {op.get('type')} {op.get('size')} {op.get('data')}"
        elif kind in ("verify_key", "verify_key_nonexist"):
            agrees = registry.has(path_of(op, handles)) == (kind == "verify_key")
            yield op["line"], agrees, f"{kind} {op['args'][1]!r}"
        elif kind == "open_key":
            handles[op["args"][3].lstrip("&")] = path_of(op, handles)
            yield op["line"], registry.has(path_of(op, handles)), f"open_key {op['args'][1]!r}"
        elif kind in ("delete_tree", "delete_key"):
            registry.delete(path_of(op, handles))
        elif kind == "delete_value":
            name = "" if op["args"][1] == "NULL" else op["args"][1]
            registry.keys.get(canonical(handles[op["args"][0]]), {}).pop(name.upper(), None)
        elif kind != "UNPARSED":
            sys.exit(f"line {op['line']}: unknown operation {kind}")


def main():
    folder = material()
    build("--example", "registry_dump")
    explained = explained_differences("reg_import_exceptions.tsv")
    comparison = Comparison("reg import as Windows' reg.exe does it: checks", explained)
    with open(folder / "registry-exports/wine-reg-import-cases.jsonl") as cases:
        for case in cases:
            test = json.loads(case)
            for line, agrees, what in check(test):
                comparison.check(agrees, line, detail=f"{test['test']}: {what}")
    if comparison.equal < 0.95 * (comparison.equal + comparison.differences.total()):
        sys.exit("less than 95 % of the checks agree")
    finish(comparison)


main()
