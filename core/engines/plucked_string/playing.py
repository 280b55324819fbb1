"""One note from its first touch to its last frame."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from core.audio.waveform import db_to_gain, fade_curve, gain_for_peak, peak
from core.engines.plucked_string.curves import Clock, clock, ratios
from core.engines.plucked_string.drive import overdrive
from core.engines.plucked_string.instruments import VOICES
from core.engines.plucked_string.modes import Sound
from core.engines.plucked_string.strokes import Stroke, Touch, strokes
from core.engines.plucked_string.tone import tone_of
from core.engines.plucked_string.vibration import Vibration, vibration
from core.engines.synth.oscillators import frames_of

if TYPE_CHECKING:
    from core.ports import NoteRequest

LOUDEST_DB = -3.0
"""The peak of a note at velocity 1, dBFS; at velocity 0 it is ``RANGE_DB`` less, in between evenly in decibels."""
RANGE_DB = 33.0
TECHNIQUES_DB = {"palm_mute": -2.0, "dead_note": -4.0, "harmonic": -5.0}
"""How much softer a technique is than a plain pluck of the same velocity."""

_CHANGE_SECONDS = 0.004
"""How long the last vibration takes to fall silent when the next touch comes."""
_DAMPING_SECONDS, _ENDING_SECONDS = 0.08, 0.005
"""How long a note takes to end: damped by the hand, and if it is left to ring."""
_DRIFT = 0.04
"""How far the hand strays from its usual place, beside the place's distance from the bridge."""


def play(note: NoteRequest) -> Sound:
    """The note, ``[2, T]``; its first sample and its last are 0."""
    sound = _played(note)
    drive_db = tone_of(note.style).drive_db
    if drive_db and VOICES[note.instrument].amplified:
        sound = _driven(sound, drive_db, note.velocity)
    return _ended(_levelled(sound, note), "let_ring" in note.techniques)


def _played(note: NoteRequest) -> Sound:
    """All strokes in one, ``[C, T]``."""
    rng = np.random.Generator(np.random.PCG64([abs(note.seed), note.seed < 0]))
    voice, total = VOICES[note.instrument], frames_of(note.duration_seconds)
    hand = list(strokes(note, voice, drift=1 + _DRIFT * rng.uniform(-1, 1)))
    ratio = ratios(note)
    time = None if ratio is None else clock(ratio, total)
    highest = None if ratio is None else float(ratio.max())
    vibrations = {
        touch: vibration(note, touch, frames, highest, rng) for touch, frames in _lengths(hand, time, total).items()
    }
    sound = np.zeros((voice.resonator.channels, total), np.float32)
    for stroke in hand:
        part = _stroke(stroke, vibrations[stroke.touch], time, total)
        sound[:, stroke.start : stroke.start + part.shape[1]] += part
    return sound


def _stroke(stroke: Stroke, made: Vibration, time: Clock | None, total: int) -> Sound:
    """What is heard of a stroke; it dies away while the next one sets in."""
    stop = _last(stroke, total)
    own = None if time is None else time[stroke.start : stop] - time[stroke.start]
    part = made.heard(own, stop - stroke.start)
    if stop > stroke.stop:
        part[:, stroke.stop - stroke.start :] *= fade_curve(stop - stroke.stop + 1)[:0:-1]
        # a few periods that die away have a mean, and a tremolo's strokes would add up to an offset
        hump = np.hanning(part.shape[1]).astype(np.float32)
        part -= hump * (part.mean(axis=1, keepdims=True) / hump.mean())
    return part


def _last(stroke: Stroke, total: int) -> int:
    """Where a stroke is heard no more: a little after the next one."""
    return min(stroke.stop + frames_of(_CHANGE_SECONDS), total)


def _lengths(hand: list[Stroke], time: Clock | None, total: int) -> dict[Touch, int]:
    """How many frames of the string's own time each touch is needed for, with those that reading looks ahead."""
    lengths: dict[Touch, int] = {}
    for stroke in hand:
        stop = _last(stroke, total)
        span = stop - stroke.start if time is None else int(time[stop - 1] - time[stroke.start]) + 2
        lengths[stroke.touch] = max(span, lengths.get(stroke.touch, 0))
    return lengths


def _driven(sound: Sound, drive_db: float, velocity: float) -> Sound:
    """Overdriven; the softer a note, the less."""
    level = gain_for_peak(peak(sound), db_to_gain(RANGE_DB * (velocity - 1)))
    return overdrive(sound * np.float32(level), drive_db)


def _levelled(sound: Sound, note: NoteRequest) -> Sound:
    softer = sum(TECHNIQUES_DB.get(name, 0.0) for name in note.techniques)
    peak_db = LOUDEST_DB + RANGE_DB * (note.velocity - 1) + softer
    return sound * np.float32(gain_for_peak(peak(sound), db_to_gain(peak_db)))


def _ended(sound: Sound, rings: bool) -> Sound:
    """Faded to 0 at its end, in stereo."""
    frames = min(frames_of(_ENDING_SECONDS if rings else _DAMPING_SECONDS), sound.shape[1] // 4)
    sound[:, sound.shape[1] - frames :] *= fade_curve(frames)[::-1]
    sound[:, 0] = 0
    stereo: NDArray[np.float32] = np.ascontiguousarray(np.broadcast_to(sound, (2, sound.shape[1])))
    return stereo
