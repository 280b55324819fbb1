"""A sound: one note that was made, and everything that is known of it."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from pydantic import Field

from core.jobs.model import Model
from core.theory.techniques import Articulation

SAMPLES = "samples"
"""The container of the sounds' files."""

SAMPLE_RATE = 44100
CHANNELS = 2
"""Of every file: what the first sound bank's clients know."""

LONGEST_SHIFT_SEMITONES = 12
"""How far a sound may be shifted to make another. An octave halves or doubles what a body's resonances, the pick's
noise and the decay have in Hz and seconds: farther away, a guitar is another instrument."""


class Pitch(Model):
    """How high a sound was asked to be, and is.

    Attributes:
        note: the nearest note's name; ``None`` for a dead note, which has no pitch, as all that follows.
        frequency_hz: what was asked for: where the note comes to rest.
        measured_hz: of its fundamental, as the file has it; ``None`` if none was found.
        deviation_cents: of the measured from the asked.
    """

    note: str | None = None
    frequency_hz: float | None = None
    measured_hz: float | None = None
    deviation_cents: float | None = None


class SoundMaker(Model):
    """What made a sound; ``weights_sha256`` in hexadecimal, ``None`` without weights."""

    engine: str
    version: str
    model: str
    weights_sha256: str | None = None
    compute: str | None = None
    licence: str
    weights_licence: str | None = None


class Derivation(Model):
    """The sound that another one was made from, and by how much it was shifted."""

    sample_id: str
    shift_semitones: float


class Sample(Model):
    """A sound in the bank.

    Attributes:
        job_id: the job that made it.
        tuning: a name, or the notes as they are written.
        open_pitch: the MIDI number of the open string.
        technique: as it was asked; ``articulation``: its details, settled.
        effects: what was applied, in order.
        fingerprint: of what was asked, of engine and weights: equal ones need not be made twice.
        family: the fingerprint of everything but string, fret and effects; others of it can be made of a plain one.
        tries: how often it was played until its pitch was right; ``correction_cents``: by how much it was corrected.
        peak_dbfs: of the largest sample; ``None`` for silence.
        loudness_lufs: ITU-R BS.1770-4; ``None`` if too short or too quiet to tell.
        etag: the version in storage that this was read from; not part of the document.
    """

    sample_id: str
    job_id: str
    instrument: str
    tuning: str | tuple[str, ...]
    string: int
    fret: int
    open_pitch: int
    velocity: float
    technique: tuple[str, ...]
    articulation: Articulation = Articulation()
    style_prompt: str = ""
    effects: tuple[dict[str, Any], ...] = ()
    duration_seconds: float
    tags: tuple[str, ...] = ()
    random_seed: int
    made_by: SoundMaker
    fingerprint: str
    family: str
    pitch: Pitch = Pitch()
    tries: int = 1
    correction_cents: float = 0.0
    peak_dbfs: float | None = None
    loudness_lufs: float | None = None
    file_size_bytes: int
    sample_rate: int
    channels: int
    sha256: str
    derived_from: Derivation | None = None
    created_at: datetime
    expires_at: datetime | None = None
    etag: str = Field(default="", exclude=True)

    @property
    def blob(self) -> str:
        """The name of its file in the container ``samples``."""
        return f"{self.sample_id}.wav"

    def kept_until(self, moment: datetime | None) -> bool:
        """Whether it is kept until then at least; ``None`` is for ever."""
        return self.expires_at is None or (moment is not None and self.expires_at >= moment)
