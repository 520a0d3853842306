"""Differencing VHDs, which no public tool writes: made out of dynamic ones of qemu-img, by Microsoft's description of the format."""
import struct
import uuid

SECTOR = 512
DIFFERENCING = 4
UNUSED = 0xFFFFFFFF


def differencing(child, parent, parent_name, is_here):
    """Makes a dynamic VHD one over a parent, with those of its sectors that `is_here` says; gives the file, and the sectors."""
    child, footer = bytearray(child[:-SECTOR]), bytearray(child[-SECTOR:])
    header = struct.unpack_from(">Q", footer, 16)[0]
    table, entries, block_size = struct.unpack_from(">QxxxxII", child, header + 16)
    child[header + 40 : header + 56] = parent[68:84]
    child[header + 64 : header + 576] = parent_name.encode("utf-16-be").ljust(512, b"\0")
    present, bits = set(), block_size // SECTOR
    for block in range(entries):
        at = struct.unpack_from(">I", child, table + 4 * block)[0]
        if at == UNUSED:
            continue
        bitmap = bytearray(bits // 8)
        for sector in filter(is_here, range(block * bits, (block + 1) * bits)):
            bitmap[sector % bits // 8] |= 0x80 >> sector % 8
            present.add(sector)
        child[at * SECTOR : at * SECTOR + len(bitmap)] = bitmap
    # The path of the parent, between the last block and the footer.
    path = f"C:\\Machines\\{parent_name}".encode("utf-16-le")
    struct.pack_into(">4sIIIQ", child, header + 576, b"W2ru", SECTOR, len(path), 0, len(child))
    child += path.ljust(SECTOR, b"\0")
    seal(child, header, header + 1024, header + 36)
    struct.pack_into(">I", footer, 60, DIFFERENCING)
    footer[68:84] = uuid.uuid4().bytes
    seal(footer, 0, SECTOR, 64)
    child[:SECTOR] = footer
    return bytes(child + footer), present


def seal(data, start, end, checksum_at):
    struct.pack_into(">I", data, checksum_at, 0)
    struct.pack_into(">I", data, checksum_at, ~sum(data[start:end]) & 0xFFFFFFFF)
