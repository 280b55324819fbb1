"""What was asked of one note, settled: everything that decides how it sounds, and the fingerprints of that."""

from __future__ import annotations

import hashlib
import json
import math
import unicodedata
from typing import Any

from core.jobs.model import Model
from core.ports import NoteRequest
from core.theory.techniques import Articulation, canonical, sounding_hz

_SEEDS = 2**53


class Ask(Model):
    """One note, with everything that was left open filled in.

    Attributes:
        open_pitch: the MIDI number of the open string.
        articulation: a settled one.
        effects: as plain JSON, with their defaults.
        random_seed: as it was asked; ``None`` if any would do.
        model: the engine's name for it.
    """

    instrument: str
    tuning: str | tuple[str, ...]
    string: int
    fret: int
    open_pitch: int
    velocity: float
    technique: tuple[str, ...]
    articulation: Articulation
    style_prompt: str
    duration_seconds: float
    effects: tuple[dict[str, Any], ...] = ()
    random_seed: int | None = None
    engine: str
    version: str
    model: str

    @property
    def pitch(self) -> int:
        """The MIDI number of the fretted note."""
        return self.open_pitch + self.fret

    @property
    def frequency_hz(self) -> float | None:
        """Where the note comes to rest; ``None`` for a dead note."""
        return sounding_hz(self.open_pitch, self.fret, self.technique, self.articulation.bend_semitones or 0.0)

    def fingerprint(self, weights: str | None, derived: bool = False) -> str:
        """The same for two notes that sound the same: made by the same version, with weights of the same SHA-256.

        The tuning counts only by what it makes of the string. A derived sound is another than one that was played.
        """
        facts = self._facts(weights) | {"string": self.string, "fret": self.fret, "open_pitch": self.open_pitch}
        return _digest(facts | {"effects": self.effects, "derived": derived})

    def family(self, weights: str | None) -> str:
        """The same for notes that differ in string, fret and effects alone: one can be shifted to another's pitch."""
        facts = self._facts(weights)
        start = facts["articulation"].pop("from_fret")
        return _digest(facts | {"from_frets_away": None if start is None else start - self.fret})

    def seed(self) -> int:
        """The seed of a take that may be any: drawn from what is asked, so that it is the same everywhere."""
        return self.random_seed if self.random_seed is not None else int(self.fingerprint(None)[:16], 16) % _SEEDS

    def note(self, seed: int) -> NoteRequest:
        """What the engine is asked for."""
        return NoteRequest(
            instrument=self.instrument,
            string=self.string,
            fret=self.fret,
            open_pitch=self.open_pitch,
            velocity=self.velocity,
            techniques=canonical(self.technique),
            articulation=self.articulation,
            duration_seconds=self.duration_seconds,
            style=self.style_prompt,
            seed=seed,
        )

    def _facts(self, weights: str | None) -> dict[str, Any]:
        """What counts beyond the place on the fretboard and the effects."""
        alike = {"instrument", "velocity", "duration_seconds", "random_seed", "engine", "version", "model"}
        return self.model_dump(mode="json", include=alike) | {
            "technique": canonical(self.technique),
            "articulation": self.articulation.model_dump(),
            "style_prompt": " ".join(unicodedata.normalize("NFKC", self.style_prompt).casefold().split()),
            "weights": weights,
        }


def shift_semitones(target_hz: float | None, source_hz: float | None, frets: int) -> float:
    """How far a sound must be shifted to another's pitch; by the frets between them, if they have none."""
    if target_hz is None or source_hz is None:
        return float(frets)
    return 12 * math.log2(target_hz / source_hz)


def _digest(facts: dict[str, Any]) -> str:
    return hashlib.sha256(json.dumps(facts, sort_keys=True, separators=(",", ":")).encode()).hexdigest()
