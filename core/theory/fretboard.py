"""Fretted instruments: their strings, frets and tunings.

Strings are numbered as players count them: 1 is the last of a tuning as it is written, from the lowest string to the
highest (``E2 A2 D3 G3 B3 E4``: string 1 is E4). Fret 0 is the open string.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from core.theory.notes import parse_note

InstrumentName = Literal["acoustic_guitar", "electric_guitar", "classical_guitar", "bass_guitar", "ukulele"]

FURTHEST_SEMITONES = 12
"""How far a given tuning may take a string from its standard pitch."""


@dataclass(frozen=True)
class Instrument:
    """A fretted instrument.

    Attributes:
        frets: the highest there is.
        tunings: by name, each as it is written; ``standard`` is one of them.
    """

    name: InstrumentName
    frets: int
    tunings: dict[str, tuple[str, ...]]

    @property
    def strings(self) -> int:
        """How many it has."""
        return len(self.tunings["standard"])

    def open_pitches(self, tuning: str | Sequence[str]) -> tuple[int, ...]:
        """The MIDI numbers of the open strings, that of string 1 last.

        ``tuning`` is a name or the notes themselves. Raises ``ValueError`` if the instrument cannot be tuned so.
        """
        standard = tuple(map(parse_note, self.tunings["standard"]))
        if isinstance(tuning, str):
            if tuning not in self.tunings:
                known = ", ".join(self.tunings)
                raise ValueError(f"{self.name} has no tuning {tuning!r}; it has {known}, or give a list of its notes")
            return tuple(map(parse_note, self.tunings[tuning]))
        if len(tuning) != self.strings:
            raise ValueError(f"{self.name} has {self.strings} strings; {len(tuning)} notes were given")
        pitches = tuple(map(parse_note, tuning))
        for note, pitch, usual in zip(tuning, pitches, standard, strict=True):
            if abs(pitch - usual) > FURTHEST_SEMITONES:
                raise ValueError(f"{note} lies more than an octave from what that string of {self.name} is made for")
        return pitches


def _notes(names: str) -> tuple[str, ...]:
    return tuple(names.split())


_GUITAR = {
    "standard": _notes("E2 A2 D3 G3 B3 E4"),
    "drop_d": _notes("D2 A2 D3 G3 B3 E4"),
    "open_g": _notes("D2 G2 D3 G3 B3 D4"),
    "half_step_down": _notes("Eb2 Ab2 Db3 Gb3 Bb3 Eb4"),
}
_BASS = {
    "standard": _notes("E1 A1 D2 G2"),
    "drop_d": _notes("D1 A1 D2 G2"),
    "open_g": _notes("D1 G1 D2 G2"),
    "half_step_down": _notes("Eb1 Ab1 Db2 Gb2"),
}
_UKULELE = {
    "standard": _notes("G4 C4 E4 A4"),
    "open_g": _notes("G4 B3 D4 G4"),
    "half_step_down": _notes("Gb4 B3 Eb4 Ab4"),
}

INSTRUMENTS: dict[str, Instrument] = {
    instrument.name: instrument
    for instrument in (
        Instrument("acoustic_guitar", 20, _GUITAR),
        Instrument("electric_guitar", 24, _GUITAR),
        Instrument("classical_guitar", 19, _GUITAR),
        Instrument("bass_guitar", 24, _BASS),
        Instrument("ukulele", 18, _UKULELE),
    )
}
