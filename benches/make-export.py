#!/usr/bin/env python3
"""Writes a UTF-16LE registry export as regedit would write HKLM\\SOFTWARE, with three registrations near its end.

usage: make-export.py MEGABYTES OUT

The keys and values look like those of COM classes and installed programs, which make most of a real export.
"""
import random
import sys

WORDS = """Application Class Common Component Control Current Data Default Description Desktop Display Document Driver Event
Explorer Extension File Handler Icon Image Install Interface Library Local Manager Microsoft Module Name Network Object Open
Package Path Policy Print Program Provider Registration Security Server Service Settings Shell Software Source Start Storage
System Template Type Uninstall Update User Value Version Windows command InprocServer32 ThreadingModel Both Apartment""".split()


def block(rnd):
    """A key with a few values: about 700 characters."""
    guid = "{%08X-%04X-%04X-%04X-%012X}" % tuple(rnd.getrandbits(bits) for bits in (32, 16, 16, 16, 48))
    path = "\\".join(rnd.choice(WORDS) for _ in range(rnd.randint(1, 4)))
    lines = [f"[HKEY_LOCAL_MACHINE\\SOFTWARE\\Classes\\CLSID\\{guid}\\{path}]"]
    lines.append(f'@="{" ".join(rnd.choice(WORDS) for _ in range(4))}"')
    for _ in range(rnd.randint(1, 6)):
        name = "".join(rnd.choice(WORDS) for _ in range(2))
        kind = rnd.random()
        if kind < 0.6:
            text = "\\\\".join(["C:", "Windows", "System32", *(rnd.choice(WORDS) for _ in range(3))])
            lines.append(f'"{name}"="{text}.dll"')
        elif kind < 0.85:
            lines.append(f'"{name}"=dword:{rnd.getrandbits(32):08x}')
        else:
            data = [f"{rnd.getrandbits(8):02x}" for _ in range(75)]
            rows = [",".join(data[i : i + 25]) for i in range(0, 75, 25)]
            lines.append(f'"{name}"=hex:' + ",\\\r\n  ".join(rows))
    return "\r\n".join(lines) + "\r\n\r\n"


def registration(number):
    return (
        f"[HKEY_LOCAL_MACHINE\\SOFTWARE\\Microsoft\\WIMMount\\Mounted Images\\{{{number:08x}-66ed-4958-b9ec-c49b07eaeeb5}}]\r\n"
        f'"WIM Path"="D:\\\\images\\\\install{number}.wim"\r\n"Mount Path"="C:\\\\mount\\\\{number}"\r\n'
        f'"Image Index"=dword:{number:08x}\r\n"Status"=dword:00000002\r\n\r\n'
    )


def main():
    size, out = int(sys.argv[1]) << 20, sys.argv[2]
    rnd = random.Random(1)
    # One stretch of 8 MiB is written over and over: nothing here remembers what it has read.
    stretch = "".join(block(rnd) for _ in range(8000)).encode("utf-16-le")
    head = "\ufeffWindows Registry Editor Version 5.00\r\n\r\n[HKEY_LOCAL_MACHINE\\SOFTWARE]\r\n\r\n"
    tail = "".join(registration(number) for number in (1, 2, 3)) + block(rnd)
    tail = tail.encode("utf-16-le")
    with open(out, "wb") as file:
        file.write(head.encode("utf-16-le"))
        while file.tell() + len(stretch) + len(tail) <= size:
            file.write(stretch)
        left = size - file.tell() - len(tail)
        cut = stretch.rfind("\r\n\r\n".encode("utf-16-le"), 0, max(left, 0))
        file.write(stretch[: cut + 8] if cut > 0 else b"")
        file.write(tail)


main()
