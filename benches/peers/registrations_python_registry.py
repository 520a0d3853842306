"""Prints the mount registrations of a hive by python-registry, for benches/compare."""

import sys

from Registry import Registry

if sys.argv[1] != "--installed":
    for key in Registry.Registry(sys.argv[1]).open("Microsoft\\WIMMount\\Mounted Images").subkeys():
        print(key.name(), key.timestamp(), [(value.name(), value.raw_data()) for value in key.values()])
