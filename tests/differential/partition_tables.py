#!/usr/bin/env python3
"""Partition tables are read as sfdisk lists them.

usage: partition_tables.py (what disk_containers.py needs); tables for sectors of 4,096 bytes need root and a loop device

Makes MBRs with primary and logical partitions in any order and GPTs with names and gaps by sfdisk, takes one of the two headers of
each GPT away, and compares what `examples/disk_image.rs` tells of schemes, ids, types, places and names with what `sfdisk --json` does.

Where a program is missing it says so and is left out (77); under CI=true that fails.
"""
import os
import random
import re
import tempfile
import uuid
from pathlib import Path

from support.disk_readers import MIB, SECTOR, build, compare_table, counts, fail, facts, finish, need, run, sfdisk

KINDS = "EBD0A0A2-B9E5-4433-87C0-68B6B72699C7", "DE94BBA4-06D1-4D40-A16A-BFD50179D6AC"

def random_mbr(chance, sectors):
    """Primary partitions in any order, and logical ones in the last."""
    lines, at, primaries = [], chance.randrange(1, 5000), []
    for _ in range(chance.randrange(5)):
        length = chance.randrange(1, 9000)
        primaries.append(f"{at},{length},{chance.choice(['7', '83', 'c', '27', '42', '1', 'ef'])}")
        at += length + chance.randrange(3000)
    chance.shuffle(primaries)
    logicals = chance.randrange(12) if len(primaries) < 4 else 0
    if logicals:
        extended = at
        at += 1
        for _ in range(logicals):
            at += chance.randrange(1, 200)
            length = chance.randrange(1, 3000)
            lines.append(f"{at},{length},{chance.choice(['7', '83', 'b'])}")
            at += length + 1
        place = chance.randrange(len(primaries) + 1)
        primaries.insert(place, f"{extended},{min(at + 100, sectors) - extended},{chance.choice('5f')}")
    return primaries, lines


def tables(folder):
    chance = random.Random(6)
    disk = folder / "table.raw"
    for number in range(60):
        disk.unlink(missing_ok=True)
        with disk.open("wb") as file:
            file.truncate(128 * MIB)
        if number % 2:
            primaries, logicals = random_mbr(chance, 128 * MIB // SECTOR)
            script = ["label: dos", f"label-id: {chance.randrange(1 << 32):#010x}"]
            for index, line in enumerate([*primaries, *logicals]):
                start, size, kind = line.split(",")
                own = index + 1 if index < len(primaries) else 5 + index - len(primaries)
                script.append(f"{disk}{own} : start={start}, size={size}, type={kind}")
        else:
            script, at = ["label: gpt"], 2048
            for own in chance.sample(range(1, 129), chance.randrange(20)):
                size = chance.randrange(1, 20_000)
                if at + size > 128 * MIB // SECTOR - 34:
                    break
                name = "".join(chance.choice("abc ÄЖ映😀") for _ in range(chance.randrange(12))).strip()
                kind = chance.choice([*KINDS, str(uuid.UUID(int=chance.getrandbits(128)))])
                script.append(f'{disk}{own} : start={at}, size={size}, type={kind}, name="{name}"')
                at += size + chance.randrange(2000)
        sfdisk(disk, "\n".join(script) + "\n")
        compare_table(f"table {number}: {script}", disk)
        if number % 2 == 0:
            # The one table, then the other, is gone.
            with disk.open("r+b") as file:
                file.seek(SECTOR if number % 4 else 128 * MIB - SECTOR)
                file.write(bytes(SECTOR))
            compare_table(f"table {number} with a header gone: {script}", disk)
            if number % 4 and not facts(disk)["warnings"]:
                fail(f"table {number} with its header gone: nothing is said")
    disk.unlink()
    if os.geteuid() == 0:
        large_sectors(folder, chance)
    else:
        print("tables for sectors of 4,096 bytes are left out: only root can make a loop device")


def large_sectors(folder, chance):
    disk = folder / "large sectors.raw"
    for number in range(8):
        with disk.open("wb") as file:
            file.truncate(128 * MIB)
        loop = run("losetup", "--find", "--show", "--sector-size", "4096", disk).decode().strip()
        try:
            script, at = ["label: gpt" if number % 2 else "label: dos"], 256
            for own in range(1, chance.randrange(2, 5)):
                size = chance.randrange(1, 4000)
                script.append(f"{loop}p{own} : start={at}, size={size}, type={'U' if number % 2 else '7'}")
                at += size + chance.randrange(100)
            if number % 4 == 0:
                script += [f"{loop}p4 : start={at}, size=9000, type=f"]
                script += [f"{loop}p{own} : start={at + 10 + 1000 * (own - 5)}, size=700, type=7" for own in range(5, 9)]
            sfdisk(loop, "\n".join(script) + "\n")
            with open(loop, "r+b") as file:
                # An MBR does not say how large its sectors are: where its volumes start does.
                for start in re.findall(r"start=(\d+), size=\d+, type=7", str(script)):
                    file.seek(int(start) * 4096 + 3)
                    file.write(b"NTFS    ")
            run("sync", disk)
            compare_table(f"sectors of 4,096 bytes, {script}", disk, loop)
        finally:
            run("losetup", "--detach", loop)
        disk.unlink()


def main():
    need("sfdisk")
    build()
    with tempfile.TemporaryDirectory() as folder:
        tables(Path(folder))
    print(f"{counts['partitions']} partitions in them")
    finish("partition tables as sfdisk lists them", counts["tables as sfdisk"])


main()
