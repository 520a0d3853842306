"""What python-registry (pip install python-registry) reads of hives. It replays logs of the new format when called for."""
import io
import multiprocessing
import os
import queue as queues
from datetime import datetime, timedelta

from Registry import Registry, RegistryLog


def rfc3339(ticks):
    """As the reader writes it: as many digits as needed; nothing beyond the year 9999."""
    try:
        time = datetime(1601, 1, 1) + timedelta(microseconds=ticks // 10)
    except OverflowError:
        return None
    fraction = f"{ticks % 10_000_000:07}".rstrip("0")
    return time.strftime("%Y-%m-%dT%H:%M:%S").rjust(19, "0") + (f".{fraction}" if fraction else "") + "Z"


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
