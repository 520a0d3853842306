#!/usr/bin/env python3
"""Random registries are written as hives by hivex, and as dirty hives with logs by our tests' writer, and read by us and by others.

usage: [REGISTRIES=N] [SEED=N] generated_hives.py (Debian package python3-hivex; pip install python-registry)

Each registry is written by hivex, and read with the example registry_dump, by hivex itself and by python-registry. The example dirty_hive
writes it as it was and what became of it later as logs, which registry_dump and python-registry replay; a log that ends amid an
entry gives the state before. Every key and value must be as it was made, but for what a reader is known to read otherwise, or not
at all: those ways are listed in generated_hives-differences.tsv; one that no longer occurs is an error.
"""
import json
import os
import subprocess
import tempfile
from pathlib import Path
from unittest.mock import ANY

from support import registry_truth as truth
from support.comparison import DIFFERENTIAL, ROOT, Comparison, build, dump, explained_differences, finish, without_peer
from support.registry_truth import Line, has_any

REGISTRIES = int(os.environ.get("REGISTRIES", "4"))
SEED = int(os.environ.get("SEED", "1"))
DIRTY_HIVE = ROOT / "target/debug/examples/dirty_hive"
HIVEX = ["/usr/bin/python3", str(DIFFERENTIAL / "support/hivex_lines.py")]
# Minor version, kind of list, keys in a list.
WRITERS = ((5, "lh", 500), (3, "lf", 40), (5, "li", 7), (6, "lh", 1000))
# Longer values are divided.
SEGMENT = 16_344
# Later states, each an entry of a log.
STATES = 4

try:
    from support import python_registry
except ImportError:
    without_peer("python-registry (pip install python-registry)")
if subprocess.run(["/usr/bin/python3", "-c", "import hivex"], capture_output=True).returncode != 0:
    without_peer("hivex for the system's Python (Debian package python3-hivex)")


def hivex(*arguments, lines=()):
    rows = [json.dumps((line.key, line.name, line.type, None if line.data is None else line.data.hex())) for line in lines]
    run = subprocess.run([*HIVEX, *map(str, arguments)], input="\n".join(rows).encode(), capture_output=True, timeout=120)
    if run.returncode != 0:
        raise RuntimeError(run.stderr.decode())
    return [json.loads(row) for row in run.stdout.splitlines()]


def write_dirty(hive, writer, states):
    """A hive in the first of the states, with the logs that lead to the others."""

    def row(line):
        cells = [truth.utf16(line.key).hex()]
        if line.name is not None:
            cells += [truth.utf16(line.name).hex(), str(line.type), line.data.hex()]
        return "\t".join(cells)

    text = "\n\n".join("\n".join(map(row, lines)) for lines in states)
    subprocess.run([DIRTY_HIVE, hive, *map(str, writer)], input=text.encode(), check=True)


def by_place(lines):
    """Lines by key and name, without those of the root key."""
    found = {}
    for key, name, kind, data in lines:
        if key:
            found.setdefault((key, name), []).append(Line(key, name, kind, None if data is None else bytes.fromhex(data)))
    return found


def by_us(hive):
    lines, error = dump(hive)
    if error:
        raise RuntimeError(error)
    return by_place((line["key"], line["name"], line.get("type"), line.get("data_hex")) for line in lines)


def by_hivex(hive):
    return by_place(hivex("read", hive))


def by_python_registry(hive):
    logs = [path for path in (hive.with_name(hive.name + end) for end in (".LOG1", ".LOG2")) if path.exists()]
    lines = python_registry.in_time(hive, logs, seconds=60) or []
    return by_place((key, name, kind, data) for key, _, name, kind, data in lines)


def peers_cannot(line):
    """Neither can have a NUL or half a surrogate pair in a name."""
    names = line.key + (line.name or "")
    return has_any(names, truth.NUL) or truth.has_lone_surrogate(names)


def as_it_is(_line):
    return None


