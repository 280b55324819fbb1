"""How likely each chord is, frame by frame, and how chords follow each other.

A chord is likelier the smaller the angle between the treble's chroma and the chord's tones (Fujishima 1999, *Realtime
chord recognition of musical sound*), and the more of the bass is on the chord's root (Mauch and Dixon 2010,
*Simultaneous estimation of chords and musical context from audio*, IEEE TASLP 18/6). That one chord lasts matters more
than which chord follows (Cho and Bello 2014, *On the relative importance of individual components of chord recognition
systems*, IEEE/ACM TASLP 22/2): every change is as likely as any other.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from core.analysis.harmony.chroma import Chroma
from core.analysis.harmony.labels import QUALITIES, HeardChord, harte_label, symbol_of
from core.theory.keys import Key

Matrix = NDArray[np.float32]

_QUALITY_ODDS = {"maj": 0.44, "min": 0.26, "7": 0.1, "maj7": 0.05, "min7": 0.08, "sus4": 0.04, "dim": 0.03}
_TREBLE_WEIGHT, _BASS_WEIGHT = 8.0, 2.0
_COMPRESSION = 0.5
_SILENT_ENERGY = 1e-6  # −60 dBFS
_NO_CHORD_BONUS = 0.0
_STAYS = 0.95  # of the frames


class ChordModel:
    """A hidden Markov model of chords; state 0 is no chord.

    Attributes:
        chords: of each state, the first ``None``.
        labels: of each state in Harte's notation, spelled without a key.
    """

    def __init__(self) -> None:
        self.chords: tuple[HeardChord | None, ...] = (
            None,
            *(HeardChord(root, quality) for quality in QUALITIES for root in range(12)),
        )
        self.labels = tuple(harte_label(chord) for chord in self.chords)
        self._templates = _unit(np.stack([_tones(chord) for chord in self.chords]))
        self._roots = np.stack([_bass_tones(chord) for chord in self.chords])
        self._prior = np.array(
            [0.0 if chord is None else np.log(_QUALITY_ODDS[chord.quality.name] / 0.44) for chord in self.chords],
            np.float32,
        )

    def __len__(self) -> int:
        return len(self.chords)

    def log_likelihoods(self, chroma: Chroma, tuning_cents: float = 0.0) -> Matrix:
        """Of the frames under each state, ``[N, states]``, up to a constant of each frame."""
        treble, bass = chroma.semitones(tuning_cents)
        likeness = _unit(treble**_COMPRESSION) @ self._templates.T
        depth = _unit(bass**_COMPRESSION) @ self._roots.T
        scores = _TREBLE_WEIGHT * likeness + _BASS_WEIGHT * depth + 0.3 * self._prior
        scores[chroma.energy < _SILENT_ENERGY, 0] += 10.0
        return np.asarray(scores, np.float32)

    @property
    def log_starts(self) -> Matrix:
        """Of each state in the first frame, ``[states]``."""
        return np.full(len(self), -np.log(len(self)), np.float32)

    def log_transitions(self, stays: float = _STAYS) -> Matrix:
        """From each state to each from one frame to the next, ``[states, states]``."""
        changes = (1 - stays) / (len(self) - 1)
        return np.asarray(np.log(np.where(np.eye(len(self), dtype=bool), stays, changes)), np.float32)

    def label(self, state: int, key: Key | None = None) -> str:
        """Harte's label of a state, spelled as in the key."""
        return harte_label(self.chords[state], key)

    def symbol(self, state: int, key: Key | None = None) -> str:
        """A state's symbol as players write it, spelled as in the key."""
        return symbol_of(self.chords[state], key)


def _tones(chord: HeardChord | None) -> Matrix:
    tones = np.zeros(12, np.float32)
    tones[list(chord.pitch_classes) if chord else slice(None)] = 1
    return tones


def _bass_tones(chord: HeardChord | None) -> Matrix:
    """The root above all, or else another tone of the chord: an inversion."""
    tones = 0.5 * _tones(chord) if chord else np.full(12, 0.3, np.float32)
    if chord:
        tones[chord.root] = 1
    return tones


def _unit(rows: Matrix) -> Matrix:
    return np.asarray(rows / (np.linalg.norm(rows, axis=-1, keepdims=True) + 1e-9), np.float32)
