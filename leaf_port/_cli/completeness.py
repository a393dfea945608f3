"""Whether a sound file is whole, as its container tells.

libsndfile reads what there is of a file that was cut short, and says nothing: of WAV and AIFF
files, of Ogg files that end between two pages, and of MP3 files without a header for the length, of
which it takes the length to be what the first frame lets it guess.
"""

from __future__ import annotations

import math
import os
import struct
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO

from leaf_port._cli.refusal import refusal
from leaf_port.errors import LeafError

# What writers to a pipe put for a length that they do not know: ffmpeg, sox.
_UNKNOWN_LENGTHS = (0xFFFFFFFF, 0x7FFFF000)
_CUT = "it is cut short: copy it again"
_OGG_FIRST, _OGG_LAST = 2, 4  # flags of a stream's first and last page (RFC 3533, section 6)
_MP3_SEARCHED = 1 << 14  # bytes behind the tags in which the first frame is
_XING_AT = tuple(side + crc for side in (13, 21, 36) for crc in (0, 2))
"""Where in the first frame of an MP3 file ``Xing`` or ``Info`` stands: behind its header, checksum
and side information."""
_XING_FRAMES, _XING_BYTES = 1, 2  # flags: which of the two are told


def check_complete(path: Path, stream: BinaryIO) -> None:
    """Refuses a file of which something is missing, or which does not tell.

    Raises:
        LeafError: cut short; an MP3 file without the number of its frames; an Ogg file of several
            streams, of which libsndfile reads one only.
    """
    size = os.fstat(stream.fileno()).st_size
    head = stream.read(12)
    stream.seek(0)
    if head[:4] in (b"RIFF", b"RIFX", b"RF64") and head[8:12] == b"WAVE":
        _check_wav(path, stream, size)
    elif head[:4] == b"FORM" and head[8:11] == b"AIF":
        _check_aiff(path, head, size)
    elif head[:4] == b"OggS":
        _check_ogg(path, stream, size)
    elif head[:3] == b"ID3" or _is_frame(head):
        _check_mp3(path, stream, size)


def _check_wav(path: Path, stream: BinaryIO, size: int) -> None:
    """Compares the data chunk's size with the file's."""
    for start, length in _data_chunks(stream):
        if start + length > size:
            raise _cut(path, max(size - start, 0), length, "of samples")


def _data_chunks(stream: BinaryIO) -> Iterator[tuple[int, int]]:
    """Start and length in bytes of a WAV file's ``data`` chunk.

    Nothing where the length is unknown: such a file goes on to its end.
    """
    head = stream.read(12)
    order = ">" if head[:4] == b"RIFX" else "<"
    long_size = math.nan
    while len(chunk := stream.read(8)) == 8:
        name, length = struct.unpack(f"{order}4sI", chunk)
        start = stream.tell()
        if name == b"ds64":  # RF64 keeps the sizes that do not fit 32 bits here
            sizes = stream.read(16)
            long_size = struct.unpack("<8xQ", sizes)[0] if len(sizes) == 16 else math.nan
        if name == b"data":
            use_long = length == 0xFFFFFFFF and not math.isnan(long_size)
            if use_long or length not in _UNKNOWN_LENGTHS or head[:4] == b"RF64":
                yield start, int(long_size) if use_long else length
            return
        stream.seek(start + length + length % 2)


def _check_aiff(path: Path, head: bytes, size: int) -> None:
    (length,) = struct.unpack(">4xI4x", head)
    if 8 + length > size:
        raise _cut(path, size - 8, length, "behind the header")


def _check_ogg(path: Path, stream: BinaryIO, size: int) -> None:
    """Goes from page to page: one stream, whole pages, and the last one says that it is."""
    start, serials, flags = 0, set(), 0
    while start < size:
        stream.seek(start)
        header = stream.read(27)
        if len(header) < 27 or header[:4] != b"OggS":
            got = f"something else at byte {start} of {size}"
            raise refusal(path, "Ogg pages up to the end", got, _CUT)
        lengths = stream.read(header[26])
        end = start + 27 + header[26] + sum(lengths)
        if len(lengths) < header[26] or end > size:
            raise _cut(path, size - start, end - start, "of the last page")
        flags = header[5]
        serials.add(header[14:18])
        if len(serials) > 1 or (start and flags & _OGG_FIRST):
            fix = "write each to a file of its own"
            raise refusal(path, "an Ogg file of one stream", "several", fix)
        start = end
    if not flags & _OGG_LAST:
        fix = (
            "it is cut short, or was never finished: ffmpeg -i IT -c copy whole.ogg keeps the rest"
        )
        raise refusal(path, "an Ogg file with its last page", "one that ends before", fix)


def _check_mp3(path: Path, stream: BinaryIO, size: int) -> None:
    """Needs the frame with the length, and compares the bytes that it tells with the file's."""
    start = _behind_tags(stream)
    stream.seek(start)
    data = stream.read(_MP3_SEARCHED)
    if data[:4] == b"fLaC":
        return
    frame, tag = _length_frame(data)
    flags = int.from_bytes(data[tag + 4 : tag + 8], "big") if tag >= 0 else 0
    if not flags & _XING_FRAMES:
        fix = "write the length: ffmpeg -i IT -c copy whole.mp3"
        expected = "an MP3 file that tells its length (a Xing or Info header)"
        raise refusal(path, expected, "one of unknown length", fix)
    if flags & _XING_BYTES:
        length = int.from_bytes(data[tag + 12 : tag + 16], "big")
        if start + frame + length > size:
            raise _cut(path, size - start - frame, length, "of sound")


def _behind_tags(stream: BinaryIO) -> int:
    """Where the sound begins: behind the ID3v2 tags, whose sizes have seven bits a byte."""
    start = 0
    while True:
        stream.seek(start)
        head = stream.read(10)
        if len(head) < 10 or head[:3] != b"ID3":
            return start
        footer = 10 if head[5] & 0x10 else 0
        start += 10 + footer + sum((byte & 0x7F) << 7 * (3 - i) for i, byte in enumerate(head[6:]))


def _length_frame(data: bytes) -> tuple[int, int]:
    """Where the first frame and its ``Xing`` or ``Info`` begin; -1 if there is none."""
    for name in (b"Xing", b"Info"):
        tag = data.find(name)
        for before in _XING_AT:
            if tag >= before and _is_frame(data[tag - before :]):
                return tag - before, tag
    return -1, -1


def _is_frame(data: bytes) -> bool:
    """Whether the header of an MPEG audio frame stands there, of layer III."""
    return len(data) > 1 and data[0] == 0xFF and data[1] & 0xE6 == 0xE2


def _cut(path: Path, found: int, told: int, what: str) -> LeafError:
    return refusal(
        path, "a complete file", f"{found} bytes {what} where the header says {told}", _CUT
    )
