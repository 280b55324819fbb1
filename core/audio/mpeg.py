"""The frame headers of MPEG audio, read far enough to recognise a file and to learn how long it says it is.

Sources: ISO/IEC 11172-3 §2.4.1.3 and 13818-3 (MP3), ISO/IEC 13818-7 §6.2 (ADTS), id3.org's ID3v2.4 §3.1, and the
"Mp3 Info Tag rev 1" that LAME writes.
"""

from __future__ import annotations

import struct
from collections.abc import Callable
from dataclasses import dataclass

_BITRATES_KBPS = {
    True: (0, 32, 40, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320),
    False: (0, 8, 16, 24, 32, 40, 48, 56, 64, 80, 96, 112, 128, 144, 160),
}
"""Of layer III: MPEG-1, and MPEG-2 and 2.5. Index 0, a rate of the encoder's own ("free format"), is not taken."""
_MPEG1_RATES = (44100, 48000, 32000)
_RATE_DIVIDERS = {3: 1, 2: 2, 0: 4}  # the version's bits: MPEG-1, 2 and 2.5
ADTS_RATES = (96000, 88200, 64000, 48000, 44100, 32000, 24000, 22050, 16000, 12000, 11025, 8000, 7350)

_INFO_TAG_BYTES = 120  # "Xing", flags, frames, bytes, a table of contents of 100 bytes, quality
_GAPS_OFFSET = _INFO_TAG_BYTES + 21
_HAS_FRAMES = 1


@dataclass(frozen=True)
class FrameHeader:
    """One frame: how many bytes it takes, its header included, and how many samples a channel it holds."""

    sample_rate: int
    channels: int
    size_bytes: int
    samples: int


@dataclass(frozen=True)
class Mp3Length:
    """How many frames of MPEG audio follow the tag, and how many samples a channel of music they hold."""

    packets: int
    samples: int


HeaderParser = Callable[[bytes, int], FrameHeader | None]


def mp3_header(data: bytes, offset: int = 0) -> FrameHeader | None:
    """The MPEG-1, 2 or 2.5 layer III header at ``offset``, or ``None`` if there is none."""
    if offset + 4 > len(data):
        return None
    (bits,) = struct.unpack_from(">I", data, offset)
    version, layer = bits >> 19 & 3, bits >> 17 & 3
    bitrate, rate = bits >> 12 & 15, bits >> 10 & 3
    if bits >> 21 != 0x7FF or version == 1 or layer != 1 or bitrate in (0, 15) or rate == 3:
        return None
    sample_rate = _MPEG1_RATES[rate] // _RATE_DIVIDERS[version]
    samples = 1152 if version == 3 else 576
    size = samples // 8 * 1000 * _BITRATES_KBPS[version == 3][bitrate] // sample_rate + (bits >> 9 & 1)
    return FrameHeader(sample_rate, 1 if bits >> 6 & 3 == 3 else 2, size, samples)


def adts_header(data: bytes, offset: int = 0) -> FrameHeader | None:
    """The header of AAC's transport stream at ``offset``, or ``None`` if there is none."""
    if offset + 7 > len(data):
        return None
    bits = int.from_bytes(data[offset : offset + 7], "big")
    rate, size = bits >> 34 & 15, bits >> 13 & 0x1FFF
    if bits >> 44 != 0xFFF or bits >> 41 & 3 or rate >= len(ADTS_RATES) or size < 7:
        return None
    return FrameHeader(ADTS_RATES[rate], bits >> 30 & 7, size, 1024 * ((bits & 3) + 1))


def frames_follow(data: bytes, offset: int, parse: HeaderParser, count: int = 3) -> bool:
    """Whether ``count`` frames of one sample rate follow each other, or as many as ``data`` reaches to (1 at least)."""
    first = header = parse(data, offset)
    for _ in range(count - 1):
        if first is None or header is None:
            break
        offset += header.size_bytes
        if offset + 7 > len(data):
            return True
        header = parse(data, offset)
        if header is not None and header.sample_rate != first.sample_rate:
            return False
    return header is not None


def id3v2_size_bytes(head: bytes) -> int:
    """How many bytes the ID3v2 tag at the start takes, header and footer included; 0 if there is none."""
    if len(head) < 10 or head[:3] != b"ID3" or any(byte & 0x80 for byte in head[6:10]):
        return 0
    size = head[6] << 21 | head[7] << 14 | head[8] << 7 | head[9]
    return size + (20 if head[5] & 0x10 else 10)


def announced_mp3_length(head: bytes) -> Mp3Length | None:
    """What the Xing or Info tag in the first frame promises, the encoder's delay and padding taken off.

    ``None`` if there is no such tag. ``head`` starts at the first frame.
    """
    header = mp3_header(head)
    if header is None:
        return None
    mpeg1 = header.samples == 1152
    side_information = (17 if mpeg1 else 9) if header.channels == 1 else (32 if mpeg1 else 17)
    tag = head[4 + side_information : header.size_bytes]
    if tag[:4] not in (b"Xing", b"Info") or len(tag) < 12 or not tag[7] & _HAS_FRAMES:
        return None
    packets = int.from_bytes(tag[8:12], "big")
    gaps = 0
    if len(tag) >= _GAPS_OFFSET + 3 and tag[_INFO_TAG_BYTES]:
        gaps = int.from_bytes(tag[_GAPS_OFFSET : _GAPS_OFFSET + 3], "big")
    return Mp3Length(packets, max(0, packets * header.samples - (gaps >> 12) - (gaps & 0xFFF)))
