"""Height, width and channels of a JPEG, PNG, GIF or BMP file, read from its bytes alone."""

from __future__ import annotations

import os
from pathlib import Path

# What TensorFlow's decode_image reads.
ENDINGS = (".jpg", ".jpeg", ".png", ".gif", ".bmp")

# Cameras put their data and a preview, some 100 kB, before the size, or some bytes after the end.
_HEAD = 2**19
_TAIL = 2**12

_PNG = b"\x89PNG\r\n\x1a\n"
_PNG_END = b"IEND\xaeB`\x82"
# Start-of-frame markers C0 to CF hold the size; C4, C8 and CC mean something else.
_JPEG_FRAMES = set(range(0xC0, 0xD0)) - {0xC4, 0xC8, 0xCC}


def image_size(path: Path) -> tuple[int, int, int]:
    """Height, width and channels (1: grey, 3: colour) of a whole image file.

    Of a large file its beginning and end are read.

    Raises:
        ValueError: If it is none of the four formats, or cut short; the message says which.
    """
    with path.open("rb") as file:
        data = file.read(_HEAD)
        if len(data) == _HEAD:
            file.seek(-_TAIL, os.SEEK_END)
            data += file.read()
    if data.startswith(_PNG):
        found = _png(data)
    elif data.startswith(b"\xff\xd8"):
        found = _jpeg(data)
    elif data.startswith((b"GIF87a", b"GIF89a")):
        found = _gif(data)
    elif data.startswith(b"BM"):
        found = _bmp(data)
    else:
        raise ValueError("it is not a JPEG, PNG, GIF or BMP image" if data else "it is empty")
    if not all(found):
        raise ValueError("its height or width is 0")
    return found


def _big(data: bytes) -> int:
    return int.from_bytes(data, "big")


def _little(data: bytes) -> int:
    return int.from_bytes(data, "little")


def _png(data: bytes) -> tuple[int, int, int]:
    if _PNG_END not in data[-_TAIL:]:
        raise ValueError("it is cut short")
    # Colour type 0 is grey, 4 grey with transparency (W3C, PNG, 11.2.2).
    return _big(data[20:24]), _big(data[16:20]), 1 if data[25] in (0, 4) else 3


def _jpeg(data: bytes) -> tuple[int, int, int]:
    if b"\xff\xd9" not in data[-_TAIL:]:
        raise ValueError("it is cut short")
    at = 2
    while at + 9 < len(data):
        if data[at] != 0xFF:
            break
        marker = data[at + 1]
        if marker == 0xFF:  # padding
            at += 1
        elif marker in _JPEG_FRAMES:
            return (
                _big(data[at + 5 : at + 7]),
                _big(data[at + 7 : at + 9]),
                1 + 2 * (data[at + 9] > 1),
            )
        else:
            at += 2 + _big(data[at + 2 : at + 4])
    raise ValueError("its size can't be found")


def _gif(data: bytes) -> tuple[int, int, int]:
    if data[-1:] != b"\x3b":
        raise ValueError("it is cut short")
    return _little(data[8:10]), _little(data[6:8]), 3


def _bmp(data: bytes) -> tuple[int, int, int]:
    if len(data) < min(_little(data[2:6]), _HEAD) or len(data) < 54:
        raise ValueError("it is cut short")
    # A negative height means rows from top to bottom.
    height = abs(int.from_bytes(data[22:26], "little", signed=True))
    return height, _little(data[18:22]), 3
