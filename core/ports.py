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
