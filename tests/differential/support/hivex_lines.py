"""Reads and writes hives by hivex (Debian package python3-hivex, which is for the system's Python).

usage: /usr/bin/python3 hivex_lines.py read HIVE
       /usr/bin/python3 hivex_lines.py write BASE HIVE <LINES

LINES, and what is printed, are a JSON list for each key and value: key, name, type and data in hexadecimal; the latter three are null
for the key itself. hivex cannot make a hive from nothing: BASE is one whose contents go.
"""
import json
import sys

import hivex


def read(path):
    hive = hivex.Hivex(path)
    pending = [(hive.root(), "")]
    while pending:
        node, key = pending.pop()
        for value in hive.node_values(node):
            kind, data = hive.value_value(value)
            yield key, hive.value_key(value), kind, data.hex()
        for child in hive.node_children(node):
            name = hive.node_name(child)
            path = f"{key}\\{name}" if key else name
            yield path, None, None, None
            pending.append((child, path))


def write(base, out, lines):
    hive = hivex.Hivex(base, write=True)
    root = hive.root()
    for child in hive.node_children(root):
        hive.node_delete_child(child)
    hive.node_set_values(root, [])
    nodes, values = {"": root}, {}
    for key, name, kind, data in lines:
        if name is None:
            above, _, own = key.rpartition("\\")
            nodes[key] = hive.node_add_child(nodes[above], own)
        else:
            values.setdefault(key, []).append({"key": name, "t": kind, "value": bytes.fromhex(data)})
    for key, of_key in values.items():
        hive.node_set_values(nodes[key], of_key)
    hive.commit(out)


if sys.argv[1] == "read":
    for row in read(sys.argv[2]):
        print(json.dumps(row))
else:
    write(sys.argv[2], sys.argv[3], [json.loads(row) for row in sys.stdin])
