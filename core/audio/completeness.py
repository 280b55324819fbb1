"""What a file's own structure says of its length, read before any decoder sees it.

ffmpeg shrugs at a file that was cut off, and believes tables that were made to exhaust it. So the sizes that WAV, OGG
and MP4 state are held against the size of the file here. Sources: EBU Tech 3306 (RF64), RFC 3533 (Ogg), ISO/IEC
14496-12 (MP4's boxes).
"""

from __future__ import annotations

import os
import struct
from collections.abc import Iterator
from typing import IO

from core.errors import DamagedAudio, UnsupportedAudio

_UNKNOWN_SIZE = 2**32 - 1
_MOST_CHUNKS = 1000
_MOST_BOXES = 200_000
_LARGEST_OGG_PAGE_BYTES = 27 + 255 + 255 * 255
_LARGEST_INDEX_BYTES = 64 * 2**20  # 10 hours of AAC have an index of about 8 MiB
_MOST_EDITS = 16

# WAV


def check_wav(file: IO[bytes], size_bytes: int) -> None:
    """Hold the size of the ``data`` chunk against that of the file.

    A size of 0 at the very end of the header, or of 2³² − 1, is what a program writes that cannot seek back: then
    the samples go on to the end of the file.

    Raises:
        DamagedAudio: samples are missing, or there is no ``data`` chunk.
    """
    long_size = None
    offset = 12
    for _ in range(_MOST_CHUNKS):
        name, size = struct.unpack("<4sI", _read_at(file, offset, 8).ljust(8, b"\0"))
        offset += 8
        if name == b"ds64":
            (long_size,) = struct.unpack("<8xQ", _read_at(file, offset, 16).ljust(16, b"\0"))
        elif name == b"data":
            known = size != _UNKNOWN_SIZE
            stated = size if known else long_size
            if stated is not None and offset + stated > size_bytes:
                raise DamagedAudio(
                    f"the header announces {stated:,} bytes of samples, the file has {max(0, size_bytes - offset):,}"
                )
            return
        offset += size + size % 2
        if offset >= size_bytes:
            break
    raise DamagedAudio("a WAV file needs a data chunk, this one has none before it ends")


# OGG


def check_ogg(file: IO[bytes], size_bytes: int) -> None:
    """Look for the page that closes the stream.

    Raises:
        DamagedAudio: the last page is cut off, or does not close the stream.
        UnsupportedAudio: it closes another stream than the first: several files in a chain.
    """
    tail_start = max(0, size_bytes - _LARGEST_OGG_PAGE_BYTES)
    tail = _read_at(file, tail_start, _LARGEST_OGG_PAGE_BYTES)
    last = tail.rfind(b"OggS")
    if last < 0 or len(tail) - last < _ogg_page_bytes(tail[last:]):
        raise DamagedAudio("the file ends in the middle of an Ogg page")
    if not tail[last + 5] & 4:
        raise DamagedAudio("the file ends before the page that closes its stream")
    if tail[last + 14 : last + 18] not in _ogg_streams(file):
        raise UnsupportedAudio("several Ogg files in a chain are not taken, one at a time is")


def _ogg_page_bytes(page: bytes) -> int:
    """The size of the page that starts here, as its segment table says; at least its header's."""
    if len(page) < 27:
        return 27
    segments = page[26]
    return 27 + segments + sum(page[27 : 27 + segments])


def _ogg_streams(file: IO[bytes]) -> set[bytes]:
    """The serial numbers of the streams that the first pages open."""
    head = _read_at(file, 0, 2 * _LARGEST_OGG_PAGE_BYTES)
    serials = set()
    while head[:4] == b"OggS" and len(head) >= 27 and head[5] & 2:
        serials.add(head[14:18])
        head = head[_ogg_page_bytes(head) :]
    return serials


# MP4

_PARENTS = (b"moov", b"trak", b"edts", b"mdia", b"minf", b"stbl", b"moof", b"traf")


