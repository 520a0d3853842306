#!/usr/bin/env python3
"""Compares what is read of registry hives with python-registry, and with what Windows itself recovered.

usage: MATERIAL=DIR hives.py

Every file under $MATERIAL/hives that begins with `regf` and is no log is read, with the logs that lie beside it. python-registry
(pip install python-registry) replays logs of the new format itself. Keys, times, value names, types and data must be the
same; a hive that differs must be listed in hives-differences.tsv beside this script, with how many lines only we have, how many
only the peer has, and why. A listed difference that no longer occurs is an error too. A `RecoveredHive_*` must equal its dirty hive.
Without python-registry, only the latter is checked; under CI that is an error.
"""
import io
import json
import multiprocessing
import os
import queue as queues
import struct
import subprocess
import sys
from collections import Counter
from datetime import datetime, timedelta
from pathlib import Path

HERE = Path(__file__).resolve().parent
ROOT = HERE.parent.parent
DUMP = ROOT / "target/debug/examples/registry_dump"
EXPLAINED = HERE / "hives-differences.tsv"
LEFT_OUT = 77

try:
    from Registry import Registry, RegistryLog
except ImportError:
    Registry = None


def rfc3339(ticks):
    """As the reader writes it: as many digits as needed; nothing beyond the year 9999."""
    try:
        time = datetime(1601, 1, 1) + timedelta(microseconds=ticks // 10)
    except OverflowError:
        return None
    fraction = f"{ticks % 10_000_000:07}".rstrip("0")
    return time.strftime("%Y-%m-%dT%H:%M:%S").rjust(19, "0") + (f".{fraction}" if fraction else "") + "Z"


def ours(hive):
    """The lines of the reader under test, which takes the logs that lie beside a hive; and whether it could open the hive."""
    run = subprocess.run([DUMP, hive], capture_output=True, timeout=60)
    lines = [json.loads(line) for line in run.stdout.decode().splitlines()]
    return [(e["key"], e["last_written"], e["name"], e.get("type"), e.get("data_hex")) for e in lines], run.returncode == 0


def replayed(hive, logs):
    """The hive with its logs applied by python-registry."""
    primary = io.BytesIO(hive.read_bytes())
    opened = []
    for log in logs:
        try:
            primary.seek(0)
            opened.append(RegistryLog.RegistryLog(primary, io.BytesIO(log.read_bytes())))
        except Exception:
            continue
    opened = [log for log in opened if log.is_eligible_log()]
    if len(opened) == 2 and not opened[0].is_starting_log(opened[1]):
        opened.reverse()
    try:
        sequence = opened[0].recover_hive() if opened else None
        if len(opened) == 2 and sequence is not None:
            opened[1].reload_primary_regf()
            opened[1].recover_hive_continue(sequence + 1)
    except Exception:
        pass
    primary.seek(0)
    return primary


def peers(hive, logs):
    """The lines of python-registry; what it cannot read is missing."""
    lines = []
    root = Registry.Registry(replayed(hive, logs)).root()
    pending, entered = [(root, "")], set()
    while pending:
        key, path = pending.pop()
        node = key._nkrecord
        if node.offset() in entered:
            continue
        entered.add(node.offset())
        time = rfc3339(node.unpack_qword(4))
        lines.append((path, time, None, None, None))
        try:
            values = list(node.values_list().values()) if node.values_number() else []
        except Exception:
            values = []
        for value in values:
            try:
                size = value.raw_data_length()
                data = value.raw_data()[: size & 0x7FFFFFFF]
                lines.append((path, time, value.name(), value.data_type(), data.hex()))
            except Exception:
                continue
        try:
            subkeys = list(key.subkeys())
        except Exception:
            subkeys = []
        for subkey in reversed(subkeys):
            name = subkey.name()
            pending.append((subkey, f"{path}\\{name}" if path else name))
    return lines


def in_time(hive, logs, seconds=10):
    """What `peers` gives, or None when it fails or does not end."""
    queue = multiprocessing.Queue()
    process = multiprocessing.Process(target=lambda: queue.put(peers(hive, logs)), daemon=True)
    stderr = os.dup(2)
    os.dup2(os.open(os.devnull, os.O_WRONLY), 2)
    process.start()
    os.dup2(stderr, 2)
    os.close(stderr)
    try:
        for _ in range(seconds * 10):
            try:
                return queue.get(timeout=0.1)
            except queues.Empty:
                if not process.is_alive() and queue.empty():
                    return None
        return None
    finally:
        process.kill()


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
    if not os.environ.get("MATERIAL"):
        print("MATERIAL is not set: nothing was compared")
        sys.exit(LEFT_OUT)
    folder = Path(os.environ["MATERIAL"]) / "hives"
    subprocess.run(["cargo", "build", "--quiet", "--example", "registry_dump"], cwd=ROOT, check=True)
    if Registry is None:
        print("python-registry is missing: compared with Windows' own recovery only")
        if os.environ.get("CI") == "true":
            sys.exit(1)
    explained = {}
    for row in EXPLAINED.read_text().splitlines():
        if row and not row.startswith("#"):
            name, only_ours, only_theirs, reason = row.split("\t")
            explained[name] = (int(only_ours), int(only_theirs))
    failures, compared, lines, oracles, differing = [], 0, 0, 0, {}
    for hive, logs in hives(folder):
        name = str(hive.relative_to(folder))
        mine, opened = ours(hive)
        for recovered in hive.parent.glob("RecoveredHive_*"):
            if logs:
                oracles += 1
                if ours(recovered)[0] != mine or not mine:
                    failures.append(f"{name}: not as {recovered.name}")
        if Registry is None:
            continue
        theirs = in_time(hive, logs) or []
        compared += 1
        lines += len(mine)
        only_ours = list((Counter(mine) - Counter(theirs)).elements())
        only_theirs = list((Counter(theirs) - Counter(mine)).elements())
        if only_ours or only_theirs:
            differing[name] = (len(only_ours), len(only_theirs))
            if explained.get(name) != differing[name]:
                failures.append(f"{name}: {differing[name]} differing lines, such as {(only_ours[:1], only_theirs[:1])}")
    if Registry is not None:
        failures += [f"{name}: listed, but as the peer reads it" for name in explained if name not in differing]
    for failure in failures:
        print(failure[:600])
    print(f"hives: {compared} compared, {lines} lines, {len(differing)} differ, {oracles} recovered as Windows did, {len(failures)} failures")
    sys.exit(bool(failures))


main()
