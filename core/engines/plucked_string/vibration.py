"""What a touch sets going, long enough for every stroke that repeats it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from core.audio.waveform import fade_curve, peak
from core.engines.plucked_string.curves import Clock, read
from core.engines.plucked_string.excitation import Modes, amplitudes, excited, held, scrape
from core.engines.plucked_string.instruments import VOICES
from core.engines.plucked_string.modes import Sound, ring
from core.engines.plucked_string.strings import HIGHEST_HZ, Partials, partials
from core.engines.plucked_string.tone import tone_of
from core.engines.synth.oscillators import SAMPLE_RATE, frames_of
from core.theory.fretboard import INSTRUMENTS
from core.theory.notes import frequency_of, parse_note

if TYPE_CHECKING:
    from core.engines.plucked_string.strokes import Touch
    from core.ports import NoteRequest

_PICKED_SECONDS, _FINGERED_SECONDS = 0.001, 0.004
"""How long it takes to let go of a string: with a pick or a nail, and with the flesh of a finger."""
_LONGEST_KNOCK_SECONDS = 1.0


@dataclass(frozen=True)
class Vibration:
    """A string that was touched.

    Attributes:
        string: what is heard of it at the pitch where it rests, ``[C, T]``.
        slope: its derivative by the frame, ``[C, T]``; ``None`` if the pitch does not move.
        knock: what is heard beside it, of the body and of the touch, whatever the pitch does, ``[C, K]``.
        onset_seconds: how long it takes to set in.
    """

    string: Sound
    slope: Sound | None
    knock: Sound
    onset_seconds: float

    def heard(self, time: Clock | None, frames: int) -> Sound:
        """The first ``frames``, ``[C, frames]``, the string along its own ``time`` if there is one; begins at 0."""
        if time is None or self.slope is None:
            sound = self.string[:, :frames].copy()
        else:
            sound = read(self.string, self.slope, time)
        knock = self.knock[:, :frames]
        sound[:, : knock.shape[1]] += knock
        rise = fade_curve(frames_of(self.onset_seconds))[:frames]
        sound[:, : rise.size] *= rise
        return sound


def vibration(
    note: NoteRequest, touch: Touch, frames: int, highest_ratio: float | None, rng: np.random.Generator
) -> Vibration:
    """The vibration of a touch for ``frames`` of the string's own time.

    ``highest_ratio`` is how high the pitch rises beside the one where it rests, ``None`` if it does not move: partials
    that this would take too high are left out.
    """
    voice, tone = VOICES[note.instrument], tone_of(note.style)
    sounding = held(_free(note, touch, HIGHEST_HZ / max(highest_ratio or 1.0, 1.0)), touch, tone, rng)
    amplitude = amplitudes(sounding, touch, voice, tone, note.velocity)
    modes, body = excited(sounding, amplitude, touch, voice)
    sound, slope = _ring_and_slope(modes, frames) if highest_ratio else (ring(*modes, frames), None)
    knock = ring(*body, min(frames, frames_of(_LONGEST_KNOCK_SECONDS)))
    if touch.scrape:
        noise = scrape(rng)[: knock.shape[1]]
        knock[:, : noise.size] += noise * np.float32(voice.scrape * peak(sound))
    return Vibration(sound, slope, knock, _PICKED_SECONDS if touch.scrape else _FINGERED_SECONDS)


def _free(note: NoteRequest, touch: Touch, highest_hz: float) -> Partials:
    """The partials of the string as it is stopped, divided and bent, if nothing else is held against it."""
    usual = parse_note(INSTRUMENTS[note.instrument].tunings["standard"][-note.string])
    string = VOICES[note.instrument].strings[-note.string]
    stiffness = string.stiffness(touch.fret, note.open_pitch - usual)
    bend = note.articulation.bend_semitones or 0.0 if "bend" in note.techniques else 0.0
    lowest_hz = frequency_of(note.open_pitch + touch.fret + bend) * touch.order
    return partials(string, stiffness, lowest_hz, touch.order, highest_hz)


def _ring_and_slope(modes: Modes, frames: int) -> tuple[Sound, Sound]:
    """The sum of the modes and its derivative by the frame."""
    both = np.concatenate([modes.weights, modes.weights * modes.poles / SAMPLE_RATE])
    sound, slope = np.split(ring(modes.poles, both, frames), 2)
    return sound, slope
