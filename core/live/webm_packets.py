"""Packets out of WebM that arrives in pieces cut anywhere, as Chromium's MediaRecorder makes it (RFC 8794, RFC 9559).

The tree of elements is read as a flat row: what lies inside those that matter follows their heads, and all others are
passed over by their sizes. So it does not matter that a recorder cannot know the sizes of the outer ones.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from core.errors import NotAudio
from core.live.ogg_packets import MOST_PACKET_BYTES

EBML = b"\x1aE\xdf\xa3"

_TRACKS, _TRACK = 0x1654AE6B, 0xAE
_ENTERED = frozenset({0x18538067, _TRACKS, _TRACK, 0x1F43B675, 0xA0})  # with Segment, Cluster, BlockGroup
_NUMBER, _CODEC, _PRIVATE = 0xD7, 0x86, 0x63A2
_BLOCKS = frozenset({0xA3, 0xA1})  # SimpleBlock, Block
_READ = _BLOCKS | {_NUMBER, _CODEC, _PRIVATE}
_CODECS = (b"A_OPUS", b"A_VORBIS")
_LACING = 0x06
_BLOCK_HEAD_BYTES = 3  # behind the track's number: a time, flags
_LONGEST_HEAD_BYTES = 12


class WebmPackets:
    """The packets of the first track of Opus or Vorbis, after the headers that its decoder needs."""

    def __init__(self) -> None:
        self._buffer, self._at = b"", 0
        self._skip = 0  # bytes of an element that is passed over
        self._track: dict[str, Any] = {}  # that is being described
        self._music: int | None = None  # the number of the track that is heard
        self._headers: list[bytes] = []  # that its decoder must get first

    def packets(self, content: bytes) -> Iterator[tuple[bool, bytes]]:
        """Yield whether a packet is the first of its stream, and the packet. Raises ``NotAudio`` if it is no WebM."""
        self._buffer, self._at = self._buffer[self._at :] + content, 0
        while True:
            step = min(self._skip, len(self._buffer) - self._at)
            self._at, self._skip = self._at + step, self._skip - step
            head = None if self._skip else self._head()
            if head is None:
                return
            element, size, body = head
            if element in _READ and size is not None and size <= MOST_PACKET_BYTES:
                if len(self._buffer) < body + size:
                    return
                self._at = body + size
                yield from self._read(element, self._buffer[body : body + size])
            else:
                self._at = body
                self._pass(element, size)

    def state(self) -> dict[str, Any]:
        """What it needs to go on elsewhere: little more than a packet."""
        return {
            "buffer": self._buffer[self._at :], "skip": self._skip, "track": self._track, "music": self._music,
            "headers": self._headers,
        }  # fmt: skip

    def restore(self, state: dict[str, Any]) -> None:
        """Go on where ``state`` was asked for."""
        self._buffer, self._at, self._skip = bytes(state["buffer"]), 0, int(state["skip"])
        self._track, self._music = dict(state["track"]), state["music"]
        self._headers = [bytes(header) for header in state["headers"]]

    def _head(self) -> tuple[int, int | None, int] | None:
        """The next element, its size, ``None`` if it is not known, and where its body begins; ``None`` if cut off."""
        element, after = self._number(self._at, keeps_mark=True)
        size, body = self._number(after) if after else (0, 0)
        if not body:
            if len(self._buffer) - self._at >= _LONGEST_HEAD_BYTES:
                raise NotAudio("it begins like WebM, but goes on otherwise")
            return None
        return element, None if size == (1 << 7 * (body - after)) - 1 else size, body

    def _number(self, place: int, keeps_mark: bool = False) -> tuple[int, int]:
        """A number of variable length, and where it ends: 0 if it is cut off, or none."""
        if place >= len(self._buffer) or not self._buffer[place]:
            return 0, 0
        length = 9 - self._buffer[place].bit_length()
        if place + length > len(self._buffer):
            return 0, 0
        number = int.from_bytes(self._buffer[place : place + length], "big")
        return number if keeps_mark else number & ((1 << 7 * length) - 1), place + length

    def _pass(self, element: int, size: int | None) -> None:
        if element in (_TRACKS, _TRACK):
            self._track = {}
        if element == _TRACKS:
            self._music = None
        if element in _ENTERED:
            return
        if size is None:
            raise NotAudio("a WebM element without an end that is known")
        self._skip = size

    def _read(self, element: int, body: bytes) -> Iterator[tuple[bool, bytes]]:
        if element in _BLOCKS:
            yield from self._block(body)
            return
        if self._music is not None:
            return
        self._track[{_NUMBER: "number", _CODEC: "codec", _PRIVATE: "private"}[element]] = body
        if len(self._track) == 3 and self._track["codec"] in _CODECS:
            self._music = int.from_bytes(self._track["number"], "big")
            self._headers, self._track = _headers(self._track["codec"], self._track["private"]), {}

    def _block(self, body: bytes) -> Iterator[tuple[bool, bytes]]:
        if not body or body[0] & 0x7F != self._music or len(body) < 1 + _BLOCK_HEAD_BYTES:
            return
        begins, headers = True, self._headers
        self._headers = []
        for header in headers:
            yield begins, header
            begins = False
        if not body[_BLOCK_HEAD_BYTES] & _LACING:
            yield False, body[1 + _BLOCK_HEAD_BYTES :]


def _headers(codec: bytes, private: bytes) -> list[bytes]:
    """Opus has one; Vorbis has three, in Xiph's lacing."""
    if codec == b"A_OPUS":
        return [private]
    lengths, place = [], 1
    for _ in range(2):
        end = next((at for at in range(place, len(private)) if private[at] != 0xFF), None)
        if end is None:
            raise NotAudio("a WebM track whose headers cannot be read")
        lengths.append(sum(private[place : end + 1]))
        place = end + 1
    first, second = place + lengths[0], place + sum(lengths)
    return [private[place:first], private[second:]]
