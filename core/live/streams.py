"""Which kind of stream bytes begin, told by the bytes, and by what the client says where they tell nothing."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Protocol

from core.errors import UnsupportedAudio
from core.live.messages import Form
from core.live.packet_stream import PacketStream
from core.live.sampling import Mono
from core.live.wav_stream import Samples, WavStream
from core.live.webm_packets import EBML

DEFAULT_RATE = 44_100
_TAKEN = "WAV, Ogg or WebM with Opus or Vorbis, and 16-bit PCM with its sample_rate are"
_NOT_TAKEN = {b"fLaC": "FLAC", b"ID3": "MP3"}
_MP4, _MP4_PLACE = b"ftyp", 4
_HEAD_BYTES = 12  # of RIFF, the longest


class Stream(Protocol):
    """Audio that arrives in pieces cut anywhere."""

    @property
    def sample_rate(self) -> int:
        """Hz; to be asked once there are samples."""

    def blocks(self, content: bytes) -> Iterator[Mono]:
        """The mean of the channels, ``[T]``, of what the next bytes complete. Raises ``AudioError``."""

    def state(self) -> dict[str, Any]:
        """What it needs to go on elsewhere, with its ``kind``."""


class Refused:
    """A stream that is not taken: every piece is answered so, until another begins."""

    sample_rate = DEFAULT_RATE

    def __init__(self, detail: str) -> None:
        self._detail = detail

    def blocks(self, content: bytes) -> Iterator[Mono]:
        """Raises ``UnsupportedAudio``."""
        raise UnsupportedAudio(self._detail)

    def state(self) -> dict[str, Any]:
        """What it needs to go on elsewhere."""
        return {"kind": "refused", "detail": self._detail}


def begun_by(head: bytes, anything: bool) -> Stream | None:
    """The stream whose first bytes these are; ``None`` if they are of no container.

    ``anything`` looks for those as well whose marks are so short that samples might look like them.
    """
    if head[:4] in (b"RIFF", b"RF64", b"BW64") and head[8:12] == b"WAVE":
        return WavStream()
    if head[:5] == b"OggS\0" and head[5:6] and head[5] & 2:  # a page that begins a stream
        return PacketStream("ogg")
    if not anything:
        return None
    if head.startswith(EBML):
        return PacketStream("webm")
    known = next((name for magic, name in _NOT_TAKEN.items() if head.startswith(magic)), None)
    known = "MP4" if head[_MP4_PLACE : _MP4_PLACE + len(_MP4)] == _MP4 else known
    return Refused(f"{known} is not taken; {_TAKEN}") if known else None


def may_begin(head: bytes) -> bool:
    """Whether these few bytes could be the beginning of a container's first ones."""
    if len(head) >= _HEAD_BYTES:
        return False
    return any(magic.startswith(head[:4]) for magic in (b"RIFF", b"RF64", b"BW64", b"OggS", EBML, *_NOT_TAKEN))


def stated_by(form: Form) -> Stream:
    """The stream of bytes that begin no container."""
    if form.format in ("wav", "ogg"):
        return Refused(f"the format is said to be {form.format}, but its first bytes are not those of one")
    return Samples(form.sample_rate or DEFAULT_RATE, form.channels or 1)


def restored(state: dict[str, Any]) -> Stream:
    """The stream whose ``state`` it was."""
    match state["kind"]:
        case "samples":
            return Samples.restored(state)
        case "wav":
            return WavStream.restored(state)
        case "ogg" | "webm":
            return PacketStream.restored(state)
        case _:
            return Refused(state["detail"])
