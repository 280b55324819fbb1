"""What a benchmark of a whole job needs: storage that holds one long song, and somebody who hears of the progress."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Iterator
from functools import cache
from pathlib import Path
from typing import Any

from bench.spectral import LOOP_SECONDS, LoopedMixture
from core.audio.wav import wav_header, wav_samples, wav_size_bytes
from core.files.source import Source
from core.jobs.model import Output

SAMPLE_RATE = 44100


@cache
def band() -> LoopedMixture:
    """Half a minute of a band, made once."""
    return LoopedMixture(2, LOOP_SECONDS)


class LoopedBlobs:
    """Storage that holds one WAV file, a band that goes round and round; what is written lies on disk."""

    def __init__(self, duration_seconds: float) -> None:
        self._loop = b"".join(wav_samples(block, "pcm16") for block in band().blocks())
        self._frames = round(duration_seconds * SAMPLE_RATE)
        self._header = wav_header(self._frames, SAMPLE_RATE, 2)
        self.source = Source(
            container="inbox",
            name="song.wav",
            etag="1",
            filename="song.wav",
            size_bytes=wav_size_bytes(self._frames, 2),
        )
        self._folder = tempfile.TemporaryDirectory()
        self._committed: dict[str, list[str]] = {}

    def read_range(self, container: str, name: str, offset: int, size_bytes: int, etag: str) -> bytes:
        end = min(offset + size_bytes, self.source.size_bytes)
        head = self._header[offset:end]
        start = max(offset - len(self._header), 0) % len(self._loop)
        wanted = end - offset - len(head)
        rounds = -(-(start + wanted) // len(self._loop))
        return head + (self._loop * rounds)[start : start + wanted]

    def url(self, container: str, name: str) -> str:
        return f"https://test/{container}/{name}"

    def stage(self, container: str, name: str, block_id: str, content: bytes) -> None:
        self._block(name, block_id).write_bytes(content)

    def write(self, container: str, name: str, chunks: Callable[[], Iterator[bytes]], **facts: Any) -> None:
        return None

    def commit(self, container: str, name: str, block_ids: list[str], **facts: Any) -> None:
        self._committed[name] = block_ids

    def read(self, container: str, name: str) -> Iterator[bytes]:
        return (self._block(name, block_id).read_bytes() for block_id in self._committed[name])

    def _block(self, name: str, block_id: str) -> Path:
        return Path(self._folder.name) / f"{name.replace('/', '-')}-{block_id}"


class Listener:
    """Hears of the progress."""

    def report(self, progress: float, stage: str, message: str) -> None:
        return None

    def check(self) -> None:
        return None

    def confirm(self) -> None:
        return None

    def produced(self, output: Output) -> None:
        return None

    def measured(self, result: dict[str, Any]) -> None:
        return None
