"""A small engine of notes with weights: a real one in everything but its sound."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import numpy as np

from core.engines.registry import EngineRegistry
from core.ports import EngineInfo, ModelInfo, NoteRequest, Take
from core.settings import Settings
from core.storage.memory import MemoryBlobs

TOY_NOTES = EngineInfo(
    name="toy_notes",
    version="1",
    tasks=("sound",),
    hardware="cpu",
    licence="MIT",
    models=(
        ModelInfo(
            name="small", loader="numpy", sample_rate=32000, channels=1, longest_seconds=20, stems=(),
            commercial_use=False, weights="toys/small", weights_licence="CC-BY-NC-4.0",
        ),
    ),
)  # fmt: skip


class ToyNotes:
    """Engine and renderer in one. What it makes, and what happens meanwhile, can be changed.

    Attributes:
        rendered: the notes of each run.
        before_note, after_note: called with the number of notes of this run.
    """

    def __init__(self) -> None:
        self.info = TOY_NOTES
        self.sample_rate = 32000
        self.channels = 1
        self.weights: str | None = "5" * 64
        self.compute: str | None = "float32 on cpu"
        self.rendered: list[list[NoteRequest]] = []
        self.before_note: Callable[[int], None] = lambda notes: None
        self.after_note: Callable[[int], None] = lambda notes: None

    @contextmanager
    def load(self, model: str | None, wait: Callable[[], None]) -> Iterator[ToyNotes]:
        yield self

    def loaded(self) -> dict[str, str | None]:
        return {}

    def render(self, notes: Sequence[NoteRequest], step: Callable[[float], None]) -> Iterator[Take]:
        """Decaying tones of three partials; the seed draws their phase."""
        self.rendered.append(list(notes))
        for index, note in enumerate(notes):
            self.before_note(index)
            yield Take(index, self._play(note), tries=2, correction_cents=-3.5)
            self.after_note(index + 1)
            step((index + 1) / len(notes))

    def _play(self, note: NoteRequest) -> Any:
        time = np.arange(round(note.duration_seconds * self.sample_rate)) / self.sample_rate
        phase = np.random.default_rng(note.seed).uniform(0, 6)
        hz = note.sounding_hz or 50.0
        tone = sum(np.sin(2 * np.pi * n * hz * time + phase) / n for n in (1, 2, 3))
        return (0.3 * note.velocity * tone * np.exp(-2 * time))[np.newaxis].astype(np.float32)


class ToyNoteEngines:
    """The real engines, and the toy."""

    def __init__(self, toy: ToyNotes | None = None) -> None:
        self.toy = toy or ToyNotes()
        self._real = EngineRegistry(Settings.read({}), MemoryBlobs())

    def __getattr__(self, name: str) -> Any:
        return getattr(self._real, name)

    def catalogue(self) -> list[EngineInfo]:
        return [*self._real.catalogue(), self.toy.info]

    def notes(self, name: str) -> Any:
        return self.toy if name == TOY_NOTES.name else self._real.notes(name)
