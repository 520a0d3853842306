"""Prints the registrations on a disk image by dissect.target, and whether their directories are there, for benches/compare."""

import sys

from dissect.target import Target

if sys.argv[1] != "--installed":
    target = Target.open(sys.argv[1])
    for key in target.registry.keys("HKLM\\SOFTWARE\\Microsoft\\WIMMount\\Mounted Images"):
        for mount in key.subkeys():
            values = {value.name: value.value for value in mount.values()}
            directory = target.fs.path(values["Mount Path"].replace("\\", "/").replace("C:", "/sysvol", 1))
            print(mount.name, values, directory.exists())
