"""Hints for a melody that suits a section.

A phrase mostly rises and falls again (Huron 1996, *The melodic arch in Western folksongs*). That a chorus lies higher
than its verse, how high each is, and which notes to lean on, are estimates of our own.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from core.songwriting.forms import SectionName
from core.theory.chords import Chord
from core.theory.keys import Key
from core.theory.notes import NATURALS

_LOWEST_TONIC = 55  # G3: the octaves around it suit most voices, in their own register
_SPANS = {"verse": (-5, 7), "chorus": (4, 14), "bridge": (2, 12), "intro": (0, 7), "outro": (-5, 7)}
_CONTOURS = {
    "verse": "begin low, rise to the middle of each line and fall again",
    "chorus": "begin with the highest note of the line, on the title, and come down in steps",
    "bridge": "climb a step with each line, so that the chorus is the top",
    "intro": "hum the chorus's first four notes, and leave them open",
    "outro": "sing the title once more, lower each time, and end on the first note of the scale",
}
_SCALE = {"major": (0, 2, 4, 5, 7, 9, 11), "minor": (0, 2, 3, 5, 7, 8, 10)}


@dataclass(frozen=True)
class Melody:
    """Hints for a section's melody.

    Attributes:
        lowest, highest: of its range, as notes with octaves; C4 is middle C.
        contour: the way its lines go.
        lean_on: for the first chords, the degree of the scale and the note to hold over each.
        why: in one sentence.
    """

    lowest: str
    highest: str
    contour: str
    lean_on: tuple[tuple[str, int, str], ...]
    why: str


def melody_for(section: SectionName, key: Key, chords: Sequence[Chord]) -> Melody:
    """Hints for the section with these chords."""
    tonic = _LOWEST_TONIC + (key.pitch_class - _LOWEST_TONIC) % 12
    low, high = (_in_scale(tonic + span, tonic, key) for span in _SPANS[section])
    why = "A note that belongs to the chord sounds right for as long as you hold it; pass over the others quickly."
    if section == "chorus":
        why = "It lies higher than the verse, so it sounds like the moment everything led to."
    return Melody(
        note_in(key, low), note_in(key, high), _CONTOURS[section],
        tuple((chord.symbol, *_held(chord, key)) for chord in chords[:4]), why,
    )  # fmt: skip


def note_in(key: Key, midi: int) -> str:
    """A pitch's name in the key with its octave: 60 is C4, and B♯3 where the key calls it so."""
    name = key.spell(midi % 12)
    signs = name.count("#") - name.count("b")
    return f"{name}{(midi - signs - NATURALS[name[0]]) // 12 - 1}"


def _held(chord: Chord, key: Key) -> tuple[int, str]:
    """The third of the chord if the scale has it, else the fifth or the root: the degree, 1 to 7, and its name."""
    scale = _SCALE[key.mode]
    for wanted in ((3, 4), (7,), (0,)):
        for interval in chord.intervals:
            above = (chord.root + interval - key.pitch_class) % 12
            if interval in wanted and above in scale:
                return scale.index(above) + 1, key.spell((key.pitch_class + above) % 12)
    return 1, key.tonic


def _in_scale(midi: int, tonic: int, key: Key) -> int:
    return midi if (midi - tonic) % 12 in _SCALE[key.mode] else midi - 1
