"""Opus and Vorbis, in Ogg or WebM, that arrive in pieces cut anywhere, as browsers and radio stations send them.

Packets are decoded one by one, with no demuxer and no thread of ffmpeg's. A decoder cannot be written down, but what it
remembers fades: Opus has mostly forgotten its past after 80 ms (RFC 7845 §4.6), Vorbis all of it after one packet. So
the last packets are kept, and a decoder that takes over is fed with them first.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator
from typing import Any, Literal

import av
import numpy as np
from av.audio.codeccontext import AudioCodecContext

from core.errors import AudioTooLong, DamagedAudio, UnsupportedAudio
from core.live.ogg_packets import MOST_PACKET_BYTES, OggPackets
from core.live.sampling import Mono
from core.live.wav_stream import check_form
from core.live.webm_packets import WebmPackets

MOST_SECONDS_AT_ONCE = 60.0
_MOST_PACKETS_AT_ONCE = 24_000  # a minute of Opus' shortest frames, 2.5 ms
_OPUS, _VORBIS = b"OpusHead", b"\x01vorbis"
_TAGS, _COMMENT, _TABLES = b"OpusTags", b"\x03vorbis", b"\x05vorbis"
_NO_COMMENT = _COMMENT + bytes(8) + b"\x01"  # no vendor, no tags, the framing bit (Vorbis I §5.2.1)
_PRE_SKIP = slice(10, 12)
_OPUS_RATE = 48_000
_RUN_IN_PACKETS = {_OPUS: 25, _VORBIS: 1}  # half a second of the usual 20 ms
_RUN_IN_BYTES = 6 * 1024


Wrapper = Literal["ogg", "webm"]


class PacketStream:
    """A stream of Opus or Vorbis, mono or stereo; what else its wrapper carries is passed over."""

    def __init__(self, wrapper: Wrapper) -> None:
        self.sample_rate = _OPUS_RATE
        """Hz."""
        self._wrapper = wrapper
        self._packets = OggPackets((_OPUS, _VORBIS)) if wrapper == "ogg" else WebmPackets()
        self._headers: list[bytes] = []
        self._recent: deque[bytes] = deque()
        self._decoder: AudioCodecContext | None = None

    def blocks(self, content: bytes) -> Iterator[Mono]:
        """The mean of the channels, ``[T]``, a block a packet.

        Raises:
            NotAudio, UnsupportedAudio: what cannot be read, or is not taken; nothing can follow.
            AudioTooLong: after ``MOST_SECONDS_AT_ONCE``, if there is more; it is dropped.
            DamagedAudio: after the last block, if packets did not decode.
        """
        seconds, count, broken, dropped = 0.0, 0, 0, 0
        for begins, packet in self._packets.packets(content):
            count += 1
            if begins or not self._headers:
                self._begin(packet)
            elif seconds > MOST_SECONDS_AT_ONCE or count > _MOST_PACKETS_AT_ONCE:
                dropped += 1
            elif self._is_music(packet):
                block = self._decoded(packet)
                broken += block is None
                if block is not None:
                    seconds += block.size / self.sample_rate
                    yield block
        if dropped:
            raise AudioTooLong(f"a message may hold {MOST_SECONDS_AT_ONCE:g} seconds; the rest of it was dropped")
        if broken:
            raise DamagedAudio(f"{broken} of {count} packets did not decode; the others were heard")

    def state(self) -> dict[str, Any]:
        """What it needs to go on elsewhere."""
        return {
            "kind": self._wrapper,
            "packets": self._packets.state(),
            "headers": self._headers,
            "recent": list(self._recent),
        }

    @classmethod
    def restored(cls, state: dict[str, Any]) -> PacketStream:
        """The stream whose ``state`` it was; its first samples differ a little, see the top of this file."""
        stream = cls(state["kind"])
        stream._packets.restore(state["packets"])
        headers, recent = state["headers"], state["recent"]
        if headers:
            stream._begin(bytes(headers[0]))
            stream._headers = [bytes(header) for header in headers]
        for packet in recent:
            stream._decoded(bytes(packet), running_in=True)
        return stream

    def _begin(self, head: bytes) -> None:
        """A new stream, by its first packet (RFC 7845 §5.1, Vorbis I §4.2.2)."""
        opus = head.startswith(_OPUS)
        if not head.startswith((_OPUS, _VORBIS)) or len(head) < (19 if opus else 30) or (opus and head[18] != 0):
            raise UnsupportedAudio("an Opus or Vorbis stream whose first packet cannot be read")
        self.sample_rate = _OPUS_RATE if opus else int.from_bytes(head[12:16], "little")
        check_form(self.sample_rate, head[9] if opus else head[11])
        self._headers, self._decoder = [head], None
        self._recent.clear()

    def _is_music(self, packet: bytes) -> bool:
        """Keep the one header that matters, Vorbis' tables."""
        if packet.startswith(_TABLES) and len(self._headers) == 1:
            self._headers.append(packet)
        return not packet.startswith((_TAGS, _COMMENT, _TABLES))

    def _decoded(self, packet: bytes, running_in: bool = False) -> Mono | None:
        """The packet's samples ``[T]``, or ``None`` if it does not decode."""
        if self._decoder is None:
            self._decoder = _decoder(self._headers, running_in)
        try:
            frames = self._decoder.decode(av.Packet(packet))
        except av.FFmpegError:
            return None
        self._keep(packet)
        parts = [frame.to_ndarray().mean(axis=0, dtype=np.float32) for frame in frames]
        return np.nan_to_num(np.concatenate(parts)) if parts else np.zeros(0, np.float32)

    def _keep(self, packet: bytes) -> None:
        self._recent.append(packet)
        most = _RUN_IN_PACKETS[_signature(self._headers)]
        while len(self._recent) > most or sum(map(len, self._recent)) > _RUN_IN_BYTES:
            self._recent.popleft()


def _signature(headers: list[bytes]) -> bytes:
    return _OPUS if headers[0].startswith(_OPUS) else _VORBIS


def _decoder(headers: list[bytes], running_in: bool) -> AudioCodecContext:
    """A decoder before its first packet. One that runs in must not cut off an encoder's delay once more."""
    opus = _signature(headers) == _OPUS
    if not opus and len(headers) < 2:
        raise UnsupportedAudio(
            f"a Vorbis stream without its tables, or with more than {MOST_PACKET_BYTES:,} bytes of them"
        )
    decoder = av.CodecContext.create("opus" if opus else "vorbis", "r")
    assert isinstance(decoder, AudioCodecContext)
    decoder.thread_count = 1
    if opus:
        head = bytearray(headers[0])
        if running_in:
            head[_PRE_SKIP] = bytes(2)
        decoder.extradata = bytes(head)
    else:
        decoder.extradata = _laced(headers[0], _NO_COMMENT, headers[1])
    return decoder


def _laced(first: bytes, second: bytes, third: bytes) -> bytes:
    """Three packets as ffmpeg takes them, in Xiph's lacing: how many less one, the lengths, the packets."""
    lengths = b"".join(b"\xff" * (len(part) // 255) + bytes([len(part) % 255]) for part in (first, second))
    return b"\x02" + lengths + first + second + third
