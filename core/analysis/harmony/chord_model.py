"""How likely each chord is, frame by frame, and how chords follow each other.

A chord is likelier the smaller the angle between the treble's chroma and the chord's tones (Fujishima 1999, *Realtime
chord recognition of musical sound*), and the more of the bass is on the chord's root (Mauch and Dixon 2010,
*Simultaneous estimation of chords and musical context from audio*, IEEE TASLP 18/6). That one chord lasts matters more
than which chord follows (Cho and Bello 2014, *On the relative importance of individual components of chord recognition
systems*, IEEE/ACM TASLP 22/2): every change is as likely as any other.

The weights were set by hand, where mixes of random additive timbres and played guitars agree; around them the results
hardly move.
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from core.analysis.harmony.chroma import SILENT_ENERGY, Chroma
from core.analysis.harmony.labels import QUALITIES, HeardChord, harte_label, symbol_of
from core.theory.keys import Key

Matrix = NDArray[np.float32]

_TREBLE_WEIGHT, _BASS_WEIGHT, _ODDS_WEIGHT = 8.0, 1.5, 0.17
_QUALITY_ODDS = {
    "maj": 0.4, "min": 0.25, "7": 0.1, "maj7": 0.08, "min7": 0.07, "sus4": 0.03, "sus2": 0.02, "dim": 0.02, "aug": 0.01,
    "maj6": 0.02, "min6": 0.01, "hdim7": 0.01, "dim7": 0.01,
}  # fmt: skip
"""In the order in which songs have them; at their weight they only decide between equals."""
_COMPRESSION = 0.7  # between what is loud and that it is there at all
_THIRD_PARTIAL, _FIFTH_PARTIAL = 0.2, 0.05  # what of them is still taken for a fifth and a third
_BASS_FIFTH, _BASS_OTHER = 0.5, 0.3  # of the root's weight: an inversion, or a line under way
_STAYS = 0.95  # of the frames: a chord lasts 2 s
_NO_CHORD_SCORE = 5.5  # what noise, drums and speech come to, at best
_FAINT = 0.3  # of a note's strength: what is hardly there resembles no chord
_SILENT_BONUS = 10.0


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
        self._treble = np.stack([_treble_tones(chord) for chord in self.chords])
        self._bass = np.stack([_bass_tones(chord) for chord in self.chords])
        self._odds = np.array([_log_odds(chord) for chord in self.chords], np.float32)

    def __len__(self) -> int:
        return len(self.chords)

    def log_likelihoods(self, chroma: Chroma, tuning_cents: float = 0.0) -> Matrix:
        """Of the frames under each state, ``[N, states]``, up to a constant of each frame."""
        treble, bass = chroma.semitones(tuning_cents)
        scores = _TREBLE_WEIGHT * (_unit(treble**_COMPRESSION, _FAINT) @ self._treble.T)
        scores += _BASS_WEIGHT * (_unit(bass**_COMPRESSION, _FAINT) @ self._bass.T) + self._odds
        scores[:, 0] = _NO_CHORD_SCORE - _musicality(treble, chroma.tuning)
        scores[chroma.energy < SILENT_ENERGY, 0] += _SILENT_BONUS
        return scores

    @property
    def starts(self) -> Matrix:
        """The probability of each state in the first frame ``[states]``: music comes out of silence."""
        starts: Matrix = self.transitions()[0]
        return starts

    def transitions(self, stays: float = _STAYS) -> Matrix:
        """The probability of each state after each, from one frame to the next, ``[states, states]``.

        The chord stays with probability ``stays``; else it changes to any, all alike.
        """
        states = len(self)
        return np.asarray(np.eye(states) * stays + (1 - stays) / states, np.float32)

    def label(self, state: int, key: Key | None = None) -> str:
        """Harte's label of a state, spelled as in the key."""
        return harte_label(self.chords[state], key)

    def symbol(self, state: int, key: Key | None = None) -> str:
        """A state's symbol as players write it, spelled as in the key."""
        return symbol_of(self.chords[state], key)


def _musicality(treble: Matrix, tuning: NDArray[np.complex64]) -> Matrix:
    """From 0, for noise or a lone tone, to 1, for several notes whose partials agree on a tuning ``[N]``.

    A melody over few chords, or a walking bass, is music that resembles each of its chords as little as drums do; the
    partials of drums and of speech agree by 0.1 in the median, those of instruments by 0.3 to 0.9.
    """
    others = 1 - np.square(_unit(treble)).max(axis=1)  # but the strongest note: half of two that are alike
    musicality: Matrix = np.minimum(np.abs(tuning), 2 * others)
    return musicality


def _treble_tones(chord: HeardChord | None) -> Matrix:
    """A chord's tones and what is left of their partials, of length 1."""
    tones = np.zeros(12, np.float32)
    for tone in chord.pitch_classes if chord else ():
        tones[tone] += 1
        tones[(tone + 7) % 12] += _THIRD_PARTIAL
        tones[(tone + 4) % 12] += _FIFTH_PARTIAL
    return _unit(tones)


def _bass_tones(chord: HeardChord | None) -> Matrix:
    tones = np.zeros(12, np.float32)
    if chord:
        tones[list(chord.pitch_classes)] = _BASS_OTHER
        tones[chord.pitch_classes[2]] = _BASS_FIFTH
        tones[chord.root] = 1
    return tones


def _log_odds(chord: HeardChord | None) -> float:
    return _ODDS_WEIGHT * math.log(_QUALITY_ODDS[chord.quality.name] / _QUALITY_ODDS["maj"]) if chord else 0.0


def _unit(rows: Matrix, least: float = 1e-9) -> Matrix:
    """Each row over its length; what is not far longer than ``least`` comes out shorter than 1."""
    units: Matrix = rows / (np.linalg.norm(rows, axis=-1, keepdims=True) + np.float32(least))
    return units
