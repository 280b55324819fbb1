"""What the hands do: when the string is set going, where, how softly, and what is held against it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from itertools import pairwise
from typing import TYPE_CHECKING

from core.engines.synth.oscillators import SAMPLE_RATE, frames_of
from core.theory.techniques import natural_harmonic

if TYPE_CHECKING:
    from core.engines.plucked_string.instruments import Voice
    from core.ports import NoteRequest

_FINGERTIP = 0.12
"""No finger excites a string nearer to its end than this, in shares of what sounds."""
_TREMOLO_DRIFT = 1.15
"""Down and up strokes do not meet the string in quite the same place."""


@dataclass(frozen=True)
class Touch:
    """One excitation of the string, and how it is held; equal ones sound alike.

    Attributes:
        fret: where the string is stopped.
        order: into how many parts a finger on a node divides it; 1 if there is none.
        place: where it is excited, from the bridge, in shares of what sounds.
        level: beside a plain pluck.
        softness: by how much the touch is softer than the velocity has it; a factor of frequency.
        scrape: whether pick or nail are heard.
        palm: whether the palm lies on it; ``dead``: whether the fingers touch it all over.
    """

    fret: int
    order: int = 1
    place: float = 0.2
    level: float = 1.0
    softness: float = 1.0
    scrape: bool = True
    palm: bool = False
    dead: bool = False


@dataclass(frozen=True)
class Stroke:
    """A touch in time: frames from ``start`` to ``stop``, when the next one takes the string over."""

    start: int
    stop: int
    touch: Touch


def strokes(note: NoteRequest, voice: Voice, drift: float) -> Iterator[Stroke]:
    """Yield what happens to the string, in order. ``drift`` scales the usual place of plucking from take to take."""
    total = frames_of(note.duration_seconds)
    touch = _plucked(note, voice, drift)
    if {"hammer_on", "pull_off"} & set(note.techniques):
        yield from _slurred(note, touch, total)
    elif "tremolo" in note.techniques:
        yield from _tremolo(touch, note, total)
    else:
        yield Stroke(0, total, touch)


def _plucked(note: NoteRequest, voice: Voice, drift: float) -> Touch:
    """The first touch. A hand stays where it plucks while the other shortens the string."""
    order, fret = 1, note.fret
    if "harmonic" in note.techniques:
        natural = natural_harmonic(note.fret)
        order, fret = natural or 2, 0 if natural else note.fret
    place = note.articulation.pick_position or voice.place * drift * 2 ** (fret / 12)
    return Touch(fret, order, place, palm="palm_mute" in note.techniques, dead="dead_note" in note.techniques)


def _slurred(note: NoteRequest, touch: Touch, total: int) -> Iterator[Stroke]:
    """A pluck, and then the other hand: the hammering finger strikes the string at its end, the pulling one plucks it.

    The one that pulls does so where it was, at the fret it comes from.
    """
    origin = note.articulation.from_fret or 0
    change = min(frames_of(note.articulation.start_seconds or 0.0), total)
    yield Stroke(0, change, replace(touch, fret=origin))
    place = max(1 - 2 ** ((note.fret - origin) / 12), _FINGERTIP)
    yield Stroke(change, total, replace(touch, place=place, level=1.3, softness=0.3, scrape=False))


def _tremolo(touch: Touch, note: NoteRequest, total: int) -> Iterator[Stroke]:
    """Strokes down and up by turns; those up are lighter.

    Each begins with a period of the note, so that they add up to one tone: it is at most half a period from the beat.
    """
    up = replace(touch, place=touch.place * _TREMOLO_DRIFT, level=0.9)
    beat = SAMPLE_RATE / (note.articulation.tremolo_rate_hz or 1.0)
    period = SAMPLE_RATE / (note.sounding_hz or SAMPLE_RATE)
    starts = [round(round(index * beat / period) * period) for index in range(int(total / beat) + 2)]
    for index, (start, following) in enumerate(pairwise(starts)):
        stop = min(following, total)
        if start < stop:
            yield Stroke(start, stop, up if index % 2 else touch)
