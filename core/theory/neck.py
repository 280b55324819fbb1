"""The neck of a fretted instrument of 4 to 7 strings, in any tuning, with or without a capo.

Strings stand in the order of the tuning as it is written, usually from the lowest to the highest. Players count them
from the other end: string 1 is the last. Frets count from the capo: 0 is the string that no finger touches.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

from core.theory.fretboard import INSTRUMENTS
from core.theory.notes import parse_note

FEWEST_STRINGS = 4
MOST_STRINGS = 7
HIGHEST_CAPO = 11

_GUITARS = ("acoustic_guitar", "electric_guitar", "classical_guitar")
_WITH_MORE_STRINGS = {
    ("guitar", 7): "B1 E2 A2 D3 G3 B3 E4",
    ("bass_guitar", 5): "B0 E1 A1 D2 G2",
    ("bass_guitar", 6): "B0 E1 A1 D2 G2 C3",
}
"""The standard tunings beyond an instrument's usual number of strings: a low B, and for the bass a high C on top."""


@dataclass(frozen=True)
class Neck:
    """The strings and frets that a hand can use.

    Attributes:
        notes: of the open strings without capo, as they are written: ``E2``, ``Bb3``.
        frets: the highest there is, counted from the nut.
        capo: the fret that it lies on; 0 for none.

    Raises ``ValueError`` for another number of strings or capo than there is, and for a note that is none.
    """

    notes: tuple[str, ...]
    frets: int = 20
    capo: int = 0

    def __post_init__(self) -> None:
        if not FEWEST_STRINGS <= len(self.notes) <= MOST_STRINGS:
            raise ValueError(f"a tuning has {FEWEST_STRINGS} to {MOST_STRINGS} notes, not {len(self.notes)}")
        if not 0 <= self.capo <= HIGHEST_CAPO:
            raise ValueError(f"a capo lies on fret 1 to {HIGHEST_CAPO}, or 0 for none, not {self.capo}")
        if max(self.open_pitches) + self.highest_fret > 127:
            raise ValueError(f"{' '.join(self.notes)} reaches above G9 on the highest fret")

    @cached_property
    def open_pitches(self) -> tuple[int, ...]:
        """MIDI numbers of the strings that no finger touches, the capo's frets added."""
        return tuple(parse_note(note) + self.capo for note in self.notes)

    @property
    def strings(self) -> int:
        """How many there are."""
        return len(self.notes)

    @property
    def highest_fret(self) -> int:
        """Counted from the capo."""
        return self.frets - self.capo

    @cached_property
    def is_reentrant(self) -> bool:
        """Whether the first string is not the lowest, as on a ukulele or a five-string banjo."""
        return min(self.open_pitches) < self.open_pitches[0]

    def string_number(self, index: int) -> int:
        """As players count: the last string is 1."""
        return self.strings - index


def neck_of(
    instrument: str, tuning: str | Sequence[str] = "standard", *, capo: int = 0, strings: int | None = None
) -> Neck:
    """The neck of an instrument of ``INSTRUMENTS``.

    ``tuning`` is the name of one of the instrument's, or 4 to 7 notes. ``strings`` chooses the standard tuning with as
    many, and must fit a tuning that is given. Raises ``ValueError`` if there is no such instrument or tuning.
    """
    if instrument not in INSTRUMENTS:
        raise ValueError(f"there is no instrument {instrument!r}; there are {', '.join(INSTRUMENTS)}")
    notes = _notes_of(instrument, tuning, strings)
    if strings is not None and len(notes) != strings:
        raise ValueError(f"the tuning {' '.join(notes)} has {len(notes)} strings, not {strings}")
    return Neck(notes, INSTRUMENTS[instrument].frets, capo)


def _notes_of(instrument: str, tuning: str | Sequence[str], strings: int | None) -> tuple[str, ...]:
    if not isinstance(tuning, str):
        return tuple(tuning)
    known = INSTRUMENTS[instrument].tunings
    if tuning not in known:
        raise ValueError(
            f"{instrument} has no tuning {tuning!r}; it has {', '.join(known)}, or give its notes, lowest string first"
        )
    family = "guitar" if instrument in _GUITARS else instrument
    more = _WITH_MORE_STRINGS.get((family, strings)) if strings and tuning == "standard" else None
    return tuple(more.split()) if more else known[tuning]
