"""Bass lines for a progression, one note at a time, in quarters."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from core.tablature.score import Bar, Beat, TabNote, note_at
from core.theory.chords import Chord
from core.theory.hand_movement import UnplayableChord, easiest_path
from core.theory.neck import Neck

_EIGHTHS = 2
_NOTES_OF_A_BAR = 4
_FRET = 0.1
"""For each fret away from the nut, so that low positions win."""
_CROSSING = 0.5
"""For each string that the hand crosses, in frets."""

Pitches = Callable[[Chord, Chord | None, int], list[int]]


def roots_and_fifths(chords: Sequence[Chord], neck: Neck) -> list[Bar]:
    """The bass of each chord twice, then its fifth twice, or its root, where the bass is the fifth already."""
    return _bars(chords, neck, _steady)


def walking_bass(chords: Sequence[Chord], neck: Neck) -> list[Bar]:
    """Bass, third, fifth, and a note that leads into the next chord's bass from a semitone away.

    Raises ``UnplayableChord``, as ``roots_and_fifths`` does, where one of the notes is nowhere on the neck.
    """
    return _bars(chords, neck, _walking)


def _steady(chord: Chord, following: Chord | None, lowest: int) -> list[int]:
    bass = _at_or_above(chord.bass, lowest)
    fifth = _at_or_above(_other_than_bass(chord, _fifth(chord)), bass)
    return [bass, bass, fifth, fifth]


def _walking(chord: Chord, following: Chord | None, lowest: int) -> list[int]:
    bass = _at_or_above(chord.bass, lowest)
    third = _at_or_above(_other_than_bass(chord, _third(chord)), bass)
    fifth = _at_or_above(_other_than_bass(chord, _fifth(chord)), bass)
    if following is None:
        return [bass, third, fifth, bass]
    target = _at_or_above(following.bass, lowest)
    if target < bass and fifth - 12 >= lowest:
        fifth -= 12  # the line goes where it is heading
    leads = [lead for lead in (target - 1, target + 1) if lead >= lowest and lead != fifth] or [target + 2]
    return [bass, third, fifth, min(leads, key=lambda lead: abs(lead - fifth))]


def _third(chord: Chord) -> int:
    """The second tone of the chord: its third, what is suspended in its place, or the fifth of a power chord."""
    return (chord.root + chord.intervals[1]) % 12


def _fifth(chord: Chord) -> int:
    interval = next((each for each in chord.intervals if each in (6, 7, 8)), 7)
    return (chord.root + interval) % 12


def _other_than_bass(chord: Chord, tone: int) -> int:
    return chord.root if tone == chord.bass else tone


def _at_or_above(pitch_class: int, lowest: int) -> int:
    return lowest + (pitch_class - lowest) % 12


def _bars(chords: Sequence[Chord], neck: Neck, pitches_of: Pitches) -> list[Bar]:
    lowest = min(neck.open_pitches)
    places = []
    for index, (chord, following) in enumerate(zip(chords, [*chords[1:], None], strict=True)):
        bar = [_places(pitch, neck) for pitch in pitches_of(chord, following, lowest)]
        if not all(bar):
            raise UnplayableChord(index, chord, neck)
        places += bar
    notes = easiest_path(places, lambda note: _FRET * note.fret, _movement)
    return [
        Bar(chord.symbol, tuple(Beat((note,), _EIGHTHS) for note in notes[start : start + _NOTES_OF_A_BAR]))
        for chord, start in zip(chords, range(0, len(notes), _NOTES_OF_A_BAR), strict=True)
    ]


def _places(pitch: int, neck: Neck) -> list[TabNote]:
    """Every place on the neck where the pitch is, or the nearest of its octaves that is there at all."""
    found = [
        note_at(neck, index, fret)
        for index, opened in enumerate(neck.open_pitches)
        for fret in range((pitch - opened) % 12, neck.highest_fret + 1, 12)
    ]
    nearest = min((abs(note.pitch - pitch) for note in found), default=0)
    return [note for note in found if abs(note.pitch - pitch) == nearest]


def _movement(before: TabNote, after: TabNote) -> float:
    shift = abs(before.fret - after.fret) if before.fret and after.fret else 0
    return shift + _CROSSING * abs(before.string - after.string)
