"""From chord symbols to pitches (MIDI note numbers, C4 = 60)."""

from __future__ import annotations

from core.theory.chords import Chord

MOST_TONES = 5
"""Tones of a chord played at once; beyond these a hand, and a guitar, leave some out."""
_THIRD, _FIFTH = 4, 7
_LOWEST_BASS = 28
"""E1, 41 Hz, the low string of a bass guitar: its octave up to D♯2 lies around 55 Hz."""


def essential_intervals(chord: Chord) -> tuple[int, ...]:
    """At most ``MOST_TONES`` intervals: the fifth goes first, then what lies under the highest extension."""
    intervals = list(chord.intervals)
    if len(intervals) > MOST_TONES:
        intervals.remove(_FIFTH)
    while len(intervals) > MOST_TONES:
        del intervals[-2]
    return tuple(intervals)


def pitch_above(pitch_class: int, lowest: int) -> int:
    """The pitch of a class in the octave that begins at ``lowest``."""
    return lowest + (pitch_class - lowest) % 12


def voicing(chord: Chord, lowest: int) -> list[int]:
    """The chord's tones in close position within the octave from ``lowest``, ascending.

    Every chord lies in the same octave, so common tones stay and the others move by step, as a player would.
    """
    return sorted(pitch_above((chord.root + interval) % 12, lowest) for interval in essential_intervals(chord))


def tone_of(chord: Chord, number: int, lowest: int) -> int:
    """The ``number``-th tone of the voicing, counted from 1; past the last it goes on an octave higher."""
    pitches = voicing(chord, lowest)
    octave, place = divmod(number - 1, len(pitches))
    return pitches[place] + 12 * octave


def bass_pitch(chord: Chord) -> int:
    """The lowest note: the root or the slash bass, 41 to 78 Hz."""
    return pitch_above(chord.bass, _LOWEST_BASS)


def bass_degree(chord: Chord, degree: str, following: Chord) -> int:
    """The pitch of a bass lane: ``root``, ``third``, ``fifth``, ``octave``, or ``approach``.

    The approach note lies a semitone under the next chord's bass, or over it where the line comes from above. A chord
    without a third or a fifth gives its nearest tone.
    """
    lowest = bass_pitch(chord)
    match degree:
        case "third" | "fifth":
            interval = _nearest(chord, _THIRD if degree == "third" else _FIFTH)
            return pitch_above(chord.root, _LOWEST_BASS) + interval
        case "octave":
            return lowest + 12
        case "approach":
            target = bass_pitch(following)
            return target + 1 if lowest > target else target - 1
        case _:
            return lowest


def nearest_tone(chord: Chord, target: float) -> int:
    """The chord tone closest to a pitch, the lower of two equally close."""
    pitches = voicing(chord, round(target) - 6)
    return min((*pitches, *(pitch + 12 for pitch in pitches)), key=lambda pitch: abs(pitch - target))


def _nearest(chord: Chord, interval: int) -> int:
    return min(chord.intervals, key=lambda tone: abs(tone - interval))
