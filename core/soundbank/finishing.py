"""From what an engine played to a sound's file, and what can be measured of it."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from core.audio.conversion import Conversion
from core.audio.effects.chain import apply_to
from core.audio.levels import rounded
from core.audio.loudness import LoudnessMeter
from core.audio.pitch import measure_pitch
from core.audio.wav import encode_wav
from core.audio.waveform import CEILING, gain_to_db, peak, scale
from core.errors import EngineFailed, NotFinite
from core.soundbank.sample import CHANNELS, SAMPLE_RATE, Pitch
from core.theory.notes import cents_between, midi_of, note_name

if TYPE_CHECKING:
    from core.audio.effects.request import EffectChain
    from core.ports import Block


@dataclass(frozen=True)
class Finished:
    """A sound's file and its measures: pitch, largest sample in dBFS, loudness in LUFS; ``None`` for silence."""

    wav: bytes
    pitch: Pitch
    peak_dbfs: float | None
    loudness_lufs: float | None


def finish(
    samples: Block, sample_rate: int, effects: EffectChain, *, seconds: float, frequency_hz: float | None
) -> Finished:
    """The file of what was played: float32 ``[C, T]`` at ``sample_rate`` Hz, with effects, ``seconds`` long.

    ``frequency_hz`` is where it was asked to come to rest. Raises ``EngineFailed`` for samples that are none.
    """
    _check(samples)
    frames = round(seconds * SAMPLE_RATE)
    block = _fitted(_converted(samples, sample_rate), frames)
    if effects:
        block = _fitted(apply_to(effects, block, SAMPLE_RATE), frames)
    largest = peak(block)
    if largest > CEILING:  # effects may raise it
        block, largest = scale(block, CEILING / largest), CEILING
    meter = LoudnessMeter(SAMPLE_RATE, CHANNELS)
    meter.add(block)
    return Finished(
        wav=b"".join(encode_wav([block], frames, SAMPLE_RATE, CHANNELS)),
        pitch=pitch_of(block, frequency_hz),
        peak_dbfs=rounded(gain_to_db(largest)),
        loudness_lufs=rounded(meter.result().integrated_lufs),
    )


def pitch_of(block: Block, frequency_hz: float | None) -> Pitch:
    """What was asked, and what is heard; nothing of either for a note without a pitch."""
    if frequency_hz is None:
        return Pitch()
    note, asked = note_name(midi_of(frequency_hz)), round(frequency_hz, 3)
    measured = measure_pitch(block, SAMPLE_RATE, near_hz=frequency_hz)
    if measured is None:
        return Pitch(note=note, frequency_hz=asked)
    deviation = cents_between(measured.frequency_hz, frequency_hz)
    return Pitch(
        note=note, frequency_hz=asked, measured_hz=round(measured.frequency_hz, 3), deviation_cents=round(deviation, 2)
    )


def _check(samples: Block) -> None:
    if samples.ndim != 2 or samples.shape[0] not in (1, CHANNELS):
        raise EngineFailed(f"a note's samples must be [1 or {CHANNELS}, T], not {samples.shape}")
    if not math.isfinite(peak(samples)):
        raise NotFinite("the engine made samples that are not finite")


def _converted(samples: Block, sample_rate: int) -> Block:
    conversion = Conversion(sample_rate, samples.shape[0], SAMPLE_RATE, CHANNELS)
    return np.concatenate((conversion.add(samples), conversion.finish()), axis=1)


def _fitted(block: Block, frames: int) -> Block:
    return np.pad(block[:, :frames], ((0, 0), (0, max(frames - block.shape[1], 0))))
