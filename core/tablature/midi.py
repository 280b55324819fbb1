"""Tabs as a Standard MIDI File of one track."""

from __future__ import annotations

from collections.abc import Iterator

from core.audio import midi
from core.tablature.alphatex import PROGRAMS
from core.tablature.score import Beat, Score

TICKS_PER_QUARTER = 480
_TICKS_PER_EIGHTH = TICKS_PER_QUARTER // 2
_TICKS_BETWEEN_STRINGS = 8
"""A strum meets one string after another: some 10 ms at 100 beats a minute."""

_VELOCITIES = {"down": 92, "up": 78, None: 88}


def midi_file(score: Score) -> bytes:
    """The notes of the tab; every one ends with its beat."""
    head = (midi.tempo(60 / score.tempo_bpm), midi.time_signature(4), midi.program(PROGRAMS[score.instrument]))
    events = [*((0, message) for message in head), *_notes(score)]
    return midi.midi_file([events], len(score.bars) * 8 * _TICKS_PER_EIGHTH, TICKS_PER_QUARTER)


def _notes(score: Score) -> Iterator[midi.Event]:
    start = 0
    for bar in score.bars:
        for beat in bar.beats:
            end = start + beat.eighths * _TICKS_PER_EIGHTH
            for pitch, delay in _struck(beat):
                yield start + delay, midi.note_on(pitch, _VELOCITIES[beat.stroke])
                yield end, midi.note_off(pitch)
            start = end


def _struck(beat: Beat) -> Iterator[tuple[int, int]]:
    """Each pitch once, and by how many ticks it is late; two strings of one pitch are one note in a MIDI channel."""
    notes = beat.notes[::-1] if beat.stroke == "up" else beat.notes
    pitches = dict.fromkeys(note.pitch for note in notes)
    for index, pitch in enumerate(pitches):
        yield pitch, index * _TICKS_BETWEEN_STRINGS if beat.stroke else 0
