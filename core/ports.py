"""What the services need from the outside: engines and storage, as protocols.

Adapters in ``core.storage`` and ``core.engines`` implement these; services see nothing else of them.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Literal, Protocol

if TYPE_CHECKING:  # numpy is not worth its import time in a process that only answers HTTP
    import numpy as np
    from numpy.typing import NDArray

    Block = NDArray[np.float32]
    """A piece of audio: float32, shape ``[C, T]``, full scale ±1."""

Clock = Callable[[], datetime]
"""The time now, in UTC and aware of it. Passed in, so that tests set it."""


# Engines


@dataclass(frozen=True)
class EngineInfo:
    """What a client, the queue and the licence check must know of an engine before it is loaded.

    ``seconds_per_audio_second`` is the rough cost of one stem, for the estimate shown to clients.
    """

    name: str
    version: str
    task: Literal["generation", "separation"]
    hardware: Literal["cpu", "gpu"]
    sample_rate: int
    channels: int
    longest_seconds: float
    licence: str
    weights: str | None
    weights_licence: str | None
    commercial_use: bool
    seconds_per_audio_second: float


@dataclass(frozen=True)
class StemRequest:
    """One stem to generate.

    Attributes:
        stem_type: ``drums``, ``bass``, ``guitar``, ``vocals``, ``piano``, ``synth`` or ``other``.
        duration_seconds: 0.5 to 600.
        tempo_bpm: quarter notes a minute, 30 to 300.
        style: ``rock``, ``pop``, ``jazz``, ``electronic``, ``ballad``; any other text is allowed.
        chords: symbols that ``core.theory.chords.parse_chord`` accepts, one a bar of 4/4, repeated to the end.
        description: the text condition, for engines that take one.
        temperature: 0 to 2; how far a take strays from the plain pattern.
        seed: the same request and seed give the same samples.
    """

    stem_type: str
    duration_seconds: float
    tempo_bpm: float
    style: str
    chords: tuple[str, ...]
    description: str
    temperature: float
    seed: int


class GenerationEngine(Protocol):
    """Makes stems out of nothing but a request."""

    info: EngineInfo

    def render(self, request: StemRequest) -> Iterator[Block]:
        """Yield the stem in blocks ``[C, T]``, in order, ``round(duration_seconds * sample_rate)`` frames in all.

        The caller may stop between any two blocks; the engine holds no more than a few blocks in memory.
        """
        ...


class Engines(Protocol):
    """The engines that this installation knows."""

    def catalogue(self) -> list[EngineInfo]:
        """Every engine, whether it is loaded or not."""
        ...

    def loaded(self) -> set[str]:
        """The names of the engines that this process has loaded."""
        ...

    def gpu_available(self) -> bool:
        """Whether this process could use a GPU."""
        ...

    def generation(self, name: str) -> GenerationEngine:
        """The engine of this name, loaded on its first use and kept. Raises ``EngineUnavailable``."""
        ...


# Storage


@dataclass(frozen=True)
class Row:
    """A row of a table: a JSON document under a key, with the version it was read at."""

    key: str
    document: str
    etag: str


@dataclass(frozen=True)
class Insert:
    """Write a row that must not exist yet."""

    key: str
    document: str


@dataclass(frozen=True)
class Replace:
    """Write a row that must still have this ``etag``; without one, whatever is there."""

    key: str
    document: str
    etag: str | None = None


@dataclass(frozen=True)
class Remove:
    """Delete a row that must still have this ``etag``; without one, whatever is there."""

    key: str
    etag: str | None = None


Change = Insert | Replace | Remove


class Table(Protocol):
    """Rows in partitions, ordered by key."""

    def get(self, partition: str, key: str) -> Row:
        """Read one row. Raises ``RowNotFound``."""
        ...

    def commit(self, partition: str, *changes: Change) -> tuple[str, ...]:
        """Make all changes (at most 100) or none, in one transaction; returns each one's new etag.

        Raises ``RowExists`` (an insert), ``RowChanged`` (an etag that is no longer right) or ``RowNotFound`` (a replace
        or removal of a row that is gone). A removal's etag is the empty string.
        """
        ...

    def scan(self, partition: str, start: str, stop: str, limit: int) -> list[Row]:
        """The first ``limit`` (at most 1,000) rows with ``start <= key < stop``, in the order of their keys."""
        ...


class Queues(Protocol):
    """Work queues: each message is delivered at least once, in no certain order."""

    def send(self, queue: str, body: str, delay_seconds: float = 0) -> None:
        """Put a message that becomes visible after ``delay_seconds`` (at most seven days)."""
        ...

    def count(self, queue: str) -> int:
        """About how many messages there are, the invisible ones included; 0 for a queue that does not exist."""
        ...


@dataclass(frozen=True)
class BlobProperties:
    """What is known of a blob without reading it."""

    name: str
    size_bytes: int
    metadata: dict[str, str]


class Blobs(Protocol):
    """Files in containers."""

    def write(
        self, container: str, name: str, chunks: Callable[[], Iterator[bytes]], *, size_bytes: int,
        content_type: str, metadata: dict[str, str],
    ) -> None:  # fmt: skip
        """Write a blob over whatever is there; it appears whole or not at all.

        ``chunks`` starts the content from its beginning each time it is called; ``size_bytes`` is its exact size.
        """
        ...

    def read(self, container: str, name: str) -> Iterator[bytes]:
        """Yield the blob in pieces of at most 4 MiB. Raises ``BlobNotFound`` before the first."""
        ...

    def properties(self, container: str, name: str) -> BlobProperties | None:
        """Size and metadata, or ``None`` if there is no such blob."""
        ...

    def remove_all(self, container: str, prefix: str) -> int:
        """Delete every blob whose name starts with ``prefix``; returns how many there were."""
        ...

    def url(self, container: str, name: str) -> str:
        """The blob's address, without any right to read it."""
        ...

    def signed_url(self, container: str, name: str, *, expires_at: datetime, filename: str) -> str:
        """An address that anybody may read until ``expires_at``, saved by a browser as ``filename``."""
        ...
