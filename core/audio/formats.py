"""Which files are taken in and which are made. Light to import: the HTTP app describes its requests with it."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import Annotated, Literal, get_args

from pydantic import BeforeValidator

from core.audio.mpeg import ADTS_RATES, adts_header, frames_follow, id3v2_size_bytes, mp3_header

LOWEST_SAMPLE_RATE, HIGHEST_SAMPLE_RATE = 8_000, 192_000
"""Hz, of what is taken in and of what is made."""

# What is taken in

Container = Literal["wav", "flac", "mp3", "mp4", "aac", "ogg"]
CONTAINERS: tuple[Container, ...] = get_args(Container)

EXTENSIONS: dict[Container, tuple[str, ...]] = {
    "wav": (".wav", ".wave", ".bwf", ".rf64"),
    "flac": (".flac",),
    "mp3": (".mp3",),
    "mp4": (".m4a", ".mp4", ".m4b"),
    "aac": (".aac", ".adts"),
    "ogg": (".ogg", ".oga", ".opus"),
}

HEAD_BYTES = 32 * 1024
"""Enough for ``sniff`` to see three of the largest frames of MP3 and of AAC."""
_JUNK_BYTES = 4096  # what some taggers leave between their tag and the first frame


def sniff(head: bytes) -> Container | None:
    """The container that a file's first bytes (best ``HEAD_BYTES``) belong to, or ``None``.

    An ID3v2 tag is skipped. If it is longer than ``head`` nothing can be said, and ``None`` comes back: call again
    with the bytes from ``id3v2_size_bytes(head)`` on.
    """
    rest = head[id3v2_size_bytes(head) :]
    if rest[:4] in (b"RIFF", b"RF64", b"BW64") and rest[8:12] == b"WAVE":
        return "wav"
    if rest[:4] == b"fLaC":
        return "flac"
    if rest[:4] == b"OggS":
        return "ogg"
    if rest[4:8] == b"ftyp":
        return "mp4"
    return _sniff_mpeg(rest)


def _sniff_mpeg(head: bytes) -> Container | None:
    """MP3 and ADTS have no magic number, only a header before every frame: look for several in a row."""
    offset = head.find(0xFF)
    while 0 <= offset < _JUNK_BYTES:
        if frames_follow(head, offset, mp3_header):
            return "mp3"
        if frames_follow(head, offset, adts_header):
            return "aac"
        offset = head.find(0xFF, offset + 1)
    return None


def container_of_name(filename: str | None) -> Container | None:
    """The container that a file's extension stands for; ``None`` if it has none or an unknown one."""
    extension = PurePosixPath(filename or "").suffix.lower()
    return next((container for container, known in EXTENSIONS.items() if extension in known), None)


# What is made

OutputFormat = Literal["wav16", "wav24", "wav_float", "flac", "mp3", "ogg", "m4a"]


def _full_name(value: object) -> object:
    return "wav16" if value == "wav" else value


NamedFormat = Annotated[OutputFormat, BeforeValidator(_full_name)]
"""A format as clients name it: plain ``wav`` is the one of 16 bits."""


@dataclass(frozen=True)
class FormatInfo:
    """A format that stems are delivered in.

    Attributes:
        extension: with its dot.
        content_type: the media type.
        sample_rates: Hz, ascending; ``None`` for any from 8,000 to 192,000.
        clips: whether samples beyond ±1 are cut off.
        lossy: whether the samples come back only roughly.
    """

    extension: str
    content_type: str
    sample_rates: tuple[int, ...] | None
    clips: bool
    lossy: bool

    def holds(self, sample_rate: int) -> bool:
        """Whether a file of this format can have this sample rate."""
        if self.sample_rates is None:
            return LOWEST_SAMPLE_RATE <= sample_rate <= HIGHEST_SAMPLE_RATE
        return sample_rate in self.sample_rates


_MP3_RATES = (8000, 11025, 12000, 16000, 22050, 24000, 32000, 44100, 48000)
_AAC_RATES = tuple(sorted(rate for rate in ADTS_RATES if rate >= LOWEST_SAMPLE_RATE))

OUTPUT_FORMATS: dict[OutputFormat, FormatInfo] = {
    "wav16": FormatInfo(".wav", "audio/wav", None, clips=True, lossy=False),
    "wav24": FormatInfo(".wav", "audio/wav", None, clips=True, lossy=False),
    "wav_float": FormatInfo(".wav", "audio/wav", None, clips=False, lossy=False),
    "flac": FormatInfo(".flac", "audio/flac", None, clips=True, lossy=False),
    "mp3": FormatInfo(".mp3", "audio/mpeg", _MP3_RATES, clips=True, lossy=True),
    "ogg": FormatInfo(".ogg", "audio/ogg", None, clips=True, lossy=True),
    "m4a": FormatInfo(".m4a", "audio/mp4", _AAC_RATES, clips=True, lossy=True),
}
