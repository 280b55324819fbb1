"""How often the next chord is among those suggested, and the key is found, in songs left out of the counts.

``python -m bench.chord_predictions CoCoPops Jazz-Chord-Progressions-Corpus nottingham-dataset`` counts four of every
five songs as ``bench.chord_counts`` does and asks for the chords of the fifth, given the song's key; the key is looked
for in the same songs' first sixteen chord changes.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from itertools import groupby
from pathlib import Path
from unittest.mock import patch

from bench.chord_counts import Song, count_style, family_of, styles_of
from core.theory.chords import Chord, parse_chord
from core.theory.key_finding import find_keys
from core.theory.keys import Key, Mode, key_on
from core.theory.statistics import STYLES, ChordModel, Style, is_dominant_seventh, state_of
from core.theory.suggestions import next_chances

_FOLDS = 5
_MOST_CHANGES = 64  # of a song: what comes later mostly came before
_KEY_CHANGES = 16
_QUALITIES = {"M": "", "D": "7", "m": "m", "h": "m7b5", "o": "dim"}


def main(pop: Path, jazz: Path, folk: Path) -> None:
    """Print a line a style."""
    for style, songs in styles_of(pop, jazz, folk).items():
        held_out = songs[::_FOLDS]
        counts = count_style((song for index, song in enumerate(songs) if index % _FOLDS), style)
        models = {mode: ChordModel(counts[mode], "MDmho" if style == "jazz" else "Mmo") for mode in counts}
        found = lambda style, mode, models=models: models[mode]  # noqa: E731 - three patches share it
        with patch("core.theory.suggestions.chord_model", found), patch("core.theory.key_finding.chord_model", found):
            print(_line(style, list(held_out)))


def _line(style: Style, songs: list[Song]) -> str:
    first = third = total = keys = relatives = asked = 0
    for song in songs:
        key, chords = _read(song)
        if len(chords) < 4:
            continue
        for rank in _ranks(chords[:_MOST_CHANGES], key, style):
            first, third, total = first + (rank == 0), third + (rank < 3), total + 1
        guess = find_keys(chords[:_KEY_CHANGES], style)[0].key
        same = (guess.pitch_class, guess.mode) == (key.pitch_class, key.mode)
        relative = guess.scale and set(_pitches(guess)) == set(_pitches(key))
        keys, relatives, asked = keys + same, relatives + bool(relative), asked + 1
    return (
        f"{style:6} {total:6} changes: first {first / total:.3f}, among three {third / total:.3f}; "
        f"{asked:4} songs: key {keys / asked:.3f}, or its relative {relatives / asked:.3f}"
    )


def _ranks(chords: list[Chord], key: Key, style: Style) -> Iterator[int]:
    runs = [(state, list(run)) for state, run in groupby(chords, lambda chord: state_of(chord, key, style))]
    states = [state for state, _ in runs]
    for index in range(1, len(states)):
        seventh = is_dominant_seventh(runs[index - 1][1][-1])
        chances, _ = next_chances(states[:index], key, style, seventh=seventh)
        yield sum(chance > chances[states[index]] for chance in chances.values())


def _read(song: Song) -> tuple[Key, list[Chord]]:
    mode: Mode = "minor" if song.is_minor else "major"
    chords = [
        parse_chord(key_on(root, "major").tonic + _QUALITIES[family])
        for section in song.sections for bar in section for root, written in bar if (family := family_of(written))
    ]  # fmt: skip
    return key_on(song.tonic, mode), [chord for chord, _ in groupby(chords)]


def _pitches(key: Key) -> list[int]:
    steps = (0, 2, 4, 5, 7, 9, 11) if key.mode == "major" else (0, 2, 3, 5, 7, 8, 10)
    return [(key.pitch_class + step) % 12 for step in steps]


if __name__ == "__main__":
    assert set(STYLES) == {"pop", "rock", "jazz", "blues", "folk"}
    main(*map(Path, sys.argv[1:4]))
