"""Standard MIDI Files (RP-001, MIDI Manufacturers Association 1996): messages at ticks, written as tracks."""

from __future__ import annotations

import struct
from collections.abc import Iterable, Sequence

NOTE_OFF, NOTE_ON, PROGRAM = 0x80, 0x90, 0xC0
DRUM_CHANNEL = 9
"""Counted from 0: the channel of percussion in General MIDI."""

SLOWEST_QUARTER_SECONDS = (2**24 - 1) / 1e6
"""The longest quarter note that a tempo can say."""

Event = tuple[int, bytes]
"""A message and the tick, from the start of its track, at which it comes."""

_META = 0xFF
_TEXT, _TRACK_NAME, _MARKER, _END_OF_TRACK, _TEMPO, _TIME_SIGNATURE, _KEY_SIGNATURE = 1, 3, 6, 0x2F, 0x51, 0x58, 0x59
_ORDER = {_META: 0, NOTE_OFF: 1, PROGRAM: 2, NOTE_ON: 3}


def midi_file(tracks: Sequence[Iterable[Event]], end: int, ticks_per_quarter: int) -> bytes:
    """One track in format 0, several that sound together in format 1; each lasts ``end`` ticks or to its last message.

    At the same tick what ends comes before what begins, which may be the same pitch. Channel messages that are alike,
    and what is no channel message, stay in their order.
    """
    header = struct.pack(">4sIHHH", b"MThd", 6, int(len(tracks) > 1), len(tracks), ticks_per_quarter)
    return header + b"".join(_track(events, end) for events in tracks)


def note_on(pitch: int, velocity: int, channel: int = 0) -> bytes:
    """Begin a note: ``pitch`` and ``velocity`` 0 to 127, the latter at least 1."""
    return bytes((NOTE_ON | channel, pitch, velocity))


def note_off(pitch: int, channel: int = 0) -> bytes:
    """End it."""
    return bytes((NOTE_OFF | channel, pitch, 0))


def program(number: int, channel: int = 0) -> bytes:
    """Choose an instrument of General MIDI, counted from 0."""
    return bytes((PROGRAM | channel, number))


def tempo(quarter_seconds: float) -> bytes:
    """How long a quarter note is, to the microsecond."""
    return _meta(_TEMPO, round(quarter_seconds * 1e6).to_bytes(3, "big"))


def time_signature(quarters: int) -> bytes:
    """So many quarters a bar: 1 to 255."""
    return _meta(_TIME_SIGNATURE, bytes((quarters, 2, 24, 8)))


def key_signature(sharps: int, minor: bool) -> bytes:
    """So many sharps, or flats if negative: −7 to 7."""
    return _meta(_KEY_SIGNATURE, struct.pack(">bB", sharps, minor))


def track_name(name: str) -> bytes:
    """What the track is called."""
    return _meta(_TRACK_NAME, name.encode())


def marker(text: str) -> bytes:
    """A name for a place in the music; it belongs into the first track."""
    return _meta(_MARKER, text.encode())


def text(words: str) -> bytes:
    """Words at a place in the track."""
    return _meta(_TEXT, words.encode())


def _meta(kind: int, content: bytes) -> bytes:
    return bytes((_META, kind)) + _variable_length(len(content)) + content


def _track(events: Iterable[Event], end: int) -> bytes:
    track = bytearray()
    now = 0
    ordered = sorted(events, key=_order)
    end = max(end, ordered[-1][0]) if ordered else end
    for ticks, message in [*ordered, (end, _meta(_END_OF_TRACK, b""))]:
        track += _variable_length(ticks - now) + message
        now = ticks
    return struct.pack(">4sI", b"MTrk", len(track)) + bytes(track)


def _order(event: Event) -> tuple[int, int]:
    ticks, message = event
    return ticks, _ORDER[message[0] if message[0] == _META else message[0] & 0xF0]


def _variable_length(number: int) -> bytes:
    """Seven bits a byte, the highest first; the eighth says that more follow."""
    encoded = [number & 0x7F]
    while number := number >> 7:
        encoded.append(number & 0x7F | 0x80)
    return bytes(reversed(encoded))
