"""Counts what a comparison finds, and says so in the line that `run` takes for its table.

A script makes a `Comparison` for each peer, tells it of every case, and ends with `finish`. For each comparison that prints

    NAME: cases=N equal=N explained=N unexplained=N

`run` takes every line of this form, from a script in whatever language. A list of explained differences has lines of cells divided by
tabs: the last is the reason, the others are the difference as a script tells it. A listed difference that no longer occurs is a
failure like one that is not listed.
"""
import json
import os
import subprocess
import sys
from collections import Counter
from pathlib import Path

DIFFERENTIAL = Path(__file__).resolve().parent.parent
ROOT = DIFFERENTIAL.parent.parent
DUMP = ROOT / "target/debug/examples/registry_dump"
# How a script ends that compared nothing, for want of what cannot be installed.
LEFT_OUT = 77
SHOWN = 40


def leave_out(reason):
    """Nothing can be compared here."""
    print("left out:", reason)
    sys.exit(LEFT_OUT)


def without_peer(peer):
    """Nothing can be compared without a program or module that can be installed: under CI that is a failure."""
    if os.environ.get("CI"):
        sys.exit(f"missing: {peer}")
    leave_out(f"missing: {peer}")


def material():
    """The folder of real material."""
    if not os.environ.get("MATERIAL"):
        leave_out("MATERIAL is not set")
    return Path(os.environ["MATERIAL"])


def build(*options):
    """Builds what of ours is compared. With all features, like `run`: with others it would all be built anew."""
    subprocess.run(["cargo", "build", "--quiet", "--all-features", *options], cwd=ROOT, check=True)


def dump(path, *options, data=None):
    """The lines that registry_dump prints of a file, or of `data` where the path is `-`; and the error that ended it."""
    run = subprocess.run([DUMP, *options, path], input=data, capture_output=True, timeout=60)
    error = None if run.returncode == 0 else run.stderr.decode().strip()
    return [json.loads(line) for line in run.stdout.splitlines()], error


def explained_differences(name):
    """The differences that a list beside the scripts explains."""
    rows = (DIFFERENTIAL / name).read_text(encoding="utf-8").splitlines()
    return {tuple(row.split("\t")[:-1]) for row in rows if row and not row.startswith("#")}


class Comparison:
    """The cases of one comparison."""

    def __init__(self, name, explained=()):
        self.name, self.explained, self.equal = name, set(explained), 0
        self.differences = Counter()
        self.details = {}

    def same(self, count=1):
        """Cases that agree."""
        self.equal += count

    def differs(self, *difference, detail=""):
        """A case that does not. The detail helps to find out why."""
        difference = tuple(map(str, difference))
        self.differences[difference] += 1
        self.details.setdefault(difference, detail)

    def check(self, is_same, *difference, detail=""):
        """A case that agrees or not."""
        if is_same:
            self.same()
        else:
            self.differs(*difference, detail=detail)

    def failed(self):
        """Prints what was found; tells whether some of it is not explained."""
        unexplained = [difference for difference in self.differences if difference not in self.explained]
        for difference in unexplained[:SHOWN]:
            print("unexplained:", *difference, self.details[difference][:400], sep="\t")
        stale = sorted(self.explained - set(self.differences))
        for difference in stale:
            print("listed, but agreeing:", *difference, sep="\t")
        different = self.differences.total()
        failing = sum(self.differences[difference] for difference in unexplained)
        counts = f"equal={self.equal} explained={different - failing} unexplained={failing}"
        print(f"{self.name}: cases={self.equal + different} {counts}", flush=True)
        return bool(unexplained or stale)


def finish(*comparisons):
    """Ends the script."""
    sys.exit(any([comparison.failed() for comparison in comparisons]))
