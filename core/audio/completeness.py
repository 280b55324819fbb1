"""What a file's own structure says of its length, read before any decoder sees it.

ffmpeg shrugs at a file that was cut off, and believes tables that were made to exhaust it. So the sizes that WAV, OGG
and MP4 state are held against the size of the file here. Sources: EBU Tech 3306 (RF64), RFC 3533 (Ogg), ISO/IEC
14496-12 (MP4's boxes).
"""

from __future__ import annotations

import os
import struct
from collections import Counter
from collections.abc import Iterator
from typing import IO

from core.errors import DamagedAudio, UnsupportedAudio

_UNKNOWN_SIZE = 2**32 - 1
_MOST_CHUNKS = 1000
_MOST_BOXES = 200_000
_LARGEST_OGG_PAGE_BYTES = 27 + 255 + 255 * 255
_LARGEST_INDEX_BYTES = 32 * 2**20  # 10 hours of AAC have an index of about 8 MiB
_MOST_EDITS = 4
_MOST_PACKETS = 4_000_000  # 25 hours of AAC at 44.1 kHz; ffmpeg takes at least 24 bytes for each
_DEEPEST_BOX = 10  # as in ffmpeg

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

_PARENTS = (
    b"moov", b"trak", b"edts", b"mdia", b"minf", b"stbl", b"moof", b"traf",
    b"mvex", b"udta", b"meta", b"wave", b"tapt", b"sinf", b"schi", b"dinf",
)  # fmt: skip
"""Boxes of boxes: those of audio, and others that ffmpeg looks into."""
_TABLES = (b"stsz", b"stz2", b"trun", b"stts", b"ctts", b"stsc", b"elst")


def check_mp4(file: IO[bytes], size_bytes: int) -> int:
    """Hold the boxes against the size of the file, and the number of packets that the tables claim.

    Every packet takes at least a byte, so no honest tables have more of them than the file has bytes. (The standard
    calls a packet a sample.)

    Returns:
        The ticks a second of the movie's clock, to which edit lists are rounded.

    Raises:
        DamagedAudio: the samples or the index reach beyond the end, there is no index, or it claims what cannot be.
    """
    ticks_per_second = None
    tables = _Tables(min(size_bytes, _MOST_PACKETS))
    for name, start, end in _top_level_boxes(file, size_bytes):
        if name in (b"mdat", b"moov", b"moof") and end > size_bytes:
            raise DamagedAudio(f"the {name.decode()} box ends at byte {end:,}, the file at {size_bytes:,}")
        if name in _PARENTS or name in _TABLES:
            if end - start > _LARGEST_INDEX_BYTES:
                raise DamagedAudio(f"an index of {end - start:,} bytes is larger than any audio needs")
            content = _read_at(file, start, end - start)
            tables.add(name, content)
            ticks_per_second = _movie_ticks_per_second(content) if name == b"moov" else ticks_per_second
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


def _movie_ticks_per_second(index: bytes) -> int:
    header = next((box for name, box in _boxes(index) if name == b"mvhd"), b"")
    start = 20 if header[:1] == b"\1" else 12
    return int.from_bytes(header[start : start + 4], "big")


class _Tables:
    """Adds up what the tables claim that ffmpeg would lay out in memory, packet by packet."""

    def __init__(self, most_packets: int) -> None:
        self._most_packets = most_packets
        self._claimed: Counter[bytes] = Counter()

    def add(self, name: bytes, content: bytes, depth: int = 0) -> None:
        """Look into a box, and those within."""
        if depth > _DEEPEST_BOX:
            raise DamagedAudio(f"boxes within boxes, more than {_DEEPEST_BOX} deep")
        if name in _TABLES:
            self._claimed[name] += _packets_claimed(name, content)
            if self._claimed[name] > self._most_packets:
                raise DamagedAudio(f"the {name.decode()} tables claim more packets than the file can hold")
        elif name in _PARENTS:
            children = list(_boxes(content[4:] if name == b"meta" else content))
            for child, within in children:
                self.add(child, within, depth + 1)
            self._add_chunks(dict(children))

    def _add_chunks(self, boxes: dict[bytes, bytes]) -> None:
        offsets = boxes.get(b"stco") or boxes.get(b"co64") or b""
        chunks = int.from_bytes(offsets[4:8], "big")
        self._claimed[b"stsc"] += _packets_in_chunks(boxes.get(b"stsc", b"")[8:], chunks)
        if self._claimed[b"stsc"] > self._most_packets:
            raise DamagedAudio("the stsc tables claim more packets than the file can hold")


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


def _packets_claimed(name: bytes, box: bytes) -> int:
    if name in (b"stsz", b"stz2"):
        return int.from_bytes(box[8:12], "big")
    if name == b"trun":
        return int.from_bytes(box[4:8], "big")
    if name in (b"stts", b"ctts"):
        return sum(count for count, _ in _entries(">II", box[8:]))
    if name == b"elst" and int.from_bytes(box[4:8], "big") > _MOST_EDITS:
        raise DamagedAudio(f"an edit list of more than {_MOST_EDITS} entries")
    return 0


def _packets_in_chunks(table: bytes, chunks: int) -> int:
    """Runs of chunks that hold equally many packets: the first chunk (1-based), packets a chunk, and a description."""
    runs = [(first, packets) for first, packets, _ in _entries(">III", table)]
    ends = [first for first, _ in runs[1:]] + [chunks + 1]
    return sum(max(0, end - first) * packets for (first, packets), end in zip(runs, ends, strict=True)) if runs else 0


def _entries(layout: str, table: bytes) -> Iterator[tuple[int, ...]]:
    return struct.iter_unpack(layout, table[: len(table) - len(table) % struct.calcsize(layout)])


def _read_at(file: IO[bytes], offset: int, size_bytes: int) -> bytes:
    file.seek(offset, os.SEEK_SET)
    return file.read(size_bytes)
