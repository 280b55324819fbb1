"""The decoding of one audio stream: what libav makes of its packets, held against what the file announces."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

import av
import numpy as np
from av.audio.frame import AudioFrame
from av.audio.stream import AudioStream
from av.container import InputContainer
from av.packet import Packet

from core.audio.formats import HIGHEST_SAMPLE_RATE, LOWEST_SAMPLE_RATE, Container
from core.audio.libav import CODECS, WatchedFile
from core.audio.mpeg import Mp3Length, adts_header, mp3_header
from core.errors import DamagedAudio, EmptyAudio, NotAudio, UnsupportedAudio

if TYPE_CHECKING:
    from core.ports import Block

MOST_BROKEN_SHARE = 0.01
"""Of a lossy file's packets: so many may fail to decode, and become silence. Of a lossless one's, none."""

_LOSSY = ("mp3", "mp3float", "aac", "vorbis", "opus")
_MOST_BROKEN_AT_START = 100  # packets: a probe must not read a whole file in search of one that decodes
_LONGEST_PACKET_FRAMES = 8192  # of Vorbis
_TOLERANCE_FRAMES = {
    "mp3": 2 * 1152,  # encoders disagree on whether the tag's own frame counts
    "aac": 4096,  # of a fragmented MP4, ffmpeg counts what the encoder put before the music
}


@dataclass(frozen=True)
class AudioInfo:
    """What a file says it holds.

    Attributes:
        codec: ffmpeg's name of it: ``pcm_s16le``, ``aac``, ``vorbis`` …
        sample_rate: Hz, 8,000 to 192,000.
        channels: 1 or 2.
        duration_seconds: as announced; ``None`` if the file does not say (AAC in ADTS, some MP3 and FLAC).
    """

    container: Container
    codec: str
    sample_rate: int
    channels: int
    duration_seconds: float | None


class StreamDecoder:
    """The first audio stream of an opened file.

    Attributes:
        frames: how many ``pieces`` has yielded.
        sample_rate: Hz, known from the first piece on.
    """

    def __init__(
        self, file: WatchedFile, opened: InputContainer, container: Container, tag: Mp3Length | None, clock: int | None
    ) -> None:
        self.frames = 0
        self.sample_rate = 0
        self._channels = 0
        self._file = file
        self._opened = opened
        self._container = container
        self._tag = tag
        self._clock = clock
        self._stream = _audio_stream(opened, container)
        self._codec = self._stream.codec_context.name
        self._lossy = self._codec in _LOSSY
        self._packets = 0
        self._broken = 0
        self._left_out = 0
        self._cut_off = False

    def info(self) -> AudioInfo:
        """What is announced; of use once the first piece has come."""
        announced = self._announced_frames()
        duration = None if announced is None else announced / self.sample_rate
        return AudioInfo(self._container, self._codec.removesuffix("float"), self.sample_rate, self._channels, duration)

    def pieces(self) -> Iterator[Block]:
        """Yield what each packet holds, ``[C, T]``, without what the encoder added at either end.

        Raises:
            UnsupportedAudio, EmptyAudio, DamagedAudio
        """
        for packet in self._demuxed():
            for piece in self._decoded(packet):
                kept = piece[:, : self._room(packet)]
                self._left_out += piece.shape[1] - kept.shape[1]
                if kept.shape[1]:
                    self.frames += kept.shape[1]
                    yield kept
        self._check_complete()

    def _demuxed(self) -> Iterator[Packet[AudioStream]]:
        try:
            for packet in self._opened.demux(self._stream):
                self._file.check()
                if packet.size:
                    self._packets += 1
                    self._cut_off = self._is_cut_off(packet)
                yield packet
        except av.FFmpegError as error:
            raise DamagedAudio(f"it cannot be read to its end ({error.strerror})") from error
        finally:
            self._file.check()

    def _is_cut_off(self, packet: Packet[AudioStream]) -> bool:
        """Whether an MP3 or ADTS frame is shorter than its header says."""
        if self._container not in ("mp3", "aac"):
            return False
        parse = mp3_header if self._container == "mp3" else adts_header
        header = parse(bytes(packet)[:7], 0)
        return header is not None and packet.size < header.size_bytes

    def _decoded(self, packet: Packet[AudioStream]) -> list[Block]:
        try:
            decoded = self._stream.codec_context.decode(packet)
        except av.FFmpegError as error:
            if not self._lossy:
                raise DamagedAudio(f"{self._place()} does not decode ({error.strerror})") from error
            if self._tag and self._packets > self._tag.packets:
                return []  # lyrics and the like, after the music
            self._broken += 1
            if not self.sample_rate and self._broken > _MOST_BROKEN_AT_START:
                raise DamagedAudio(f"none of its first {_MOST_BROKEN_AT_START} packets decodes") from error
            return [self._silence(packet)]
        if self._codec == "vorbis" and self._packets == 1:
            return []  # the first packet only fills the overlap (Vorbis I §4.3.8), yet ffmpeg makes samples of it
        return [self._samples(frame) for frame in decoded]

    def _samples(self, frame: AudioFrame) -> Block:
        channels = frame.layout.nb_channels
        if not self.sample_rate:
            _check_form(frame.sample_rate, channels)
            self.sample_rate, self._channels = frame.sample_rate, channels
        if (frame.sample_rate, channels) != (self.sample_rate, self._channels):
            raise DamagedAudio(
                f"{self._place()} changes from {self.sample_rate} Hz and {self._channels} channels "
                f"to {frame.sample_rate} Hz and {channels}"
            )
        return _as_float(frame)

    def _silence(self, packet: Packet[AudioStream]) -> Block:
        """In the place of a packet that does not decode, so that what follows stays in time."""
        frames = 0
        if packet.duration and packet.time_base:
            frames = round(packet.duration * packet.time_base * self.sample_rate)
        return np.zeros((self._channels, min(max(frames, 0), _LONGEST_PACKET_FRAMES)), np.float32)

    def _room(self, packet: Packet[AudioStream]) -> int | None:
        """How many frames may follow at most; ``None`` for as many as come.

        ffmpeg cuts Opus itself, and MP3 unless it is very short. Of Vorbis it was told to keep the end, and of MP4 it
        keeps it. MP3 files that were joined go on after what the first one's tag says.
        """
        last = None
        if self._codec == "vorbis" or (self._tag and self._packets <= self._tag.packets):
            last = self._announced_frames()
        elif self._container == "mp4" and packet.pts is not None and packet.duration:
            last = self._last_of_edit(self._in_frames(packet.pts + packet.duration - (self._stream.start_time or 0)))
        return None if last is None else max(0, last - self.frames)

    def _last_of_edit(self, media_frames: int) -> int:
        """Where the edit list ends the music: at the packet's end if they differ by less than the list can say."""
        edit_frames = self._announced_frames()
        if edit_frames is None or media_frames - edit_frames < self._tick_frames():
            return media_frames
        return edit_frames

    def _tick_frames(self) -> int:
        return math.ceil(self.sample_rate / self._clock) if self._clock else 0

    def _announced_frames(self) -> int | None:
        if self._container in ("mp3", "aac"):  # ffmpeg only guesses, by the bit rate
            return self._tag.samples if self._tag else None
        if self._stream.duration is None:
            return None
        frames = self._in_frames(self._stream.duration)
        return frames - _opus_pre_skip(self._stream) if self._codec == "opus" else frames

    def _in_frames(self, ticks: int) -> int:
        return round(ticks * (self._stream.time_base or 0) * self.sample_rate)

    def _place(self) -> str:
        at_seconds = self.frames / self.sample_rate if self.sample_rate else 0
        return f"packet {self._packets:,}, at {at_seconds:.2f} seconds,"

    def _check_complete(self) -> None:
        announced = self._announced_frames()
        if self._broken > MOST_BROKEN_SHARE * self._packets:
            raise DamagedAudio(
                f"{self._broken:,} of {self._packets:,} packets do not decode, at most {MOST_BROKEN_SHARE:.0%} may"
            )
        if announced is not None and self.frames < announced - self._tolerance_frames():
            raise DamagedAudio(f"{self.frames:,} samples a channel, though the header announces {announced:,}")
        if self._cut_off:
            raise DamagedAudio("the file ends in the middle of a frame")
        if self._codec == "vorbis" and self._left_out > 2 * _LONGEST_PACKET_FRAMES:
            raise UnsupportedAudio("several Ogg files in a chain are not taken, one at a time is")
        if not self.frames:
            raise EmptyAudio("it has a header, but no samples")

    def _tolerance_frames(self) -> int:
        return max(self._tick_frames(), _TOLERANCE_FRAMES.get(self._codec.removesuffix("float"), 0))


