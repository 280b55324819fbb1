"""A small generation engine: a real one in everything but its music, so that tests see what is done with any."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import numpy as np

from core.engines.registry import EngineRegistry
from core.ports import EngineInfo, ModelInfo, Piece, StemRequest
from core.settings import Settings
from core.storage.memory import MemoryBlobs

if TYPE_CHECKING:
    from core.ports import Block

BLOCK_FRAMES = 8000
_STEMS = ("drums", "bass", "guitar", "vocals", "piano", "synth", "other")


def _model(name: str, *options: str) -> ModelInfo:
    return ModelInfo(
        name=name,
        loader="numpy",
        sample_rate=32000,
        channels=1,
        longest_seconds=60,
        stems=_STEMS,
        commercial_use=False,
        options=("prompt", "temperature", "guidance_scale", "top_k", "top_p", "audio_prompt", *options),
        weights=f"toys/{name}",
        weights_licence="CC-BY-NC-4.0",
        seconds_per_audio_second=0.1,
    )


TOY = EngineInfo(
    name="toy",
    version="1",
    tasks=("generation",),
    hardware="gpu",
    licence="MIT",
    models=(_model("small"), _model("melody", "melody", "negative_prompt", "steps")),
)


def samples_of(request: StemRequest, sample_rate: int, channels: int) -> Block:
    """A tone that swells, and noise, ``[C, T]``, both drawn from the stem's name and the seed."""
    digest = hashlib.sha256(f"{request.stem_type}:{request.seed}".encode()).digest()
    rng = np.random.default_rng(list(digest[:8]))
    frames = round(request.duration_seconds * sample_rate)
    tone = np.sin(2 * np.pi * rng.uniform(100, 1000) * np.arange(frames) / sample_rate)
    noise = rng.standard_normal((channels, frames))
    return ((0.1 * tone * np.linspace(0.2, 1, frames)) + 0.01 * noise).astype(np.float32)


class ToyEngine:
    """Engine and renderer in one. What it makes, and what happens meanwhile, can be changed.

    Attributes:
        rendered: the requests of each run.
        after_piece: called with the number of pieces of this run.
        spoil: changes each piece.
    """

    info = TOY

    def __init__(self, sample_rate: int = 32000, channels: int = 1) -> None:
        self.sample_rate = sample_rate
        self.channels = channels
        self.weights: str | None = "5" * 64
        self.compute: str | None = "float32 on cpu"
        self.follows_melody = True
        self.rendered: list[list[StemRequest]] = []
        self.models: list[str | None] = []
        self.after_piece: Callable[[int], None] = lambda pieces: None
        self.spoil: Callable[[Block], Block] = lambda block: block

    @contextmanager
    def load(self, model: str | None, wait: Callable[[], None]) -> Iterator[ToyEngine]:
        self.models.append(model)
        yield self

    def loaded(self) -> dict[str, str | None]:
        return {}

    def render(self, requests: Sequence[StemRequest], step: Callable[[float], None]) -> Iterator[Piece]:
        """The stems side by side: one block of each in turn."""
        self.rendered.append(list(requests))
        stems = [samples_of(request, self.sample_rate, self.channels) for request in requests]
        starts = range(0, stems[0].shape[1], BLOCK_FRAMES)
        pieces = 0
        for start in starts:
            for index, stem in enumerate(stems):
                yield Piece(index, self.spoil(stem[:, start : start + BLOCK_FRAMES]))
                pieces += 1
                self.after_piece(pieces)
                step(pieces / (len(starts) * len(stems)))


class ToyEngines:
    """The real engines, and the toy."""

    def __init__(self, toy: ToyEngine | None = None) -> None:
        self.toy = toy or ToyEngine()
        self._real = EngineRegistry(Settings.read({}), MemoryBlobs())

    def __getattr__(self, name: str) -> Any:
        return getattr(self._real, name)

    def catalogue(self) -> list[EngineInfo]:
        return [*self._real.catalogue(), TOY]

    def generation(self, name: str) -> Any:
        return self.toy if name == TOY.name else self._real.generation(name)
