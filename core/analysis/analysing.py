"""From audio to everything that is heard in it."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np

from core.analysis.harmony.chords import recognise_chords
from core.analysis.harmony.keys import find_key
from core.analysis.harmony.tuning import estimate_tuning
from core.analysis.listening import Heard, Voice, listen
from core.analysis.result import Analysis, Beat, LoudnessFound, Tempo
from core.analysis.rhythm.tracking import Rhythm, track_rhythm
from core.analysis.sections import find_sections


def analyse(voices: Sequence[Voice], report: Callable[[float], None]) -> Analysis:
    """Hear ``voices`` at the same time; ``report`` as for ``listen``. Raises what decoding raises."""
    return conclude(listen(voices, report))


def conclude(heard: Heard) -> Analysis:
    """What the features say, without any more audio."""
    duration_seconds = heard.duration_seconds
    rhythm = track_rhythm(heard.onsets, heard.chroma)
    tuning = estimate_tuning(heard.chroma)
    chords = recognise_chords(heard.chroma, tuning, rhythm.beats, duration_seconds)
    downbeats = rhythm.beats[rhythm.positions == 1]
    return Analysis(
        duration_seconds=round(duration_seconds, 6),
        sample_rate=heard.sample_rate,
        channels=heard.channels,
        tempo=_tempo(rhythm),
        beats=_beats(rhythm, duration_seconds),
        key=find_key(heard.chroma, chords, duration_seconds),
        tuning=tuning,
        chords=chords,
        sections=find_sections(heard.chroma, heard.spectrum, downbeats, duration_seconds),
        loudness=_loudness(heard),
        spectral_features=heard.spectrum.features(),
    )


def _tempo(rhythm: Rhythm) -> Tempo:
    return Tempo(
        bpm=rhythm.tempo_bpm,
        confidence=rhythm.confidence,
        slowest_bpm=rhythm.slowest_bpm,
        fastest_bpm=rhythm.fastest_bpm,
        beats_per_bar=rhythm.beats_per_bar,
    )


def _beats(rhythm: Rhythm, duration_seconds: float) -> tuple[Beat, ...]:
    times = np.clip(rhythm.beats, 0, duration_seconds)
    return tuple(
        Beat(time_seconds=float(time), position=int(position))
        for time, position in zip(times, rhythm.positions, strict=True)
    )


def _loudness(heard: Heard) -> LoudnessFound:
    loudness = heard.loudness
    return LoudnessFound(
        integrated_lufs=loudness.integrated_lufs,
        range_lu=loudness.range_lu,
        true_peak_dbtp=loudness.true_peak_dbtp,
    )
