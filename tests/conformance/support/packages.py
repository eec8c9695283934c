"""Deployment packages: good ones, and ones that mean harm."""

import io
import struct
import zipfile
import zlib

DIRECTORY, LINK, FILE, DEVICE, FIFO = 0o040000, 0o120000, 0o100000, 0o020000, 0o010000


def pack(files):
    """A zip of `{name: content}` or `{name: (content, mode)}`; the same files give the same bytes."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in files.items():
            content, mode = content if isinstance(content, tuple) else (content, 0o644)
            add(archive, name, content, FILE | mode)
    return buffer.getvalue()


def add(archive, name, content, mode):
    entry = zipfile.ZipInfo(name, (2020, 1, 1, 0, 0, 0))
    entry.external_attr = mode << 16
    entry.create_system = 3
    entry.compress_type = zipfile.ZIP_DEFLATED
    archive.writestr(entry, content)


def with_entry(name, content=b"x", mode=FILE | 0o644):
    """A package with one odd entry between two good ones."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        add(archive, "lambda_function.py", "def lambda_handler(event, context): return 1\n", FILE | 0o644)
        add(archive, name, content, mode)
        add(archive, "last.txt", "last", FILE | 0o644)
    return buffer.getvalue()


def bomb(size=300 * 1024 * 1024):
    """A few hundred kilobytes that unpack to more than 250 MB."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        with archive.open("zeros.bin", "w", force_zip64=True) as entry:
            block = bytes(1024 * 1024)
            for _ in range(size // len(block)):
                entry.write(block)
    return buffer.getvalue()


def encrypted():
    """A package whose entry says that it is encrypted (APPNOTE 4.4.4, bit 0)."""
    data = bytearray(pack({"lambda_function.py": "def lambda_handler(event, context): return 1\n"}))
    central = data.index(b"PK\x01\x02")
    data[6] |= 1
    data[central + 8] |= 1
    return bytes(data)


def overlapping(entries=2000, size=1024 * 1024):
    """Many entries that share the same compressed bytes: the quoted bomb without quotes."""
    compressor = zlib.compressobj(9, zlib.DEFLATED, -15)
    plain = bytes(size)
    packed = compressor.compress(plain) + compressor.flush()
    crc = zlib.crc32(plain)
    head = struct.pack("<IHHHHHIIIHH", 0x04034B50, 20, 0, 8, 0, 0x21, crc, len(packed), size, 1, 0) + b"a" + packed
    central = b"".join(
        struct.pack(
            "<IHHHHHHIIIHHHHHII",
            0x02014B50,
            0x031E,
            20,
            0,
            8,
            0,
            0x21,
            crc,
            len(packed),
            size,
            len(name),
            0,
            0,
            0,
            0,
            (FILE | 0o644) << 16,
            0,
        )
        + name
        for name in (b"f%05d" % number for number in range(entries))
    )
    end = struct.pack("<IHHHHIIH", 0x06054B50, 0, 0, entries, entries, len(central), len(head), 0)
    return head + central + end
