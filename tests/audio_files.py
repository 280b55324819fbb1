"""Real files of every format, made in memory for the tests."""

from __future__ import annotations

import io
from collections.abc import Callable
from fractions import Fraction

import av
import numpy as np
import soundfile
from numpy.typing import NDArray

Audio = NDArray[np.float32]
"""``[C, T]``."""
Encode = Callable[[Audio, int], bytes]
"""From samples and a sample rate to a file."""


def music(seconds: float = 1.0, sample_rate: int = 44100, channels: int = 2, seed: int = 0) -> Audio:
    """Two tones and a little noise, different in each channel, within ±0.5."""
    frames = round(seconds * sample_rate)
    time = np.arange(frames) / sample_rate
    noise = np.random.default_rng(seed).uniform(-0.1, 0.1, (channels, frames))
    tones = [0.2 * np.sin(2 * np.pi * f * time) + 0.15 * np.sin(2 * np.pi * 3.1 * f * time) for f in (220, 330)]
    return (noise + np.stack(tones)[:channels]).astype(np.float32)


def by_soundfile(major: str, subtype: str) -> Encode:
    """Encode with libsndfile."""

    def encode(audio: Audio, sample_rate: int) -> bytes:
        file = io.BytesIO()
        with soundfile.SoundFile(file, "w", sample_rate, audio.shape[0], format=major, subtype=subtype) as writer:
            for start in range(0, audio.shape[1], 65536):  # libsndfile's Vorbis encoder crashes on larger pieces
                writer.write(audio[:, start : start + 65536].T)
        return file.getvalue()

    return encode


def by_libav(
    muxer: str,
    codec: str,
    sample_format: str = "fltp",
    options: dict[str, str] | None = None,
    metadata: dict[str, str] | None = None,
    cover: bool = False,
) -> Encode:
    """Encode with ffmpeg's libraries, with tags and a cover picture if wanted."""

    def encode(audio: Audio, sample_rate: int) -> bytes:
        file = io.BytesIO()
        layout = "mono" if audio.shape[0] == 1 else "stereo"
        with av.open(file, "w", format=muxer, options=options or {}) as output:
            output.metadata.update(metadata or {})
            stream = output.add_stream(codec, rate=sample_rate, layout=layout, format=sample_format)
            picture = output.add_stream("mjpeg", width=64, height=64, pix_fmt="yuvj420p") if cover else None
            if picture is not None:
                picture.disposition = av.stream.Disposition.attached_pic
                image = av.VideoFrame.from_ndarray(np.full((64, 64, 3), 128, np.uint8))
                packets = [*picture.encode(image), *picture.encode(None)]
                output.mux(packets)
            resampler = av.AudioResampler(sample_format, layout, sample_rate)
            for start in range(0, audio.shape[1], 4096):
                block = np.ascontiguousarray(audio[:, start : start + 4096])
                frame = av.AudioFrame.from_ndarray(block, format="fltp", layout=layout)
                frame.sample_rate, frame.pts, frame.time_base = sample_rate, start, Fraction(1, sample_rate)
                for converted in resampler.resample(frame):
                    output.mux(stream.encode(converted))
            output.mux(stream.encode(None))
        return file.getvalue()

    return encode


EXACT_MOVIE_CLOCK = {"movie_timescale": "192000"}
TAGS = {"title": "Ein Lied", "artist": "Niemand"}

LOSSLESS: dict[str, Encode] = {
    "wav8": by_soundfile("WAV", "PCM_U8"),
    "wav16": by_soundfile("WAV", "PCM_16"),
    "wav24": by_soundfile("WAV", "PCM_24"),
    "wav32": by_soundfile("WAV", "PCM_32"),
    "wav_float": by_soundfile("WAV", "FLOAT"),
    "wav_double": by_soundfile("WAV", "DOUBLE"),
    "rf64": by_soundfile("RF64", "PCM_24"),
    "wav_extensible": by_soundfile("WAVEX", "PCM_24"),
    "flac16": by_soundfile("FLAC", "PCM_16"),
    "flac24": by_soundfile("FLAC", "PCM_24"),
    "alac": by_libav("ipod", "alac", "s16p"),
    "ogg_flac": by_libav("ogg", "flac", "s16"),
}
LOSSY: dict[str, Encode] = {
    "mp3": by_soundfile("MP3", "MPEG_LAYER_III"),
    "mp3_tagged": by_libav("mp3", "libmp3lame", metadata=TAGS, cover=True),
    "m4a": by_libav("ipod", "aac", metadata=TAGS),
    "m4a_cover": by_libav("mp4", "aac", metadata=TAGS, cover=True),
    "vorbis": by_soundfile("OGG", "VORBIS"),
    "opus": by_soundfile("OGG", "OPUS"),
}
INEXACT: dict[str, Encode] = {
    "mp3_untagged": by_libav("mp3", "libmp3lame", options={"write_xing": "0", "id3v2_version": "0"}),
    "aac": by_libav("adts", "aac"),
}
"""These do not say how long they are: what the encoder put around the music stays."""

EVERY_KIND = {**LOSSLESS, **LOSSY, **INEXACT}
STEP = {"wav8": 2**-7, "wav16": 2**-15, "flac16": 2**-15, "alac": 2**-15, "ogg_flac": 2**-15, "wav32": 2**-24}
"""The step of an integer format; of any other here it is 2⁻²³ or finer."""


def extension_of(kind: str) -> str:
    """The extension that a file of this kind has."""
    families = {"wav": ".wav", "rf64": ".wav", "flac": ".flac", "mp3": ".mp3", "m4a": ".m4a", "alac": ".m4a"}
    others = {"vorbis": ".ogg", "ogg_flac": ".oga", "opus": ".opus", "aac": ".aac"}
    if kind in others:
        return others[kind]
    return next(extension for family, extension in families.items() if kind.startswith(family))


def sample_rate_of(kind: str) -> int:
    """A sample rate that the kind can have: 44,100 Hz, or Opus' 48,000."""
    return 48000 if kind == "opus" else 44100


class StagedFile(io.RawIOBase):
    """As strict as a file that is uploaded in blocks: never read, appended to, written over in its head alone."""

    HEAD_BYTES = 4 * 2**20

    def __init__(self) -> None:
        super().__init__()
        self.content = bytearray()
        self._position = 0

    def write(self, piece: bytes) -> int:  # type: ignore[override] - io's own signature takes any buffer
        piece = bytes(piece)
        end = self._position + len(piece)
        if self._position != len(self.content) and end > min(len(self.content), self.HEAD_BYTES):
            raise io.UnsupportedOperation(f"writing {len(piece)} bytes at {self._position} of {len(self.content)}")
        self.content[self._position : end] = piece
        self._position = end
        return len(piece)

    def seek(self, offset: int, whence: int = 0) -> int:
        target = offset + {0: 0, 1: self._position, 2: len(self.content)}[whence]
        if target != len(self.content) and target > self.HEAD_BYTES:
            raise io.UnsupportedOperation(f"seeking to {target} of {len(self.content)}")
        self._position = target
        return target

    def tell(self) -> int:
        return self._position

    def read(self, size: int = -1) -> bytes:
        raise io.UnsupportedOperation("read")
