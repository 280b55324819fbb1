"""The levels of difficulty, and necks that are short or oddly tuned."""

from __future__ import annotations

from itertools import product

import pytest

from core.theory.chords import QUALITIES, parse_chord
from core.theory.fingering import fingering_of
from core.theory.fret_search import Wanted, candidates
from core.theory.neck import Neck, neck_of
from core.theory.voicings import Level, chord_shapes

ROOTS = ("C", "C#", "D", "Eb", "E", "F", "F#", "G", "Ab", "A", "Bb", "B")
EVERY_CHORD = [
    parse_chord(root + quality)
    for (row, root), (column, quality) in product(enumerate(ROOTS), enumerate(QUALITIES.values()))
    if (row + column) % 2 == 0
]
"""Every quality, on every second root by turns."""
GUITAR = neck_of("acoustic_guitar")


def test_every_chord_has_a_movable_shape() -> None:
    for chord in EVERY_CHORD:
        shape = chord_shapes(chord, GUITAR, "barre")[0]
        assert 0 not in shape.frets, chord
        moved = tuple(None if fret is None else fret + 1 for fret in shape.frets)
        assert fingering_of(moved) is not None, chord


def test_open_chords_are_lower_and_more_open_than_others() -> None:
    def strings(level: Level) -> tuple[int, int]:
        shapes = [chord_shapes(chord, GUITAR, level)[0] for chord in EVERY_CHORD]
        return sum(shape.frets.count(0) for shape in shapes), sum(shape.fingering.barre is not None for shape in shapes)

    (opened, barres), (opened_else, barres_else) = strings("open"), strings("any")
    assert opened > opened_else
    assert barres < barres_else


@pytest.mark.parametrize(
    "neck",
    [neck_of("ukulele", capo=11), neck_of("bass_guitar", strings=6, capo=11), neck_of("classical_guitar", capo=7)],
    ids=["ukulele", "bass", "guitar"],
)
def test_on_a_neck_that_a_capo_makes_short_every_chord_can_be_held(neck: Neck) -> None:
    for chord in EVERY_CHORD:
        shape = chord_shapes(chord, neck)[0]
        assert max(fret or 0 for fret in shape.frets) <= neck.highest_fret
        assert fingering_of(shape.frets, neck.capo) == shape.fingering


def test_a_tuning_whose_strings_are_all_alike_is_no_endless_search() -> None:
    unisons = Neck(("C4",) * 7)
    thirteenth = frozenset({0, 2, 4, 7, 9, 10})
    found = [list(candidates(position, Wanted(thirteenth, frozenset({0, 4})), unisons)) for position in range(13)]
    assert max(map(len, found)) <= 1000
    assert chord_shapes(parse_chord("C"), unisons)[0].frets.count(None) == 0


def test_what_cannot_be_held_has_no_shape() -> None:
    assert chord_shapes(parse_chord("B"), Neck(("C4",) * 4, frets=6)) == ()
