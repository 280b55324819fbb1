"""Packets out of an Ogg stream that arrives in pieces cut anywhere (RFC 3533).

Pages are read as they come: a packet is handed on when its last byte is there, and no page is ever held back whole.
That leaves no use for the checksum at a page's head; what a page's bytes should not be, the decoder refuses.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

MOST_PACKET_BYTES = 6 * 1024
"""Opus at 510 kb/s has 3,825 bytes in 60 ms, its longest frame; the tables of libvorbis have about 4,000."""

_CAPTURE = b"OggS"
_HEADER_BYTES = 27
_SIGNATURE_BYTES = 8
_CONTINUED, _FIRST = 1, 2
_FULL_SEGMENT = 255


class OggPackets:
    """The packets of the first stream whose first packet begins with one of ``signatures``.

    Streams beside it are passed over. One that begins after it (files in a chain) takes its place.
    """

    def __init__(self, signatures: tuple[bytes, ...]) -> None:
        self._signatures = signatures
        self._buffer, self._at = b"", 0
        self._serial = b""
        self._begins = False  # the next packet is its stream's first
        self._under_way = False  # all first pages have come
        self._skip = 0  # bytes of a page that is passed over
        self._segments = b""  # the lengths of those that are still to come of this page
        self._packet = b""
        self._lost = False  # the packet is too long, or its beginning is missing

    def packets(self, content: bytes) -> Iterator[tuple[bool, bytes]]:
        """Yield whether a packet is the first of its stream, and the packet; those that are too long are left out."""
        self._buffer, self._at = self._buffer[self._at :] + content, 0
        while self._skipped() and (self._segments or self._next_page()):
            if not self._segments:
                continue
            length = self._segments[0]
            if len(self._buffer) - self._at < length:
                return
            self._grow(self._buffer[self._at : self._at + length])
            self._at, self._segments = self._at + length, self._segments[1:]
            if length < _FULL_SEGMENT:
                yield from self._ended()

    def state(self) -> dict[str, Any]:
        """What it needs to go on elsewhere: little more than a packet."""
        flags = [self._begins, self._under_way, self._lost, self._skip]
        parts = [self._buffer[self._at :], self._serial, self._segments, self._packet]
        return {"flags": flags, "parts": parts}

    def restore(self, state: dict[str, Any]) -> None:
        """Go on where ``state`` was asked for."""
        self._begins, self._under_way, self._lost, self._skip = state["flags"]
        self._buffer, self._serial, self._segments, self._packet = (bytes(part) for part in state["parts"])
        self._at = 0

    def _skipped(self) -> bool:
        step = min(self._skip, len(self._buffer) - self._at)
        self._at, self._skip = self._at + step, self._skip - step
        return not self._skip

    def _next_page(self) -> bool:
        """Read the next page's header, looking for it if it is not here; ``False`` if it is not all there yet."""
        start = self._buffer.find(_CAPTURE, self._at)
        if start < 0:
            self._at = max(self._at, len(self._buffer) - len(_CAPTURE) + 1)
            return False
        self._at = start
        header = self._buffer[start : start + _HEADER_BYTES]
        body = start + _HEADER_BYTES + (header[-1] if len(header) == _HEADER_BYTES else 0)
        segments = self._buffer[start + _HEADER_BYTES : body]
        if len(self._buffer) < body + min(sum(segments), _SIGNATURE_BYTES) or len(header) < _HEADER_BYTES:
            return False
        self._open(header, segments, self._buffer[body : body + _SIGNATURE_BYTES])
        self._at = body
        return True

    def _open(self, header: bytes, segments: bytes, head: bytes) -> None:
        flags, serial = header[5], header[14:18]
        if not flags & _FIRST:
            self._under_way = True
        elif head.startswith(self._signatures) and (self._under_way or not self._serial):
            self._serial, self._begins, self._under_way = serial, True, False
        if serial != self._serial:
            self._skip = sum(segments)
            return
        self._segments = segments
        self._lost = bool(flags & _CONTINUED) and (self._lost or not self._packet)
        if not flags & _CONTINUED:
            self._packet = b""

    def _grow(self, segment: bytes) -> None:
        self._lost = self._lost or len(self._packet) + len(segment) > MOST_PACKET_BYTES
        self._packet = b"" if self._lost else self._packet + segment

    def _ended(self) -> Iterator[tuple[bool, bytes]]:
        packet, lost, begins = self._packet, self._lost, self._begins
        self._packet, self._lost, self._begins = b"", False, False
        if packet and not lost:
            yield begins, packet
