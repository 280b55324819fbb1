"""How often one chord follows another, as counted in published corpora.

======  ==========================================================================================================
style   counted in
======  ==========================================================================================================
pop     740 songs of the US charts 1958 to 1991: Burgoyne, Wild and Fujinaga (2011), *An expert ground-truth set for
        audio chord recognition and music analysis* (ISMIR), the McGill Billboard set, as encoded in CoCoPops
rock    200 of Rolling Stone magazine's 500 greatest songs: de Clercq and Temperley (2011), *A corpus analysis of rock
        harmony* (Popular Music 30/1), and Temperley and de Clercq (2013), as encoded in CoCoPops; T. de Clercq's
        analyses
jazz    2,612 lead sheets: Bunks, Dixon, Weyde and Di Giorgi (2023), *Modeling harmonic similarity for jazz using
        co-occurrence vectors and the membrane area* (ISMIR); those whose key the first or last chords confirm
blues   of the same those of twelve or twenty-four bars with I in the first and IV in the fifth of each twelve
folk    the Nottingham Music Database: some 1,000 tunes with chords, collected by E. Foxley
======  ==========================================================================================================

CoCoPops: Arthur and Condit-Schultz (2023), *The Coordinated Corpus of Popular Musics* (ISMIR). ``bench.chord_counts``
does the counting; ``chord_counts.json`` holds counts alone.

A state is a degree, in semitones above the tonic, and a family: ``7M`` is V or V7, ``2m`` is ii or ii7. Jazz tells
``D`` (dominant seventh) and ``h`` (half diminished) apart as well; elsewhere they are ``M`` and ``o``.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from functools import cache
from importlib.resources import files
from typing import Any, Literal, get_args

from core.theory.chords import Chord
from core.theory.keys import Key, Mode

Style = Literal["pop", "rock", "jazz", "blues", "folk"]
STYLES: tuple[Style, ...] = get_args(Style)

Distribution = Mapping[str, float]
"""A probability for every state; they add up to 1."""

_SHAPES = {"M": "", "D": "7", "m": "m", "h": "m7b5", "o": "dim"}


class ChordModel:
    """The chances of the next chord, from the counts of one style in one mode.

    Probabilities are those of a trigram model smoothed after Witten and Bell (1991, *The zero-frequency problem*): a
    context seen n times with t different continuations counts n / (n + t), the shorter context the rest.
    """

    def __init__(self, counts: Mapping[str, Any], families: str) -> None:
        self.songs: int = counts["songs"]
        """Songs, and parts of songs in a key of their own."""
        self._pairs: Mapping[str, Mapping[str, int]] = counts["pairs"]
        self._triples: Mapping[str, Mapping[str, int]] = counts["triples"]
        self._sevenths: Mapping[str, Mapping[str, int]] = counts["sevenths"]
        self._shapes: Mapping[str, str] = counts["shapes"]
        self._bars: Mapping[str, Mapping[str, int]] = counts["bars"]
        self._states = [f"{degree}{family}" for degree in range(12) for family in families]
        even = dict.fromkeys(self._states, 1 / len(self._states))
        seen = dict.fromkeys(self._states, 0)
        for row in self._pairs.values():
            for state, count in row.items():
                seen[state] += count
        self._frequencies = _smoothed({state: count for state, count in seen.items() if count}, even)
        self._starts = _smoothed(counts["starts"], self._frequencies)
        self._after_one = {state: _smoothed(row, self._frequencies) for state, row in self._pairs.items()}

    @property
    def frequencies(self) -> Distribution:
        """Of a chord anywhere in a song."""
        return self._frequencies

    @property
    def starts(self) -> Distribution:
        """Of a song's first chord."""
        return self._starts

    def after(self, state: str, before: str | None = None, *, seventh: bool = False) -> Distribution:
        """Of the chord after ``before`` and ``state``, or after ``state`` alone; itself has none, being no change.

        ``seventh`` says that the last chord is a dominant seventh where the state alone does not: G7 is no G.
        """
        shorter = self._after_one.get(state, self._frequencies)
        chances = dict(_smoothed(self._triples.get(f"{before} {state}", {}), shorter))
        if seventh:
            chances = dict(_smoothed(self._sevenths.get(state, {}), chances))
        chances[state] = 0.0
        return normalised(chances)

    def at_bar(self, index: int) -> Distribution:
        """Of the first chord of a blues' bar, by its place in the twelve."""
        return _smoothed(self._bars.get(str(index % 12), {}), self._frequencies)

    def shape(self, state: str) -> str:
        """The quality that the corpus most often gives the state: in folk V is mostly a ``7``."""
        return self._shapes.get(state, _SHAPES[state[-1]])


def _smoothed(row: Mapping[str, int], shorter: Distribution) -> Distribution:
    seen, kinds = sum(row.values()), len(row)
    if not seen:
        return shorter
    return {state: (row.get(state, 0) + kinds * chance) / (seen + kinds) for state, chance in shorter.items()}


def normalised(chances: Mapping[str, float]) -> dict[str, float]:
    """The same proportions, adding up to 1."""
    total = sum(chances.values())
    return {state: chance / total for state, chance in chances.items()}


@cache
def chord_model(style: Style, mode: Mode) -> ChordModel:
    """The model of a style's major or minor songs; read once."""
    return ChordModel(_table()[style][mode], "MDmho" if style == "jazz" else "Mmo")


def state_of(chord: Chord, key: Key, style: Style) -> str:
    """The state a chord counts as."""
    return f"{(chord.root - key.pitch_class) % 12}{_family(chord, style)}"


def is_dominant_seventh(chord: Chord) -> bool:
    """Whether it has a minor seventh over a major third, or over what is suspended in its place."""
    return 10 in chord.intervals and 3 not in chord.intervals


@cache
def _table() -> Any:
    return json.loads(files("core.theory").joinpath("chord_counts.json").read_text())


def _family(chord: Chord, style: Style) -> str:
    tones = set(chord.intervals)
    if 3 in tones and 6 in tones and 7 not in tones:
        return "h" if style == "jazz" and 10 in tones else "o"
    if 3 in tones:
        return "m"
    return "D" if style == "jazz" and 10 in tones else "M"