def otherwise_by_python_registry(line):
    if line.name is None:
        return None
    if "\x85" in line.name:
        return "a name of one byte a character", line._replace(name=line.name.replace("\x85", "\u2026"))
    if line.type == truth.REG_DWORD_BIG_ENDIAN:
        return "REG_DWORD_BIG_ENDIAN", line._replace(data=line.type.to_bytes(4, "little"))
    if line.type == truth.REG_MULTI_SZ and len(line.data) <= 4:
        return "a REG_MULTI_SZ of at most 4 bytes", line._replace(data=b"")
    if line.type == truth.REG_DWORD and len(line.data) > 4:
        return "a number of another length", line._replace(data=ANY)
    if line.type == truth.REG_QWORD and len(line.data) <= 4:
        return "a number of another length", line._replace(data=ANY)
    return "a type without a name", line._replace(type=line.type & 0xFFF)


def otherwise_by_hivex(line):
    # In format 1.3 they are not divided.
    if line.name is not None and len(line.data) > SEGMENT and len(line.data) % 2 == 1:
        return "a large value of odd length", line._replace(data=line.data[:-1])


# How each reads, and what of a line it is known to read otherwise.
READERS = {
    "us": (by_us, as_it_is),
    "hivex": (by_hivex, otherwise_by_hivex),
    "python-registry": (by_python_registry, otherwise_by_python_registry),
}


class Comparisons:
    """By who wrote a hive and who reads it."""

    def __init__(self):
        self.explained = explained_differences("generated_hives-differences.tsv")
        self.comparisons = {}

    def take(self, written, hive, lines, readers):
        for reader in readers:
            name = f"generated hives, {written}, read by {reader}: keys, values"
            if name not in self.comparisons:
                self.comparisons[name] = Comparison(name, {row for row in self.explained if row[0] == name})
            read, otherwise = READERS[reader]
            truth.compare(self.comparisons[name], lines, read(hive), otherwise)


def compare_dirty(comparisons, folder, writer, lines, what, readers, seed):
    states = [lines]
    for later in range(STATES):
        states.append(truth.changed(states[-1], seed * STATES + later))
    hive, log1, log2 = folder / "DIRTY", folder / "DIRTY.LOG1", folder / "DIRTY.LOG2"
    write_dirty(hive, writer, states)
    comparisons.take(f"dirty{what}", hive, states[-1], readers)
    # Its end is missing: the last entry does not count.
    log2.write_bytes(log2.read_bytes()[:-1])
    comparisons.take(f"dirty{what}, torn log", hive, states[-2], readers)
    # The later one was written first.
    log = log2.read_bytes()
    log2.write_bytes(log1.read_bytes())
    log1.write_bytes(log)
    comparisons.take(f"dirty{what}, logs swapped", hive, states[-2], readers)


def main():
    build("--example", "registry_dump", "--example", "dirty_hive")
    comparisons = Comparisons()
    print(f"{REGISTRIES} registries from seed {SEED}")
    with tempfile.TemporaryDirectory() as folder:
        folder = Path(folder)
        base, hive = folder / "BASE", folder / "HIVE"
        write_dirty(base, WRITERS[0], [[]])
        for number, seed in enumerate(range(SEED, SEED + REGISTRIES)):
            writer = WRITERS[number % len(WRITERS)]
            whole = [Line("Microsoft"), *truth.Generator(seed, subkeys=1000 if number == 0 else 0).lines]
            lines = truth.without(whole, peers_cannot)
            hivex("write", base, hive, lines=lines)
            comparisons.take("by hivex", hive, lines, READERS)
            write_dirty(hive, writer, [lines])
            comparisons.take("by our tests", hive, lines, READERS)
            # python-registry is slow with logs.
            small = truth.without(lines, lambda line: line.key in (f"{truth.ROOT}\\large", f"{truth.ROOT}\\many"))
            compare_dirty(comparisons, folder, writer, small, "", ("us", "python-registry"), seed)
            compare_dirty(comparisons, folder, writer, whole, ", any names", ("us",), seed)
    finish(*comparisons.comparisons.values())


main()
