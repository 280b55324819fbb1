"""From a file to samples: what it holds (``probe``) and the samples themselves (``decode``), block by block.

Files come from strangers. Their container is told by their bytes, never by their name; ffmpeg may run only the
demuxer and the decoders of that container; what a file announces is checked and never trusted with memory.
"""

from __future__ import annotations

import math
import os
from collections.abc import Generator, Iterator
from contextlib import contextmanager
from typing import IO, TYPE_CHECKING

import av
import numpy as np

from core.audio.completeness import check_mp4, check_ogg, check_wav
from core.audio.formats import EXTENSIONS, HEAD_BYTES, Container, container_of_name, sniff
from core.audio.libav import WatchedFile, open_input
from core.audio.mpeg import announced_mp3_length, id3v2_size_bytes
from core.audio.stream import AudioInfo, StreamDecoder
from core.audio.waveform import peak
from core.errors import AudioError, AudioTooLong, DamagedAudio, EmptyAudio, MislabeledAudio, NotAudio

if TYPE_CHECKING:
    from core.ports import Block

BLOCK_SECONDS = 1.0
_MOST_ID3_TAGS = 4


def probe(file: IO[bytes], filename: str | None, longest_seconds: float) -> AudioInfo:
    """Say what ``file`` holds, out of its headers and its first packets.

    Reads the start of the file, and, of OGG and MP4, its end. The extension of ``filename`` is held against the
    content if it is a known one.

    Raises:
        NotAudio, MislabeledAudio, UnsupportedAudio, EmptyAudio, AudioTooLong, DamagedAudio
        Exception: what ``file`` raised, unchanged.
    """
    with _naming(filename), _opened(file, filename) as decoder:
        for _ in decoder.pieces():
            break
        info = decoder.info()
        if info.duration_seconds is not None and info.duration_seconds > longest_seconds:
            raise AudioTooLong(f"{info.duration_seconds:.1f} seconds; at most {longest_seconds:g} are taken")
        return info


def decode(file: IO[bytes], longest_seconds: float, filename: str | None = None) -> Generator[Block, None, None]:
    """Yield the samples in blocks ``[C, T]`` of about a second, finite, full scale ±1 (float files may go beyond).

    The length is exact: what an encoder put before and after the music (LAME's tag, edit lists, Opus' pre-skip) is
    cut off. The same file gives the same samples each time. Memory does not depend on the length. ``filename`` is only
    for messages. In MP3, AAC, Vorbis and Opus, packets that do not decode become silence, up to ``MOST_BROKEN_SHARE``.

    Raises:
        NotAudio, UnsupportedAudio, EmptyAudio: before the first block.
        AudioTooLong: at ``longest_seconds``, whatever the header says.
        DamagedAudio: at the latest after the last block: samples are missing, not finite or do not decode.
        Exception: what ``file`` raised, unchanged.
    """
    with _naming(filename), _opened(file, None) as decoder:
        waiting: list[Block] = []
        frames = 0
        for piece in decoder.pieces():
            waiting.append(piece)
            frames += piece.shape[1]
            if decoder.frames > longest_seconds * decoder.sample_rate:
                raise AudioTooLong(f"it goes on after {longest_seconds:g} seconds, the most that is taken")
            if frames >= BLOCK_SECONDS * decoder.sample_rate:
                yield _joined(waiting)
                waiting, frames = [], 0
        if frames:
            yield _joined(waiting)


def _joined(pieces: list[Block]) -> Block:
    block = np.concatenate(pieces, axis=1)
    if not math.isfinite(peak(block)):
        raise DamagedAudio("samples that are not finite numbers (NaN or infinity)")
    return block


@contextmanager
def _naming(filename: str | None) -> Iterator[None]:
    """Put the file's name before what is wrong with it."""
    try:
        yield
    except AudioError as error:
        raise type(error)(f"{filename or 'the file'}: {error.detail}") from error


@contextmanager
def _opened(file: IO[bytes], filename: str | None) -> Iterator[StreamDecoder]:
    size_bytes = file.seek(0, os.SEEK_END)
    if size_bytes == 0:
        raise EmptyAudio("a file of 0 bytes")
    start, head = _after_id3(file)
    container = sniff(head)
    if container is None:
        raise NotAudio("none of the formats that are taken: wav, flac, mp3, m4a, aac, ogg, opus")
    named = container_of_name(filename)
    if named not in (None, container):
        raise MislabeledAudio(f"it holds {container}, whose extension is {' or '.join(EXTENSIONS[container])}")
    clock = _check_structure(file, container, size_bytes)
    watched = WatchedFile(file, start)
    try:
        opened = open_input(watched, container)
    except av.FFmpegError as error:
        raise DamagedAudio(f"it begins like {container}, but cannot be opened ({error.strerror})") from error
    with opened:
        tag = announced_mp3_length(head) if container == "mp3" else None
        yield StreamDecoder(watched, opened, container, tag, clock)


def _after_id3(file: IO[bytes]) -> tuple[int, bytes]:
    """Where the file goes on after its ID3v2 tags, and the bytes there: ffmpeg never sees the tags."""
    start = 0
    for _ in range(_MOST_ID3_TAGS):
        file.seek(start)
        head = file.read(HEAD_BYTES)
        tag_bytes = id3v2_size_bytes(head)
        if not tag_bytes:
            break
        start += tag_bytes
    return start, head


def _check_structure(file: IO[bytes], container: Container, size_bytes: int) -> int | None:
    """Hold the file's own sizes against each other; returns the clock of an MP4's edit list in ticks a second."""
    match container:
        case "wav":
            check_wav(file, size_bytes)
        case "ogg":
            check_ogg(file, size_bytes)
        case "mp4":
            return check_mp4(file, size_bytes)
    return None
