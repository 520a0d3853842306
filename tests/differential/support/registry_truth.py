"""Random registries: what is to be written by one program and read by others."""
import random
import uuid
from typing import NamedTuple, Optional

REG_NONE, REG_SZ, REG_EXPAND_SZ, REG_BINARY, REG_DWORD, REG_DWORD_BIG_ENDIAN, REG_LINK, REG_MULTI_SZ = range(8)
REG_QWORD = 11
# Resource lists, and types that have no name.
OTHER_TYPES = (8, 9, 10, 0x12, 0x1234, 0x8000_0000, 0xFFFF_0001, 0xFFFF_FFFF)
# The key below which everything lies.
ROOT = "Microsoft\\WIMMount"
MOUNTS = f"{ROOT}\\Mounted Images"
# Around the 16,344 bytes that hives divide large values into.
LARGE = (16_343, 16_344, 16_345, 32_688, 32_689, 70_001, 300_000)
ALPHABETS = (
    "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789 -_.",
    "[]\"'=@;:%#,()&^!~{}/|<>*?",
    "ÀÉÎÕÜßàéîõüÿ€‚„",
    "абвгдежзийклмнопАБВГДЕЁЖ",
    "映像圖片日本語テスト한국어",
    "😀🪟🚀𠀀𝒳",
    # Combining, invisible and bidirectional marks; a byte order mark.
    "é\u0301\u200b\u200d\u202e\u2066\ufeff\ufffd",
    # Letters whose case is a matter of the table.
    "ıİſßẞΣσςǅǆµÅ",
    "\t\x01\x1f\x7f",
)
BREAKS, SURROGATES, NUL = "\n\r\u2028", "\ud800\udbff\udc00\udfff", "\0"


class Line(NamedTuple):
    """A key (without a name) or a value, its key below HKEY_LOCAL_MACHINE\\SOFTWARE. Data are as the registry keeps them."""

    key: str
    name: Optional[str] = None
    type: Optional[int] = None
    data: Optional[bytes] = None


def utf16(text):
    return text.encode("utf-16-le", "surrogatepass")


def has_lone_surrogate(text):
    """Python's own text has pairs as one character."""
    return any("\ud800" <= character <= "\udfff" for character in text)


def has_any(text, characters):
    return any(character in text for character in characters)


def paired(text):
    """With two halves of a surrogate pair that happen to meet as the one character that they are."""
    return utf16(text).decode("utf-16-le", "surrogatepass")


def is_terminated(line):
    """A string that ends with its only NUL."""
    data = line.data
    units = [data[at : at + 2] for at in range(0, len(data), 2)]
    return len(data) % 2 == 0 and units.count(b"\0\0") == 1 and units[-1] == b"\0\0"


