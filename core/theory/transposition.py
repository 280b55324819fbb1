"""Chords moved to another pitch, a capo's shapes, and simpler chords."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from core.theory.chords import QUALITIES, Chord, SymbolParts, parse_chord, symbol_parts
from core.theory.keys import Key, fifths_of, note_at

_HIGHEST_CAPO = 7  # above it the strings are short and the shapes crowded

OPEN_CHORDS = frozenset(
    [
        "C",
        "A",
        "G",
        "E",
        "D",
        "Am",
        "Em",
        "Dm",
        "C7",
        "A7",
        "G7",
        "E7",
        "D7",
        "B7",
        "Am7",
        "Em7",
        "Dm7",
        "Cmaj7",
        "Amaj7",
        "Gmaj7",
        "Dmaj7",
        "Fmaj7",
        "Asus2",
        "Asus4",
        "Dsus2",
        "Dsus4",
        "Esus4",
        "A7sus4",
        "D7sus4",
        "E7sus4",
        "Cadd9",
        "Gadd9",
        "D/F#",
        "G/B",
        "C/G",
        "C/E",
        "Am/G",
    ]
)
"""Shapes in the first frets of a guitar in standard tuning that ring with open strings and need no barre."""

_FOUR_TONES = {intervals: name for intervals, name in QUALITIES.items() if len(intervals) == 4 and max(intervals) < 12}
_TRIADS = {(0, 4, 7): "", (0, 3, 7): "m", (0, 3, 6): "dim", (0, 4, 8): "aug"}


@dataclass(frozen=True)
class Capo:
    """Where a guitarist puts the capo, and what the hand then plays.

    Attributes:
        fret: 0 (none) to 7.
        shapes: the symbols to play, one for each chord.
        open_chords: how many of the shapes are open chords.
    """

    fret: int
    shapes: tuple[str, ...]
    open_chords: int


def parts(chord: Chord) -> SymbolParts:
    """Root, quality and slash bass as they are written, with plain accidentals."""
    found = symbol_parts(chord.symbol)
    assert found is not None, chord.symbol  # the parser let it in
    return found


def transposed(chords: Sequence[Chord], semitones: int) -> list[Chord]:
    """The chords, so many semitones higher or lower, each spelled as it was in relation to the others.

    Of the spellings that keep these relations, the one with the fewest accidentals is taken: F♯ and C♯ a semitone up
    are G and D, and B♭ is not A♯ next to an E♭.
    """
    if semitones % 12 == 0:
        return list(chords)
    written = [parts(chord) for chord in chords]
    places = [fifths_of(note) for root, _, bass in written for note in (root, bass) if note]
    shift = min(
        (semitones * 7 % 12 - 12 * turn for turn in range(3)),
        key=lambda each: (sum(_accidentals(place + each) for place in places), abs(each)),
    )
    return [parse_chord(_moved(*each, shift)) for each in written]


def to_key(chords: Sequence[Chord], source: Key, target: Key) -> list[Chord]:
    """The chords as they would be in another key of the same mode: each keeps its place in the key."""
    shift = fifths_of(target.tonic) - fifths_of(source.tonic)
    return [parse_chord(_moved(*parts(chord), shift)) for chord in chords]


def best_capo(chords: Sequence[Chord]) -> Capo:
    """The capo that leaves the most open chords; of equal ones the lowest."""
    return max((_with_capo(chords, fret) for fret in range(_HIGHEST_CAPO + 1)), key=lambda capo: capo.open_chords)


def simplified(chord: Chord, tones: int = 3) -> Chord:
    """The chord with at most ``tones`` tones, 3 or 4, and no slash bass: Cmaj9 is Cmaj7, then C.

    A suspended or power chord becomes the major chord of its root where three are asked for.
    """
    root, quality, _ = parts(chord)
    kept = tuple(interval for interval in chord.intervals if interval < 12)
    if tones >= 4 and kept in _FOUR_TONES:
        return parse_chord(root + _FOUR_TONES[kept])
    if tones >= 4 and kept == chord.intervals:
        return parse_chord(root + quality)
    third = 3 if 3 in kept else 4
    fifth = next((interval for interval in kept if interval in (6, 7, 8)), 7)
    return parse_chord(root + _TRIADS.get((0, third, fifth), ""))


def _with_capo(chords: Sequence[Chord], fret: int) -> Capo:
    shapes = transposed(chords, -fret)
    return Capo(fret, tuple(shape.symbol for shape in shapes), sum(map(_is_open, shapes)))


def _is_open(chord: Chord) -> bool:
    root, _, bass = parts(chord)
    return root + QUALITIES[chord.intervals] + (f"/{bass}" if bass else "") in OPEN_CHORDS


def _moved(root: str, quality: str, bass: str | None, shift: int) -> str:
    moved = note_at(fifths_of(root) + shift) + quality
    return f"{moved}/{note_at(fifths_of(bass) + shift)}" if bass else moved


def _accidentals(fifths: int) -> int:
    """How many the name at this place has; a name that would need two counts as much as it confuses."""
    signs = (fifths + 1) // 7
    return abs(signs) if -1 <= signs <= 1 else 10
