#!/usr/bin/env python3
"""Hives that hivex wrote, with 0, 1, 3, 100 and 1,000 registrations, named with braces and without, are judged right.

usage: MATERIAL=DIR hivex_registrations.py

hivex cannot make a hive from nothing: it starts from a small one of the material, whose contents go. Needs hivex's Python binding (Debian package python3-hivex, for the system's Python). Fails without it where CI is true, and says
so elsewhere.
"""
import json
import os
import random
import struct
import subprocess
import sys
import tempfile
import uuid
from pathlib import Path

from support.comparison import ROOT, Comparison, build, finish, material, without_peer

try:
    import hivex
except ImportError:
    system = "/usr/bin/python3"
    if sys.executable != system and os.path.exists(system) and "HIVEX_RETRIED" not in os.environ:
        os.execve(system, [system, *sys.argv], {**os.environ, "HIVEX_RETRIED": "1"})
    without_peer("hivex for Python (package python3-hivex)")
BASE = material() / "hives/nt_hive2/testhive"


def string(text):
    return text.encode("utf-16-le") + b"\0\0"


def write(out, count, braces):
    """Writes a hive and returns what its registrations are, by mount id."""
    hive = hivex.Hivex(str(BASE), write=True)
    key = hive.root()
    for child in hive.node_children(key):
        hive.node_delete_child(child)
    for name in ("Microsoft", "WIMMount", "Mounted Images"):
        key = hive.node_add_child(key, name)
    rnd = random.Random(count)
    expected = {}
    for number in range(count):
        mount_id = str(uuid.UUID(int=rnd.getrandbits(128), version=4))
        row = (f"C:\\mount\\{number}", f"D:\\images\\{number}.wim", number % 20 + 1, number % 4)
        node = hive.node_add_child(key, f"{{{mount_id}}}" if braces else mount_id.upper())
        values = [
            {"key": "Mount Path", "t": 1, "value": string(row[0])},
            {"key": "WIM Path", "t": 2, "value": string(row[1])},
            {"key": "Image Index", "t": 4, "value": struct.pack("<I", row[2])},
            {"key": "Status", "t": 4, "value": struct.pack("<I", row[3])},
        ]
        hive.node_set_values(node, values)
        expected[mount_id] = row
    hive.commit(str(out))
    return expected


def judged(hive):
    program = ROOT / "target/debug/dism-mount-status"
    command = [program, "--captured", "stopped", "--fail-on", "never", "--format", "json", hive]
    run = subprocess.run(command, capture_output=True, check=True)
    return json.loads(run.stdout)["captures"][0]["mounted_images"]


def main():
    build("--bin", "dism-mount-status")
    comparison = Comparison("registrations that hivex wrote, judged: hives")
    statuses = {0: "Invalid", 1: "Invalid", 2: "NeedsRemount", 3: "Invalid"}
    with tempfile.TemporaryDirectory() as folder:
        for count in (0, 1, 3, 100, 1000):
            for braces in (False, True):
                hive = Path(folder) / "SOFTWARE"
                expected = write(hive, count, braces)
                found = {}
                for image in judged(hive):
                    row = (image["mount_path"], image["image_file_path"], image["image_index"], image["progress_value"])
                    found[image["mount_id"]] = (row, image["mount_status"])
                judgement = {mount_id: (row, statuses[row[3]]) for mount_id, row in expected.items()}
                comparison.check(found == judgement, f"{count} registrations, braces {braces}", detail=str(found))
    finish(comparison)


main()
