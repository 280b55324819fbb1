"""Tabs as a Standard MIDI File of format 0: one track (RP-001, MIDI Manufacturers Association 1996)."""

from __future__ import annotations

import struct
from collections.abc import Iterator

from core.tablature.alphatex import PROGRAMS
from core.tablature.score import Beat, Score

TICKS_PER_QUARTER = 480
_TICKS_PER_EIGHTH = TICKS_PER_QUARTER // 2
_TICKS_BETWEEN_STRINGS = 8
"""A strum meets one string after another: some 10 ms at 100 beats a minute."""

_NOTE_OFF, _NOTE_ON, _PROGRAM = 0x80, 0x90, 0xC0
_VELOCITIES = {"down": 92, "up": 78, None: 88}
_TEMPO = b"\xff\x51\x03"
_FOUR_FOUR = b"\xff\x58\x04\x04\x02\x18\x08"
_END_OF_TRACK = b"\xff\x2f\x00"

Event = tuple[int, bytes]


def midi_file(score: Score) -> bytes:
    """The notes of the tab; every one ends with its beat."""
    microseconds = round(60_000_000 / score.tempo_bpm)
    program = bytes((_PROGRAM, PROGRAMS[score.instrument]))
    events = [(0, _TEMPO + microseconds.to_bytes(3, "big")), (0, _FOUR_FOUR), (0, program)]
    events += sorted(_notes(score), key=_order)
    track = bytearray()
    now = 0
    for ticks, message in [*events, (len(score.bars) * 8 * _TICKS_PER_EIGHTH, _END_OF_TRACK)]:
        track += _variable_length(ticks - now) + message
        now = ticks
    header = struct.pack(">4sIHHH", b"MThd", 6, 0, 1, TICKS_PER_QUARTER)
    return header + struct.pack(">4sI", b"MTrk", len(track)) + bytes(track)


def _order(event: Event) -> tuple[int, int]:
    """What ends comes before what begins at the same time: it may be the same pitch."""
    ticks, message = event
    return ticks, message[0]


def _notes(score: Score) -> Iterator[Event]:
    start = 0
    for bar in score.bars:
        for beat in bar.beats:
            end = start + beat.eighths * _TICKS_PER_EIGHTH
            for pitch, delay in _struck(beat):
                yield start + delay, bytes((_NOTE_ON, pitch, _VELOCITIES[beat.stroke]))
                yield end, bytes((_NOTE_OFF, pitch, 0))
            start = end


def _struck(beat: Beat) -> Iterator[tuple[int, int]]:
    """Each pitch once, and by how many ticks it is late; two strings of one pitch are one note in a MIDI channel."""
    notes = beat.notes[::-1] if beat.stroke == "up" else beat.notes
    pitches = dict.fromkeys(note.pitch for note in notes)
    for index, pitch in enumerate(pitches):
        yield pitch, index * _TICKS_BETWEEN_STRINGS if beat.stroke else 0


def _variable_length(number: int) -> bytes:
    """Seven bits a byte, the highest first; the eighth says that more follow."""
    encoded = [number & 0x7F]
    while number := number >> 7:
        encoded.append(number & 0x7F | 0x80)
    return bytes(reversed(encoded))
