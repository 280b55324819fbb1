"""Keys, and how notes are spelled in them.

Names of notes stand on the line of fifths, … B♭ F C G D A E B F♯ …, here counted from C = 0: a step right is a fifth
up, and the accidental changes every seven steps (Temperley 2001, *The Cognition of Basic Musical Structures*, ch. 5).
A key spells the twelve notes as the twelve neighbours of its tonic on that line, from ♭2 to ♯4.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Literal

Mode = Literal["major", "minor"]

_LETTERS = "FCGDAEB"
_MOST_FLAT, _MOST_SHARP = -8, 12  # Fb and B#: a chord symbol has one accidental at most
_FIFTHS = {"major": (0, 2, 4, -1, 1, 3, 5), "minor": (0, 2, -3, -1, 1, -4, -2)}
_SIGNATURE = {"major": 0, "minor": 3}
_NAME = re.compile(r"([A-Ga-g])([#b]?)\s*(m|min|minor|-|maj|major|M)?")
_PLAIN_SIGNS = str.maketrans({"♯": "#", "♭": "b"})
_LONGEST_NAME = 16


class KeyNameError(ValueError):
    """The text names no key; the message says what was expected."""


@dataclass(frozen=True)
class Key:
    """A major or minor key.

    Attributes:
        tonic: the first note, spelled: ``F#``, ``Bb``.
        mode: ``major`` or ``minor``.
    """

    tonic: str
    mode: Mode = "major"

    @property
    def pitch_class(self) -> int:
        """Of the tonic, 0 (C) to 11 (B)."""
        return fifths_of(self.tonic) * 7 % 12

    @property
    def name(self) -> str:
        """``F# minor``."""
        return f"{self.tonic} {self.mode}"

    @property
    def scale(self) -> tuple[str, ...]:
        """The seven notes from the tonic up, spelled; of a minor key the natural ones."""
        start = fifths_of(self.tonic)
        return tuple(note_at(start + step) for step in _FIFTHS[self.mode])

    @property
    def parallel(self) -> Key:
        """The key of the other mode on the same tonic."""
        return key_on(self.pitch_class, "minor" if self.mode == "major" else "major")

    def spell(self, pitch_class: int, *, leading: bool = False) -> str:
        """The note's name in this key; ``leading`` for the root of a diminished chord, which leads upwards: C♯, not D♭.

        Where the key would need a double accidental, the simple name is taken.
        """
        tonic = fifths_of(self.tonic)
        lowest = tonic - 3 if leading else tonic - 5
        return note_at(lowest + (pitch_class * 7 - lowest) % 12)

    def moved(self, semitones: int) -> Key:
        """The key so many semitones higher, with as few accidentals as it can have."""
        return key_on(self.pitch_class + semitones, self.mode)


def fifths_of(note: str) -> int:
    """Where a note's name stands on the line of fifths: F -1, C 0, G 1, B♭ -2."""
    return _LETTERS.index(note[0]) - 1 + 7 * (note.count("#") - note.count("b"))


def note_at(fifths: int) -> str:
    """The name at a place of the line of fifths; beyond F♭ and B♯ that of the same pitch within them."""
    while fifths < _MOST_FLAT:
        fifths += 12
    while fifths > _MOST_SHARP:
        fifths -= 12
    signs = (fifths + 1) // 7
    return _LETTERS[(fifths + 1) % 7] + ("#" * signs if signs > 0 else "b" * -signs)


def key_on(pitch_class: int, mode: Mode) -> Key:
    """The key of this tonic with the smaller signature: D♭ rather than C♯ major; of six sharps or flats, the sharps."""
    fifths = (pitch_class * 7 - _SIGNATURE[mode] + 5) % 12 - 5
    return Key(note_at(fifths + _SIGNATURE[mode]), mode)


def parse_key(text: str) -> Key:
    """Read ``C``, ``F#m``, ``B♭ major`` or ``a minor``; without a mode it is major.

    A key that would need more than seven accidentals gets its usual name: G♯ major is A♭ major. Raises
    ``KeyNameError`` for anything else.
    """
    match = _NAME.fullmatch(text.strip().translate(_PLAIN_SIGNS)) if len(text) <= _LONGEST_NAME else None
    if match is None:
        shown = repr(text) if len(text) <= _LONGEST_NAME else f"a text of {len(text)} characters"
        raise KeyNameError(
            f"{shown} is no key: expected a letter A to G, # or b if need be, and major or minor, such as C, F#m, "
            "Bb major or A minor"
        )
    mode: Mode = "minor" if match[3] in ("m", "min", "minor", "-") else "major"
    tonic = match[1].upper() + match[2]
    if abs(fifths_of(tonic) - _SIGNATURE[mode]) > 7:
        return key_on(fifths_of(tonic) * 7 % 12, mode)
    return Key(tonic, mode)