def check_mp4(file: IO[bytes], size_bytes: int) -> int:
    """Hold the boxes against the size of the file, and the number of samples that the tables claim.

    Every sample takes at least a byte, so no honest table has more of them than the file has bytes.

    Returns:
        The ticks a second of the movie's clock, to which edit lists are rounded.

    Raises:
        DamagedAudio: the samples or the index reach beyond the end, the index is missing, or a table claims what cannot be.
    """
    ticks_per_second = None
    for name, start, end in _top_level_boxes(file, size_bytes):
        if name in (b"mdat", b"moov", b"moof") and end > size_bytes:
            raise DamagedAudio(f"the {_printable(name)} box ends at byte {end:,}, the file at {size_bytes:,}")
        if name in (b"moov", b"moof"):
            if end - start > _LARGEST_INDEX_BYTES:
                raise DamagedAudio(f"an index of {end - start:,} bytes is larger than any audio needs")
            index = _read_at(file, start, end - start)
            _check_tables(index, size_bytes)
            ticks_per_second = _movie_ticks_per_second(index) if name == b"moov" else ticks_per_second
    if not ticks_per_second:
        raise DamagedAudio("an MP4 file needs an index (a moov box), this one has none before it ends")
    return ticks_per_second


def _top_level_boxes(file: IO[bytes], size_bytes: int) -> Iterator[tuple[bytes, int, int]]:
    """Name, and where the content of each box starts and ends."""
    offset = 0
    for _ in range(_MOST_BOXES):
        head = _read_at(file, offset, 16)
        if len(head) < 8:
            return
        size, name = struct.unpack_from(">I4s", head)
        content = 8
        if size == 1 and len(head) == 16:
            (size,) = struct.unpack_from(">Q", head, 8)
            content = 16
        elif size == 0:
            size = size_bytes - offset
        if size < content:
            return  # no box: junk after the last one
        yield name, offset + content, offset + size
        offset += size
    raise DamagedAudio(f"more than {_MOST_BOXES:,} boxes")


def _printable(name: bytes) -> str:
    return name.decode() if name.isalnum() else repr(name)


def _movie_ticks_per_second(index: bytes) -> int:
    header = next((box for name, box in _boxes(index) if name == b"mvhd"), b"")
    start = 20 if header[:1] == b"\1" else 12
    return int.from_bytes(header[start : start + 4], "big")


def _check_tables(content: bytes, most_samples: int) -> None:
    """Look into every table of a ``moov`` or ``moof`` that ffmpeg would lay out in memory, sample by sample."""
    chunks, samples_of_chunks = 0, b""
    for name, box in _boxes(content):
        if name in _PARENTS:
            _check_tables(box, most_samples)
        elif name in (b"stco", b"co64"):
            chunks = int.from_bytes(box[4:8], "big")
        elif name == b"stsc":
            samples_of_chunks = box[8:]
        elif _samples_claimed(name, box) > most_samples:
            raise DamagedAudio(f"the {_printable(name)} table claims more samples than the file has bytes")
        elif name == b"elst" and int.from_bytes(box[4:8], "big") > _MOST_EDITS:
            raise DamagedAudio(f"an edit list of more than {_MOST_EDITS} entries")
    if _samples_in_chunks(samples_of_chunks, chunks) > most_samples:
        raise DamagedAudio("the stsc table claims more samples than the file has bytes")


def _boxes(content: bytes) -> Iterator[tuple[bytes, bytes]]:
    offset = 0
    while offset + 8 <= len(content):
        size, name = struct.unpack_from(">I4s", content, offset)
        head = 8
        if size == 1 and offset + 16 <= len(content):
            (size,) = struct.unpack_from(">Q", content, offset + 8)
            head = 16
        end = offset + size if size >= head else len(content)
        yield name, content[offset + head : end]
        offset = end


def _samples_claimed(name: bytes, box: bytes) -> int:
    if name in (b"stsz", b"stz2"):
        return int.from_bytes(box[8:12], "big")
    if name == b"trun":
        return int.from_bytes(box[4:8], "big")
    if name in (b"stts", b"ctts"):
        return sum(count for count, _ in _entries(">II", box[8:]))
    return 0


def _samples_in_chunks(table: bytes, chunks: int) -> int:
    """Runs of chunks that hold equally many samples: the first chunk (1-based), samples a chunk, and a description."""
    runs = [(first, samples) for first, samples, _ in _entries(">III", table)]
    ends = [first for first, _ in runs[1:]] + [chunks + 1]
    return sum(max(0, end - first) * samples for (first, samples), end in zip(runs, ends, strict=True)) if runs else 0


def _entries(layout: str, table: bytes) -> Iterator[tuple[int, ...]]:
    return struct.iter_unpack(layout, table[: len(table) - len(table) % struct.calcsize(layout)])


def _read_at(file: IO[bytes], offset: int, size_bytes: int) -> bytes:
    file.seek(offset, os.SEEK_SET)
    return file.read(size_bytes)
