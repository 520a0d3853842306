#!/usr/bin/env python3
"""Compares what is read of registry hives with python-registry, and with what Windows itself recovered.

usage: MATERIAL=DIR hives.py

Every file under $MATERIAL/hives that begins with `regf` and is no log is read, with the logs that lie beside it. python-registry
(pip install python-registry) replays logs of the new format itself. Keys, times, value names, types and data must be the
same; a hive that differs must be listed in hives-differences.tsv beside this script, with how many lines only we have, how many
only the peer has, and why. A listed difference that no longer occurs is an error too. A `RecoveredHive_*` must equal its dirty hive.
Without python-registry nothing is compared; under CI that is an error.
"""
import struct
from collections import Counter

from support.comparison import Comparison, build, dump, explained_differences, finish, material, without_peer

try:
    from support import python_registry
except ImportError:
    without_peer("python-registry (pip install python-registry)")


def ours(hive):
    """The lines of the reader under test, which takes the logs that lie beside a hive."""
    lines, _ = dump(hive)
    return [(e["key"], e["last_written"], e["name"], e.get("type"), e.get("data_hex")) for e in lines]


def hives(folder):
    for path in sorted(folder.rglob("*")):
        if not path.is_file():
            continue
        with open(path, "rb") as file:
            head = file.read(32)
        if head[:4] == b"regf" and len(head) == 32 and struct.unpack_from("<I", head, 28)[0] == 0:
            logs = [path.with_name(path.name + end) for end in (".LOG", ".LOG1", ".LOG2")]
            yield path, [log for log in logs if log.exists()]


def main():
    folder = material() / "hives"
    build("--example", "registry_dump")
    peer = Comparison("hives as python-registry reads them: files", explained_differences("hives-differences.tsv"))
    windows = Comparison("hives as Windows recovered them: files")
    lines = 0
    for hive, logs in hives(folder):
        name = str(hive.relative_to(folder))
        mine = ours(hive)
        lines += len(mine)
        for recovered in hive.parent.glob("RecoveredHive_*"):
            if logs:
                windows.check(mine and ours(recovered) == mine, name, recovered.name)
        theirs = python_registry.in_time(hive, logs) or []
        only_ours = list((Counter(mine) - Counter(theirs)).elements())
        only_theirs = list((Counter(theirs) - Counter(mine)).elements())
        is_same = not only_ours and not only_theirs
        peer.check(is_same, name, len(only_ours), len(only_theirs), detail=f"such as {only_ours[:1]}, {only_theirs[:1]}")
    print(f"{lines} keys and values read")
    finish(peer, windows)


main()
