"""What an analysis finds: the content of ``analysis.json``. All times are in seconds from the start of the file."""

from __future__ import annotations

from functools import partial
from typing import Annotated, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict, Field

Confidence = Annotated[float, AfterValidator(partial(round, ndigits=3))]
"""From 0 (a guess) to 1 (sure)."""
Seconds = Annotated[float, AfterValidator(partial(round, ndigits=4))]
"""From the start of the file, to a tenth of a millisecond."""
Figure = Annotated[float, AfterValidator(partial(round, ndigits=2))]
"""In the unit that it is told with; what is measured is never more exact."""

NO_CHORD = "N"


class Part(BaseModel):
    """A value; frozen."""

    model_config = ConfigDict(frozen=True)


class Tempo(Part):
    """How fast it goes, over the whole file."""

    bpm: Figure | None = Field(description="Quarter notes a minute, the median over the beats; null without a beat")
    confidence: Confidence = Field(description="0 to 1")
    slowest_bpm: Figure | None = Field(description="The least, over four beats in a row")
    fastest_bpm: Figure | None = Field(description="The most, over four beats in a row")
    beats_per_bar: int | None = Field(description="3 or 4; null where no bars were found")


class Beat(Part):
    """One beat."""

    time_seconds: Seconds
    position: int = Field(description="In its bar, from 1, which is the downbeat; 0 where no bars were found")


class KeySpan(Part):
    """A stretch in one key."""

    start_seconds: Seconds
    end_seconds: Seconds
    tonic: str = Field(description="A letter, # or b if need be")
    mode: Literal["major", "minor"]
    confidence: Confidence


class KeyFound(Part):
    """The key of the whole file: null where nothing is in one."""

    tonic: str | None
    mode: Literal["major", "minor"] | None
    confidence: Confidence
    spans: tuple[KeySpan, ...] = Field(description="The keys in the order in which the music goes through them")


class Tuning(Part):
    """Where A4 is."""

    reference_hz: Figure = Field(description="The frequency of A4; 440 where no pitch was found")
    offset_cents: Figure = Field(description="From 440 Hz, -50 to 50")
    confidence: Confidence


class ChordSpan(Part):
    """A stretch with one chord. The stretches follow each other without a gap, from 0 to the end of the file."""

    start_seconds: Seconds
    end_seconds: Seconds
    label: str = Field(description="In Harte's notation: C:maj, F#:min7, N for none")
    symbol: str = Field(description="As players write it: C, F#m7, N for none")
    confidence: Confidence


class Section(Part):
    """A part of the form; parts with the same label sound alike. They follow each other without a gap."""

    start_seconds: Seconds
    end_seconds: Seconds
    label: str = Field(description="A, B, C … in the order in which they are first heard")
    confidence: Confidence


class LoudnessFound(Part):
    """As EBU R 128 measures it; null for silence, and the range for less than 3 s."""

    integrated_lufs: Figure | None = Field(description="LUFS, over the whole file, gated")
    range_lu: Figure | None = Field(description="LU: how far the soft passages lie below the loud ones (EBU Tech 3342)")
    true_peak_dbtp: Figure | None = Field(description="dBTP")


class SpectralFeature(Part):
    """A property of the sound, measured in short frames of the downmix that are not silent."""

    unit: str
    mean: float
    standard_deviation: float
    tenth_percentile: float
    ninetieth_percentile: float


class Analysis(Part):
    """Everything."""

    version: Literal["1"] = "1"
    duration_seconds: float
    sample_rate: int = Field(description="Hz, of the file")
    channels: int
    tempo: Tempo
    beats: tuple[Beat, ...]
    key: KeyFound
    tuning: Tuning
    chords: tuple[ChordSpan, ...]
    sections: tuple[Section, ...]
    loudness: LoudnessFound
    spectral_features: dict[str, SpectralFeature] = Field(
        description="spectral_centroid, spectral_bandwidth, spectral_rolloff, spectral_flatness, spectral_contrast, "
        "zero_crossing_rate, rms_level"
    )
