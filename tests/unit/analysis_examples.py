"""Analyses as they might be found, for the tests of what is made of them."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

import numpy as np

from core.analysis.result import (
    Analysis,
    Beat,
    ChordSpan,
    KeyFound,
    KeySpan,
    LoudnessFound,
    Section,
    SpectralFeature,
    Tempo,
    Tuning,
)

CHORDS = (("C:maj", "C"), ("G:maj", "G"), ("A:min7", "Am7"), ("N", "N"))


def found(
    seconds: float, bpm: float = 120.0, times: Sequence[float] | None = None, first_position: int = 1,
    beats_per_bar: int = 4, sections: int = 4,
) -> Analysis:  # fmt: skip
    """A song with a chord a bar, in time unless its beats are given."""
    if times is None:
        times = np.arange(0, seconds - 1e-9, 60 / bpm).tolist()
    positions = [(first_position - 1 + index) % beats_per_bar + 1 for index in range(len(times))]
    beats = tuple(
        Beat(time_seconds=round(time, 6), position=position) for time, position in zip(times, positions, strict=True)
    )
    downs = [beat.time_seconds for beat in beats if beat.position == 1 and beat.time_seconds > 0]
    bars = list(pairwise([0.0, *downs, seconds]))
    parts = list(pairwise(np.linspace(0, seconds, sections + 1).round(6).tolist()))
    half = round(seconds / 2, 6)
    return nothing_found(seconds).model_copy(
        update={
            "tempo": Tempo(
                bpm=bpm, confidence=0.9, slowest_bpm=bpm - 1, fastest_bpm=bpm + 1, beats_per_bar=beats_per_bar
            ),
            "beats": beats,
            "key": KeyFound(
                tonic="C",
                mode="major",
                confidence=0.8,
                spans=(
                    KeySpan(start_seconds=0, end_seconds=half, tonic="C", mode="major", confidence=0.8),
                    KeySpan(start_seconds=half, end_seconds=seconds, tonic="Eb", mode="minor", confidence=0.7),
                ),
            ),
            "chords": tuple(
                ChordSpan(start_seconds=start, end_seconds=end, label=label, symbol=symbol, confidence=0.9)
                for (start, end), (label, symbol) in zip(bars, CHORDS * len(bars), strict=False)
            ),
            "sections": tuple(
                Section(start_seconds=start, end_seconds=end, label="AB"[index % 2], confidence=0.9)
                for index, (start, end) in enumerate(parts)
            ),
        }
    )


def nothing_found(seconds: float) -> Analysis:
    """Something in which there is no beat, key or chord."""
    return Analysis(
        duration_seconds=seconds,
        sample_rate=44100,
        channels=2,
        tempo=Tempo(bpm=None, confidence=0, slowest_bpm=None, fastest_bpm=None, beats_per_bar=None),
        beats=(),
        key=KeyFound(tonic=None, mode=None, confidence=0, spans=()),
        tuning=Tuning(reference_hz=442.5, offset_cents=9.8, confidence=0.9),
        chords=(ChordSpan(start_seconds=0, end_seconds=seconds, label="N", symbol="N", confidence=0),),
        sections=(Section(start_seconds=0, end_seconds=seconds, label="A", confidence=0),),
        loudness=LoudnessFound(integrated_lufs=-14.2, range_lu=5.1, true_peak_dbtp=-1.0),
        spectral_features={
            "spectral_centroid": SpectralFeature(
                unit="Hz", mean=1800, standard_deviation=300, tenth_percentile=1300, ninetieth_percentile=2300
            )
        },
    )
