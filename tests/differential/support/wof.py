"""Data as the Windows Overlay Filter compresses them."""
import hashlib
import shutil
import struct
import subprocess

# What the Windows Overlay Filter calls a method, and wimlib.
METHODS = {0: ("XPRESS", 4096), 1: ("LZX", 32768), 2: ("XPRESS", 8192), 3: ("XPRESS", 16384)}


def chunks_of(folder, data, method):
    """The data as the Windows Overlay Filter stores them compressed: as wimlib stores them in a WIM."""
    name, chunk_size = METHODS[method]
    source, wim = folder / "wof", folder / "wof.wim"
    shutil.rmtree(source, ignore_errors=True)
    wim.unlink(missing_ok=True)
    source.mkdir()
    (source / "file").write_bytes(data)
    command = ["wimlib-imagex", "capture", source, wim, f"--compress={name}", f"--chunk-size={chunk_size}", "--no-acls"]
    subprocess.run(command, check=True, capture_output=True)
    image = wim.read_bytes()
    # The lookup table: size and flags, offset and size of the entries.
    size, offset = struct.unpack_from("<QQ", image, 0x30)
    for entry in range(offset, offset + (size & 0xFFFFFFFFFFFFFF), 50):
        stored, start, original = struct.unpack_from("<QQQ", image, entry)
        if image[entry + 30 : entry + 50] == hashlib.sha1(data).digest():
            stored &= 0xFFFFFFFFFFFFFF
            assert original == len(data) and stored < original
            return image[start : start + stored]
    raise AssertionError("wimlib did not store the data")