class Generator:
    """Makes one registry. All that follows from the seed."""

    def __init__(self, seed, subkeys=0):
        self.random, self.lines, self.numbered = random.Random(seed), [], 0
        self.key(ROOT)
        self.values(ROOT, 20)
        self.mounts()
        self.strange(f"{ROOT}\\strange")
        for _ in range(8):
            self.tree(ROOT, 0)
        large = f"{ROOT}\\large"
        self.key(large)
        for length in LARGE:
            kind = self.random.choice((REG_BINARY, REG_SZ, REG_MULTI_SZ, 0x1234))
            self.value(large, f"large {length}", kind, self.large(length, kind))
        deep = f"{ROOT}\\deep"
        for level in range(40):
            self.key(deep)
            deep += f"\\{level}"
        if subkeys:
            self.key(f"{ROOT}\\many")
            for number in range(subkeys):
                self.key(f"{ROOT}\\many\\key {number}")
                self.value(f"{ROOT}\\many\\key {number}", "", REG_DWORD, number.to_bytes(4, "little"))

    def key(self, path):
        self.lines.append(Line(paired(path)))

    def value(self, key, name, kind, data):
        self.lines.append(Line(paired(key), paired(name), kind, data))

    def text(self, length, more=""):
        letters = "".join(self.random.sample(ALPHABETS, 2)) + more * 3
        return "".join(self.random.choice(letters) for _ in range(length))

    def name(self, more="", longest=30):
        """A name of its own, in whatever way case is ignored."""
        self.numbered += 1
        longest = self.random.choice((3, 10, longest))
        return f"{self.text(self.random.randrange(longest), more)}{self.numbered}"

    def mounts(self):
        self.key(MOUNTS)
        for number in range(self.random.randrange(1, 12)):
            mount_id = str(uuid.UUID(int=self.random.getrandbits(128), version=4))
            key = f"{MOUNTS}\\{{{mount_id}}}" if self.random.random() < 0.8 else f"{MOUNTS}\\{mount_id.upper()}"
            self.key(key)
            for name in ("WIM Path", "Mount Path"):
                path = f"C:\\{self.text(self.random.randrange(1, 60))}\\{number}"
                self.value(key, name, REG_SZ, utf16(path) + b"\0\0")
            self.value(key, "Image Index", REG_DWORD, self.random.randrange(1, 30).to_bytes(4, "little"))
            self.value(key, "Status", REG_DWORD, self.random.choice((0, 1, 2, 2, 3)).to_bytes(4, "little"))

    def strange(self, key):
        """One of each, so that every list of explained differences is put to the test by every registry."""
        self.key(key)
        for what, kind, data in (
            ("no data", REG_SZ, b""), ("empty", REG_SZ, b"\0\0"), ("no data", REG_MULTI_SZ, b""), ("empty", REG_MULTI_SZ, b"\0\0"),
            ("not terminated", REG_SZ, utf16("text")), ("not terminated", REG_EXPAND_SZ, utf16("%text%")),
            ("not terminated", REG_MULTI_SZ, utf16("a\0b")), ("odd", REG_SZ, utf16("text\0") + b"x"), ("odd", REG_MULTI_SZ, b"abc"),
            ("NUL inside", REG_SZ, utf16("one\0two\0")), ("NUL inside", REG_EXPAND_SZ, utf16("one\0two\0")),
            ("two NULs", REG_SZ, utf16("text\0\0")), ("breaks", REG_SZ, utf16("one\r\ntwo\nthree\r\0")),
            ("breaks", REG_MULTI_SZ, utf16("one\ntwo\0\0")), ("surrogates", REG_SZ, utf16("a\ud800b\udc00\0")),
            ("backslashes", REG_SZ, utf16('\\\\?\\C:\\"quoted"\\\0')), ("empty inside", REG_MULTI_SZ, utf16("a\0\0b\0\0")),
            ("link", REG_LINK, utf16("\\Registry\\Machine")), ("short", REG_DWORD, b"\1\2\3"), ("long", REG_DWORD, b"\1\2\3\4\5"),
            ("no data", REG_DWORD, b""), ("short", REG_QWORD, b"\1\2\3\4"), ("no data", REG_NONE, b""), ("no data", REG_BINARY, b""),
        ):
            self.value(key, f"{what} {kind}", kind, data)
        self.value(key, "", REG_SZ, utf16("the default value\0"))
        self.value(key, "a\\b", REG_SZ, utf16("backslash\0"))
        self.value(key, '"', REG_SZ, utf16("quote\0"))
        self.value(key, "C1 \x85", REG_SZ, utf16("control\0"))
        self.value(key, "x" * 4000, REG_DWORD, b"long")
        for characters in (BREAKS, SURROGATES, NUL):
            self.value(key, self.name(characters, 10) + characters[0], REG_DWORD, b"name")
        for characters in (BREAKS, SURROGATES, NUL):
            self.key(f"{key}\\{self.name(characters, 10)}{characters[0]}x")
        self.key(f"{key}\\{'k' * 250}")

    def tree(self, above, depth):
        key = f"{above}\\{self.name(longest=60)}"
        self.key(key)
        self.values(key, self.random.randrange(8))
        for _ in range(self.random.choice((0, 1, 3)) if depth < 5 else 0):
            self.tree(key, depth + 1)

    def values(self, key, count):
        if self.random.random() < 0.3:
            self.value(key, "", REG_SZ, utf16(self.text(9)) + b"\0\0")
        for _ in range(count):
            name = self.name()
            kind = self.random.choice((REG_SZ, REG_EXPAND_SZ, REG_MULTI_SZ, REG_DWORD, REG_QWORD, REG_BINARY, REG_DWORD_BIG_ENDIAN, None))
            if kind in (REG_SZ, REG_EXPAND_SZ):
                data = utf16(self.text(self.random.randrange(self.random.choice((5, 40, 400))), "\\")) + b"\0\0"
            elif kind == REG_MULTI_SZ:
                parts = [self.text(self.random.randrange(1, 20)) for _ in range(self.random.randrange(4))]
                data = utf16("".join(part + "\0" for part in parts)) + b"\0\0"
            elif kind in (REG_DWORD, REG_DWORD_BIG_ENDIAN):
                data = self.random.randbytes(4)
            elif kind == REG_QWORD:
                data = self.random.randbytes(8)
            else:
                data = self.random.randbytes(self.random.randrange(self.random.choice((4, 64, 600))))
            self.value(key, name, self.random.choice((REG_NONE, *OTHER_TYPES)) if kind is None else kind, data)

    def large(self, length, kind):
        if kind == REG_SZ:
            return utf16(self.text(length // 2 - 1).ljust(length)[: length // 2 - 1])[: length // 2 * 2 - 2] + b"\0\0"
        if kind == REG_MULTI_SZ:
            return utf16("x" * (length // 2 - 2)) + b"\0\0\0\0"
        return self.random.randbytes(length)


def without(lines, cannot):
    """The lines that a writer can write: not what it cannot, nor what lies below such a key; and how many are left out."""
    left_out, kept = set(), []
    for line in lines:
        parts = line.key.split("\\")
        above = ("\\".join(parts[:depth]) for depth in range(1, len(parts) + 1))
        if any(key in left_out for key in above):
            continue
        if cannot(line):
            if line.name is None:
                left_out.add(line.key)
            continue
        kept.append(line)
    return kept


def changed(lines, seed):
    """The registry some time later: of the trees, values and keys changed, gone and new."""
    rnd, kept, gone = random.Random(seed), [], set()
    for line in lines:
        parts = line.key.split("\\")
        if any("\\".join(parts[:depth]) in gone for depth in range(1, len(parts) + 1)):
            continue
        chance = rnd.random()
        if line.key.count("\\") < 2 or line.key.startswith(f"{ROOT}\\strange"):
            kept.append(line)
        elif line.name is not None:
            if chance < 0.9:
                kept.append(line if chance < 0.6 else line._replace(data=line.data[::-1]))
        elif chance < 0.03 and len(parts) > 3:
            gone.add(line.key)
        else:
            kept.append(line)
            if chance > 0.9:
                kept.append(Line(line.key, f"new {seed}", REG_SZ, utf16("new\0")))
                kept.append(Line(f"{line.key}\\new {seed}"))
    return kept


def as_text(lines, seed):
    """A version 5 export in UTF-16 of another style in each registry."""
    rnd, out = random.Random(seed), ["Windows Registry Editor Version 5.00", ""]
    upper, comments = rnd.random() < 0.5, rnd.random() < 0.5

    def quoted(text):
        return '"' + text.replace("\\", "\\\\").replace('"', '\\"') + '"'

    def data(line):
        if line.type == REG_SZ and is_terminated(line) and not has_any(line.data.decode("utf-16-le", "surrogatepass"), "\r\n"):
            return quoted(line.data[:-2].decode("utf-16-le", "surrogatepass"))
        if line.type == REG_DWORD and len(line.data) == 4 and rnd.random() < 0.7:
            return f"dword:{int.from_bytes(line.data, 'little'):08x}"
        hexadecimal = [f"{byte:02X}" if upper else f"{byte:02x}" for byte in line.data]
        rows = [",".join(hexadecimal[at : at + 25]) for at in range(0, len(hexadecimal), 25)]
        prefix = "hex:" if line.type == REG_BINARY else f"hex({line.type:x}):"
        return prefix + ",\\\r\n  ".join(rows)

    for line in lines:
        if line.name is None:
            out += ["", f"[HKEY_LOCAL_MACHINE\\SOFTWARE\\{line.key}]"]
        else:
            if comments and rnd.random() < 0.05:
                out.append("; a comment")
            # Line breaks in a name are written as Wine writes them.
            name = quoted(line.name).replace("\n", "\\n").replace("\r", "\\r") if line.name else "@"
            out.append(f"{name}={data(line)}")
    return b"\xff\xfe" + utf16("\r\n".join([*out, "", ""]))


def compare(comparison, lines, found, otherwise):
    """Holds what was found of a registry, by key and name, against what it is.

    `otherwise` tells of a line how it is known to be found in another way: what that is called, and the line, or None if it is not there.
    """
    for line in lines:
        what, other = otherwise(line) or (None, line)
        mine = found.pop((line.key, line.name), None) or found.pop((line.key, other and other.name), None)
        if mine == [line]:
            comparison.same()
        elif what is not None and mine == (None if other is None else [other]):
            comparison.differs(comparison.name, what)
        else:
            comparison.differs("otherwise", ascii(line.key), ascii(line.name), detail=ascii((line, mine)))
    for place in found:
        comparison.differs("only here", ascii(place))
