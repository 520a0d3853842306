"""Prints the mount registrations of a hive by regipy, for benches/compare."""

import sys

from regipy.registry import RegistryHive

if sys.argv[1] != "--installed":
    for key in RegistryHive(sys.argv[1]).get_key("\\Microsoft\\WIMMount\\Mounted Images").iter_subkeys():
        print(key.name, key.header.last_modified, [(value.name, value.value) for value in key.iter_values()])
