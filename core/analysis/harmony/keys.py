"""The key of a piece, and where it modulates.

A hidden Markov model of the twenty-four keys over the chords that were found. A key explains a chord by how often it
follows the one before in songs of that key (``core.theory.statistics``, all styles alike), and the notes that sound
with it, melody and all, by how often they occur in the key (the profiles of Albrecht and Shanahan 2013, *The use of
large corpora to train a new type of key-finding algorithm*, Music Perception 31/1; the likelihood is Temperley's 2007,
*Music and Probability*, ch. 6, for weights in place of counts). What a loop says again is no news: the n-th time a
change counts 1/n.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from itertools import groupby

import numpy as np
from numpy.typing import NDArray

from core.analysis.harmony.chroma import Chroma, semitone_weights
from core.analysis.harmony.decoding import likeliest_path, posteriors
from core.analysis.harmony.tuning import estimate_tuning
from core.analysis.result import NO_CHORD, ChordSpan, KeyFound, KeySpan
from core.theory.chords import Chord, parse_chord
from core.theory.keys import Key, Mode, key_on
from core.theory.statistics import STYLES, Distribution, Style, chord_model, state_of

Matrix = NDArray[np.float32]

_MODES: tuple[Mode, ...] = ("major", "minor")
_KEYS = tuple(key_on(tonic, mode) for mode in _MODES for tonic in range(12))
_PROFILES = {
    "major": (0.238, 0.006, 0.111, 0.006, 0.137, 0.094, 0.016, 0.214, 0.009, 0.080, 0.008, 0.081),
    "minor": (0.220, 0.006, 0.104, 0.123, 0.019, 0.103, 0.012, 0.214, 0.062, 0.022, 0.061, 0.052),
}
_NOTES_A_SECOND = 0.5  # that say something new
_BEGINNING = 1.3  # how much more than another chord the first one says: it stands at the strongest place
_SECONDS_IN_A_KEY = 120.0
_DOUBT = 0.5  # the corpora are other music than this: so much of the evidence counts for the confidence
_EVEN = np.full(len(_KEYS), 1 / len(_KEYS), np.float32)
_NOTHING_FOUND = KeyFound(tonic=None, mode=None, confidence=0.0, spans=())


@dataclass(frozen=True)
class _Step:
    """A chord that was found, the one before it, and how often this change was heard so far, this time included."""

    start_seconds: float
    seconds: float
    chord: Chord
    before: Chord | None
    time: int


def find_key(chroma: Chroma, chords: Sequence[ChordSpan], duration_seconds: float) -> KeyFound:
    """The key in which the music is longest, and all in which it is, one after the other.

    ``chords`` are those of ``recognise_chords`` for the same music; where they are all ``N`` there is no key. The
    confidence is the mean posterior probability of the key over the whole, times the share that has chords, each as far
    as one is sure of it.
    """
    steps = _steps(chords)
    if not steps:
        return _NOTHING_FOUND
    evidence = (_chord_evidence(steps) + _note_evidence(steps, chroma)) / np.array([[step.time] for step in steps])
    lengths = np.array([step.seconds for step in steps])
    stays = np.exp(-np.maximum(lengths, 0.1) / _SECONDS_IN_A_KEY).astype(np.float32)
    path = likeliest_path(evidence, stays, _EVEN)
    sure = sum(span.confidence * _length(span) for span in chords if span.label != NO_CHORD) / duration_seconds
    chances = posteriors(evidence * np.float32(_DOUBT), stays, _EVEN) * np.float32(min(sure, 1.0))
    main = int(np.bincount(path, lengths).argmax())
    confidence = float(np.average(chances[:, main], weights=lengths))
    spans = _spans(steps, path, chances, duration_seconds)
    return KeyFound(tonic=_KEYS[main].tonic, mode=_KEYS[main].mode, confidence=confidence, spans=spans)


def key_at(found: KeyFound, seconds: float) -> Key | None:
    """The key at a time; ``None`` if there is none."""
    spans = [span for span in found.spans if span.start_seconds <= seconds] or list(found.spans[:1])
    return Key(spans[-1].tonic, spans[-1].mode) if spans else None


def _steps(chords: Sequence[ChordSpan]) -> list[_Step]:
    steps: list[_Step] = []
    times: Counter[tuple[str, str]] = Counter()
    before: Chord | None = None
    for span in chords:
        if span.label != NO_CHORD and _length(span) > 0:
            chord = parse_chord(span.symbol)
            change = (before.symbol if before else "", chord.symbol)
            times[change] += 1
            steps.append(_Step(span.start_seconds, _length(span), chord, before, times[change]))
            before = chord
    return steps


def _length(span: ChordSpan) -> float:
    return span.end_seconds - span.start_seconds


def _chord_evidence(steps: Sequence[_Step]) -> Matrix:
    """How likely each chord is after the one before, in each key: logarithms ``[K, 24]``."""
    return np.stack([_log_chances(step.chord, step.before) for step in steps])


@lru_cache(maxsize=4096)
def _log_chances(chord: Chord, before: Chord | None) -> Matrix:
    chances = [np.mean([_chance(chord, before, key, style) for style in STYLES]) for key in _KEYS]
    return np.log(np.array(chances, np.float32)) * np.float32(1.0 if before else _BEGINNING)


def _chance(chord: Chord, before: Chord | None, key: Key, style: Style) -> float:
    state, model = state_of(chord, key, style), chord_model(style, key.mode)
    if before is None:
        return model.starts[state]
    earlier = state_of(before, key, style)
    return model.frequencies[state] if earlier == state else _after(style, key.mode, earlier)[state]


@lru_cache(maxsize=1024)
def _after(style: Style, mode: Mode, state: str) -> Distribution:
    return chord_model(style, mode).after(state)


def _note_evidence(steps: Sequence[_Step], chroma: Chroma) -> Matrix:
    """How likely the notes that sound with each chord are, in each key: logarithms ``[K, 24]``."""
    edges = np.array([[step.start_seconds, step.start_seconds + step.seconds] for step in steps])
    frames = np.round(edges * chroma.frame_rate).astype(int) - chroma.first_frame
    treble = np.stack([chroma.treble[max(first, 0) : max(last, 0)].sum(axis=0) for first, last in frames])
    sounding = treble @ semitone_weights(estimate_tuning(chroma).offset_cents)
    shares = sounding / np.maximum(sounding.sum(axis=1, keepdims=True), 1e-9)
    lengths = np.array([[step.seconds] for step in steps])
    return np.asarray(_NOTES_A_SECOND * lengths * shares @ _log_profiles().T, np.float32)


@lru_cache(maxsize=1)
def _log_profiles() -> Matrix:
    profiles = np.stack([np.roll(_PROFILES[key.mode], key.pitch_class) for key in _KEYS])
    return np.asarray(np.log(profiles), np.float32)


def _spans(
    steps: Sequence[_Step], path: NDArray[np.intp], chances: Matrix, duration_seconds: float
) -> tuple[KeySpan, ...]:
    runs = [list(run) for _, run in groupby(range(len(steps)), key=lambda step: path[step])]
    starts = [0.0, *(steps[run[0]].start_seconds for run in runs[1:]), duration_seconds]
    return tuple(
        KeySpan(
            start_seconds=starts[index],
            end_seconds=starts[index + 1],
            tonic=_KEYS[path[run[0]]].tonic,
            mode=_KEYS[path[run[0]]].mode,
            confidence=float(chances[run, path[run[0]]].mean()),
        )
        for index, run in enumerate(runs)
    )
