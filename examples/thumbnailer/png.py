"""As much of PNG (W3C: "Portable Network Graphics Specification") as pictures of eight bits a channel need."""

import struct
import zlib

SIGNATURE = b"\x89PNG\r\n\x1a\n"
# Colour type: channels. Grey, RGB, and both with transparency.
CHANNELS = {0: 1, 2: 3, 4: 2, 6: 4}


def read(data):
    """Width, height, colour type, and the rows as bytes."""
    if not data.startswith(SIGNATURE):
        raise ValueError("this is no PNG")
    head, packed, at = None, b"", len(SIGNATURE)
    while at < len(data):
        length, kind = struct.unpack_from(">I4s", data, at)
        chunk = data[at + 8 : at + 8 + length]
        if kind == b"IHDR":
            head = struct.unpack(">IIBBBBB", chunk)
        elif kind == b"IDAT":
            packed += chunk
        at += length + 12
    width, height, depth, colour, _, _, interlaced = head
    if depth != 8 or colour not in CHANNELS or interlaced:
        raise ValueError("only pictures of eight bits a channel that are not interlaced can be read")
    return width, height, colour, _rows(zlib.decompress(packed), width, height, CHANNELS[colour])


def _rows(raw, width, height, channels):
    rows, above, length = [], bytes(width * channels), width * channels
    for number in range(height):
        start = number * (length + 1)
        row = bytearray(raw[start + 1 : start + 1 + length])
        for index in range(length):
            left = row[index - channels] if index >= channels else 0
            corner = above[index - channels] if index >= channels else 0
            row[index] = (row[index] + _predicted(raw[start], left, above[index], corner)) & 255
        rows.append(bytes(row))
        above = rows[-1]
    return rows


def _predicted(method, left, above, corner):
    if method == 3:
        return (left + above) // 2
    if method == 4:
        estimate = left + above - corner
        return min((left, above, corner), key=lambda value: abs(estimate - value))
    return (0, left, above)[method]


def smaller(width, height, colour, rows, most):
    """The picture with no side longer than `most`: each point is the mean of those that it stands for."""
    factor = max(1, -(-max(width, height) // most))
    channels = CHANNELS[colour]
    shrunk = []
    for top in range(0, height, factor):
        row = bytearray()
        lines = rows[top : top + factor]
        for left in range(0, width, factor):
            right = min(left + factor, width)
            for channel in range(channels):
                points = [line[x * channels + channel] for line in lines for x in range(left, right)]
                row.append(sum(points) // len(points))
        shrunk.append(bytes(row))
    return len(shrunk[0]) // channels, len(shrunk), colour, shrunk


def write(width, height, colour, rows):
    """The bytes of a file."""

    def chunk(kind, body):
        return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))

    head = struct.pack(">IIBBBBB", width, height, 8, colour, 0, 0, 0)
    packed = zlib.compress(b"".join(b"\0" + row for row in rows))
    return SIGNATURE + chunk(b"IHDR", head) + chunk(b"IDAT", packed) + chunk(b"IEND", b"")