def _audio_stream(opened: InputContainer, container: Container) -> AudioStream:
    """The first audio stream, its decoder set up and not yet started."""
    if not opened.streams.audio:
        raise NotAudio(f"a {container} file without an audio stream")
    stream = opened.streams.audio[0]
    codec = stream.codec_context
    name = "unknown" if codec is None else codec.name
    if codec is None or name not in CODECS[container]:
        raise UnsupportedAudio(f"{container} with the codec {name}; taken: {', '.join(CODECS[container])}")
    if container == "wav":  # whose header can say what no decoder would start with
        _check_form(codec.sample_rate, codec.channels)
    codec.thread_count = 1
    if name == "vorbis":  # both ends are cut here, as ffmpeg miscounts short files
        codec.options = {"flags2": "skip_manual"}
    elif name not in _LOSSY:  # either right or broken
        codec.options = {"err_detect": "crccheck+explode"}
    return stream


def _check_form(sample_rate: int, channels: int) -> None:
    if channels not in (1, 2):
        raise UnsupportedAudio(f"{channels} channels; mono and stereo are taken")
    if not LOWEST_SAMPLE_RATE <= sample_rate <= HIGHEST_SAMPLE_RATE:
        raise UnsupportedAudio(f"{sample_rate} Hz; 8,000 to 192,000 are taken")


def _opus_pre_skip(stream: AudioStream) -> int:
    """RFC 7845 §5.1: the samples at 48 kHz before the music, two bytes at offset 10 of the header."""
    header = stream.codec_context.extradata or b""
    return int.from_bytes(header[10:12], "little")


_FULL_SCALE = {"u8": 2**7, "s16": 2**15, "s32": 2**31}


def _as_float(frame: AudioFrame) -> Block:
    """float32 ``[C, T]``, integers scaled so that the lowest is −1."""
    samples = frame.to_ndarray()
    if not frame.format.is_planar:
        samples = samples.reshape(-1, frame.layout.nb_channels).T
    kind = frame.format.name.removesuffix("p")
    with np.errstate(over="ignore", invalid="ignore"):  # what becomes infinite or is no number is refused later
        floats = samples.astype(np.float32)
    if kind == "u8":
        floats -= 128
    if kind in _FULL_SCALE:
        floats *= np.float32(1 / _FULL_SCALE[kind])
    return floats
