"""How the notes of a chord are spelled: E flat major has a B flat, not an A sharp."""

from __future__ import annotations

from core.theory.chords import Chord
from core.theory.keys import fifths_of, note_at
from core.theory.transposition import parts

_FIFTHS = {
    0: 0, 2: 2, 3: -3, 4: 4, 5: -1, 6: -6, 7: 1, 8: 8, 9: 3, 10: -2, 11: 5,
    13: -5, 14: 2, 15: 9, 17: -1, 18: 6, 20: -4, 21: 3,
}  # fmt: skip
"""By interval above the root: steps on the line of fifths, so that a third is spelled as a third, and a raised ninth, a
semitone below the major third, as a ninth."""

_DIMINISHED_SEVENTH = ((0, 3, 6, 9), {9: -9})
_SHARPS = ("C", "C#", "D", "D#", "E", "F", "F#", "G", "G#", "A", "A#", "B")
_FLATS = ("C", "Db", "D", "Eb", "E", "F", "Gb", "G", "Ab", "A", "Bb", "B")


def spelled(pitch: int, chord: Chord) -> str:
    """The name of a MIDI note as it stands in the chord, with its octave: ``Bb3``.

    A note that is none of the chord's has a flat if the chord's own notes do, else a sharp.
    """
    name = _names(chord)[pitch % 12]
    alter = name.count("#") - name.count("b")
    return f"{name}{(pitch - alter) // 12 - 1}"


def _names(chord: Chord) -> list[str]:
    """Of the twelve pitch classes."""
    root, _, bass = parts(chord)
    intervals, exception = _DIMINISHED_SEVENTH
    steps = _FIFTHS | exception if chord.intervals == intervals else _FIFTHS
    tones = {(chord.root + each) % 12: note_at(fifths_of(root) + steps[each]) for each in chord.intervals}
    if bass and chord.bass not in tones:
        tones[chord.bass] = bass
    names = _FLATS if any("b" in name for name in tones.values()) else _SHARPS
    return [tones.get(tone, name) for tone, name in enumerate(names)]
