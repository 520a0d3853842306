"""VHDXs that no public tool writes, made out of those of qemu-img by MS-VHDX: differencing ones, and such whose log is still to be
replayed.
"""
import struct
import uuid

SECTOR = 512
PAGE = 4096
MIB = 1 << 20
HEADERS_AT = 0x10000, 0x20000
REGIONS_AT = 0x30000
BAT_REGION = uuid.UUID("2DC27766-F623-4200-9D64-115E9BFD4A08")
METADATA_REGION = uuid.UUID("8B7CA206-4790-4B9A-B8FE-575F050F886E")
FILE_PARAMETERS = uuid.UUID("CAA16737-FA36-4D43-B3B6-33F0AA44E76B")
PARENT_LOCATOR = uuid.UUID("A8D35F2D-B30B-454D-ABF7-D3D84834AB0C")
LOCATOR_TYPE = uuid.UUID("B04AEFB7-D19E-4A81-B789-25B8E9445913")
FULLY_PRESENT, PARTIALLY_PRESENT = 6, 7


def guid(file, at):
    return uuid.UUID(bytes_le=bytes(file[at : at + 16]))


def region(file, wanted):
    count = struct.unpack_from("<I", file, REGIONS_AT + 8)[0]
    entries = range(REGIONS_AT + 16, REGIONS_AT + 16 + 32 * count, 32)
    return next(struct.unpack_from("<Q", file, entry + 16)[0] for entry in entries if guid(file, entry) == wanted)


def newer_header(file):
    return max(HEADERS_AT, key=lambda at: struct.unpack_from("<Q", file, at + 8))


def differencing(child, parent, parent_name, is_here):
    """Makes a dynamic VHDX of at most 4 GiB one over a parent, with those of its sectors that `is_here` says; gives the file, and the
    sectors."""
    child = bytearray(child)
    block_size = put_parent(child, guid(parent, newer_header(parent) + 32), parent_name)
    bat, ratio, sectors = region(child, BAT_REGION), (SECTOR << 23) // block_size, block_size // SECTOR
    child += bytes(-len(child) % MIB)
    bitmap, present = bytearray(MIB), set()
    for block in range(ratio):
        entry = struct.unpack_from("<Q", child, bat + 8 * block)[0]
        # What is not here is the parent's: qemu-img marks such blocks as zeros.
        is_present = entry & 7 == FULLY_PRESENT
        struct.pack_into("<Q", child, bat + 8 * block, entry & ~7 | PARTIALLY_PRESENT if is_present else 0)
        for sector in filter(is_here, range(block * sectors, (block + 1) * sectors) if is_present else ()):
            bitmap[sector // 8] |= 1 << sector % 8
            present.add(sector)
    struct.pack_into("<Q", child, bat + 8 * ratio, len(child) // MIB << 20 | FULLY_PRESENT)
    for at in HEADERS_AT:
        child[at + 32 : at + 48] = uuid.uuid4().bytes_le
        seal(child, at)
    return bytes(child + bitmap), present


def put_parent(child, linkage, name):
    """Adds the parent to the metadata; gives the block size that stands there."""
    metadata = region(child, METADATA_REGION)
    count = struct.unpack_from("<H", child, metadata + 10)[0]
    end = 0
    for entry in range(metadata + 32, metadata + 32 + 32 * count, 32):
        at, length = struct.unpack_from("<II", child, entry + 16)
        end = max(end, at + length)
        if guid(child, entry) == FILE_PARAMETERS:
            block_size = struct.unpack_from("<I", child, metadata + at)[0]
            struct.pack_into("<I", child, metadata + at + 4, 2)
    pairs = [("parent_linkage", f"{{{linkage}}}"), ("relative_path", f".\\{name}"), ("absolute_win32_path", f"C:\\Machines\\{name}")]
    item = parent_locator(pairs)
    struct.pack_into("<16sIII", child, metadata + 32 + 32 * count, PARENT_LOCATOR.bytes_le, end, len(item), 4)
    child[metadata + end : metadata + end + len(item)] = item
    struct.pack_into("<H", child, metadata + 10, count + 1)
    return block_size


def parent_locator(pairs):
    head = LOCATOR_TYPE.bytes_le + struct.pack("<HH", 0, len(pairs))
    entries, text = b"", b""
    for pair in pairs:
        key, value = (word.encode("utf-16-le") for word in pair)
        at = len(head) + 12 * len(pairs) + len(text)
        entries += struct.pack("<IIHH", at, at + len(key), len(key), len(value))
        text += key + value
    return head + entries + text


def with_log_to_replay(file, before):
    """A file that qemu-io wrote to, as if only the log had reached the disk and not the block allocation table."""
    file = bytearray(file)
    table = region(file, BAT_REGION)
    file[table : table + PAGE] = before[table : table + PAGE]
    for at in HEADERS_AT:
        log_at = struct.unpack_from("<Q", file, at + 72)[0]
        # The entry in front tells whose log it is; the headers say that there is none.
        file[at + 48 : at + 64] = file[log_at + 32 : log_at + 48]
        seal(file, at)
    return bytes(file)


def seal(file, header):
    """Makes the CRC-32C of a header right."""
    file[header + 4 : header + 8] = bytes(4)
    value = 0xFFFFFFFF
    for byte in file[header : header + PAGE]:
        value ^= byte
        for _ in range(8):
            value = value >> 1 ^ (0x82F63B78 if value & 1 else 0)
    struct.pack_into("<I", file, header + 4, value ^ 0xFFFFFFFF)
