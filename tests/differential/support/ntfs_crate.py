"""The crate ntfs as a reader to compare with: benches/peers/ntfs."""
import subprocess
from pathlib import Path

FOLDER = Path(__file__).resolve().parents[3] / "benches/peers/ntfs"
READER = FOLDER / "target/debug/peer-ntfs"


def build():
    """Whether it could be built: it comes from a registry."""
    return subprocess.run(["cargo", "build", "--quiet", "--locked"], cwd=FOLDER).returncode == 0


def read(volume, records):
    """By record: sizes and SHA-1s by kind (`stream`, `reparse`) and name, and what the crate is known to read wrongly of it."""
    lines = "".join(f"{record}\n" for record in records)
    run = subprocess.run([READER, volume], input=lines, capture_output=True, text=True, timeout=600)
    if run.returncode != 0:
        raise RuntimeError(f"the crate ntfs: {run.stderr[-300:]}")
    found = {record: ({}, set()) for record in records}
    for line in run.stdout.splitlines():
        record, kind, *rest = line.split("\t")
        values, known = found[int(record)]
        known.update(rest[-1].split())
        if kind == "error":
            values["error"] = (rest[0], None)
            continue
        name, size, sha1, _ = rest
        units = b"".join(int(name[at : at + 4], 16).to_bytes(2, "little") for at in range(0, len(name), 4))
        values[kind, units.decode("utf-16-le", "surrogatepass")] = (int(size), sha1)
    return found
