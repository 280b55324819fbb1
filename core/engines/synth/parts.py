"""What each player makes of the steps of a bar: sounds, pitches, and where in the stereo field."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass

from core.engines.synth.harmony import bass_degree, bass_pitch, nearest_tone, tone_of, voicing
from core.engines.synth.patterns import Step
from core.theory.chords import Chord

GUITAR_LOWEST, PIANO_LOWEST, SYNTH_LOWEST, OTHER_LOWEST = 52, 57, 55, 67
"""Where each voicing begins: E3, so that the guitar lies around G3 (196 Hz); A3, G3 and G4."""
VOCALS_CENTRE, VOCALS_SPAN = 53, 5
"""The middle of the melody, F3, and how many semitones its arch goes either way."""
PHRASE_BARS = 4
_STRUM_SECONDS = 0.012
"""From one string to the next."""


@dataclass(frozen=True, slots=True)
class Bar:
    """The surroundings of a bar's steps.

    Attributes:
        beats: how many it has.
        lift: semitones by which voicings move up, so that other inversions come out; 0 in a plain take.
        contour: where in its phrase the melody starts, in turns, plus what it wanders.
    """

    index: int
    beats: int
    chord: Chord
    following: Chord
    lift: int
    contour: float


@dataclass(frozen=True, slots=True)
class Note:
    """One sound of a step. ``pan`` goes from −1 (left) to 1; ``delay_seconds`` counts from the step."""

    sound: str
    pitch: int
    pan: float = 0.0
    delay_seconds: float = 0.0


Part = Callable[[Step, Bar], Iterator[Note]]

_DRUM_PANS = {"kick": 0.0, "snare": -0.1, "rim": -0.2, "hat": 0.35, "open": 0.35, "ride": -0.4, "tom": 0.25}


def drums(step: Step, bar: Bar) -> Iterator[Note]:
    """One hit; the kit is panned as the audience sees it."""
    yield Note(step.lane, 0, pan=_DRUM_PANS[step.lane])


def bass(step: Step, bar: Bar) -> Iterator[Note]:
    """One note in the middle: two deep notes apart would beat in mono."""
    yield Note("bass", bass_degree(bar.chord, step.lane, bar.following))


def guitar(step: Step, bar: Bar) -> Iterator[Note]:
    """A strum down or up, all strings muted, or one string."""
    lowest = GUITAR_LOWEST + bar.lift
    if step.lane.isdigit():
        yield Note("string", tone_of(bar.chord, int(step.lane), lowest), pan=_spread(int(step.lane) - 1, 4))
        return
    pitches = voicing(bar.chord, lowest)
    sound = "muted" if step.lane == "mute" else "string"
    for string, pitch in enumerate(pitches):
        place = len(pitches) - 1 - string if step.lane == "up" else string
        yield Note(sound, pitch, pan=_spread(string, len(pitches)), delay_seconds=place * _STRUM_SECONDS)


def vocals(step: Step, bar: Bar) -> Iterator[Note]:
    """The chord tone nearest to an arch that rises and falls over a phrase."""
    turn = (bar.index + step.beat / bar.beats) / PHRASE_BARS + bar.contour
    yield Note("voice", nearest_tone(bar.chord, VOCALS_CENTRE + VOCALS_SPAN * math.sin(2 * math.pi * turn)))


def piano(step: Step, bar: Bar) -> Iterator[Note]:
    """The left hand's octave, the right hand's chord, or one tone of it; low notes to the left, as the player sits."""
    if step.lane == "low":
        yield Note("key", bass_pitch(bar.chord) + 12, pan=-0.4)
        return
    for pitch in _chord_or_tone(step, bar, PIANO_LOWEST):
        yield Note("key", pitch, pan=(pitch - 63) / 20)


def synth(step: Step, bar: Bar) -> Iterator[Note]:
    """The whole chord; its width is in the sound."""
    for pitch in _chord_or_tone(step, bar, SYNTH_LOWEST):
        yield Note("pad", pitch)


def other(step: Step, bar: Bar) -> Iterator[Note]:
    """Broken chords, wandering across the field."""
    number = int(step.lane)
    yield Note("mallet", tone_of(bar.chord, number, OTHER_LOWEST + bar.lift), pan=_spread((number + 1) % 4, 4))


def _chord_or_tone(step: Step, bar: Bar, lowest: int) -> list[int]:
    if step.lane == "chord":
        return voicing(bar.chord, lowest + bar.lift)
    return [tone_of(bar.chord, int(step.lane), lowest + bar.lift)]


def _spread(place: int, places: int) -> float:
    """A pan for one of several places, from −0.5 to 0.5."""
    return place / (places - 1) - 0.5 if places > 1 else 0.0


PARTS: Mapping[str, Part] = {
    "drums": drums,
    "bass": bass,
    "guitar": guitar,
    "vocals": vocals,
    "piano": piano,
    "synth": synth,
    "other": other,
}
