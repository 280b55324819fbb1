"""Ogg's serial numbers, made steady: libsndfile draws them at random, so that no two files would be alike."""

from __future__ import annotations

import os
import zlib

from core.audio.libav import WatchedFile

_SERIAL = b"stem"
_HEADER_BYTES = 27  # RFC 3533 §6
_REVERSED = bytes(int(f"{byte:08b}"[::-1], 2) for byte in range(256))


class SteadySerial:
    """An append-only file that gives every Ogg page written to it one serial number, and its new checksum."""

    def __init__(self, file: WatchedFile) -> None:
        self._file = file
        self._position = 0
        self._waiting = bytearray()

    def write(self, content: bytes) -> int:
        """Pass on the pages that ``content`` completes."""
        self._position += len(content)
        self._waiting += content
        while (size := _page_bytes(self._waiting)) is not None:
            self._file.write(_with_serial(bytes(self._waiting[:size])))
            del self._waiting[:size]
        return len(content)

    def seek(self, offset: int, whence: int = os.SEEK_SET) -> int:
        """libsndfile asks for the length in this way; it never writes anywhere but at the end."""
        return self._position

    def tell(self) -> int:
        """The number of bytes written."""
        return self._position


def _page_bytes(content: bytearray) -> int | None:
    """The size of the page at the start, or ``None`` if it is not all there."""
    if len(content) < _HEADER_BYTES or len(content) < _HEADER_BYTES + content[26]:
        return None
    body = _HEADER_BYTES + content[26]
    size = body + sum(content[_HEADER_BYTES:body])
    return size if size <= len(content) else None


def _with_serial(page: bytes) -> bytes:
    unchecked = page[:14] + _SERIAL + page[18:22] + bytes(4) + page[26:]
    return unchecked[:22] + _checksum(unchecked).to_bytes(4, "little") + unchecked[26:]


def _checksum(page: bytes) -> int:
    """Ogg's CRC-32 has zlib's polynomial with the bits the other way round, and neither its start nor its end XOR."""
    reflected = zlib.crc32(page.translate(_REVERSED), 0xFFFFFFFF) ^ 0xFFFFFFFF
    return int(f"{reflected:032b}"[::-1], 2)
