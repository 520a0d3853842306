"""Prints the mount registrations of a hive by libregf, for benches/compare."""

import sys

import pyregf

if sys.argv[1] != "--installed":
    file = pyregf.file()
    file.open(sys.argv[1])
    for key in file.get_key_by_path("Microsoft\\WIMMount\\Mounted Images").sub_keys:
        print(key.name, key.last_written_time, [(value.name, value.data) for value in key.values])
