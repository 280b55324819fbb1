"""The fast path (tables read by integer phase, sounds made once, float32 blocks) against the plain one.

Plain means: every sine by ``np.sin`` in float64, every note made anew, one buffer for the whole stem. The tolerances
are absolute, at full scale 1, about twice what was measured; what there is comes from reading tables by linear
interpolation and from rounding a frequency to 32 bits, which shifts the k-th harmonic by k · 10⁻⁵ turns in two seconds.
"""

import math
from collections.abc import Callable

import numpy as np
import pytest
from numpy.typing import NDArray

from core.engines.synth.mixing import SoundCache, mix, pan_gains
from core.engines.synth.oscillators import SAMPLE_RATE
from core.engines.synth.score import Score
from core.engines.synth.voices import Colour, bass, guitar, mallet, pad, piano, vocals, voice_for
from core.theory.notes import frequency_of
from tests.unit.synth_measures import STEMS, STYLES, request

Plain = NDArray[np.float64]
HELD = 2 * SAMPLE_RATE
BRIGHTNESS = 0.3


def times(release_seconds: float) -> Plain:
    return np.arange(HELD + round(release_seconds * SAMPLE_RATE)) / SAMPLE_RATE


def sines(turns: Plain, amplitudes: list[float] | tuple[float, ...]) -> Plain:
    return sum(a * np.sin(2 * np.pi * k * turns) for k, a in enumerate(amplitudes, start=1))  # type: ignore[return-value]


def edges(sound: Plain, attack_seconds: float, release_seconds: float) -> Plain:
    rise, fall = round(attack_seconds * SAMPLE_RATE), round(release_seconds * SAMPLE_RATE)
    gains = np.ones(len(sound))
    gains[:rise] = np.sin(np.pi / 2 * np.arange(rise) / rise) ** 2
    gains[len(sound) - fall :] *= (np.sin(np.pi / 2 * np.arange(fall) / fall) ** 2)[::-1]
    return sound * gains


def plain_bass(pitch: int) -> Plain:
    time = times(bass.RELEASE_SECONDS)
    envelope = edges(bass.LEVEL * np.exp(-time / 2), 0.006, bass.RELEASE_SECONDS)
    sound = sines(frequency_of(pitch) * time, bass.amplitudes(BRIGHTNESS)) * envelope
    return sound - envelope * sound.mean() / envelope.mean()


def plain_guitar(pitch: int) -> Plain:
    time, drive = times(guitar.RELEASE_SECONDS), guitar.DRIVES["rock"]
    string = sines(frequency_of(pitch) * time, guitar.amplitudes(BRIGHTNESS)) * np.exp(-time / 1.1)
    return edges(guitar.LEVEL * np.tanh(2 * drive * string) / math.tanh(2 * drive), 0.003, guitar.RELEASE_SECONDS)


def plain_vocals(pitch: int) -> Plain:
    """The middle; the sides are the same with another pitch."""
    time, frequency_hz = times(vocals.RELEASE_SECONDS), frequency_of(pitch)
    after = np.maximum(time - vocals.VIBRATO_DELAY_SECONDS, 0)
    deviation_hz = frequency_hz * (2 ** (vocals.VIBRATO_CENTS / 1200) - 1)
    swing = deviation_hz / (2 * np.pi * vocals.VIBRATO_HZ) * np.sin(2 * np.pi * vocals.VIBRATO_HZ * after)
    buzz = sines(frequency_hz * time + swing, vocals.amplitudes(frequency_hz, BRIGHTNESS))
    return edges(vocals.LEVEL * buzz, 0.04, vocals.RELEASE_SECONDS)


def plain_piano(pitch: int) -> Plain:
    time = times(piano.RELEASE_SECONDS)
    sound = np.zeros_like(time)
    for k in range(1, piano.PARTIALS + 1):
        hz, amplitude, decay_seconds = piano.partial(frequency_of(pitch), k, BRIGHTNESS)
        sound += piano.LEVEL * amplitude * np.exp(-time / decay_seconds) * np.sin(2 * np.pi * hz * time)
    return edges(sound, 0.003, piano.RELEASE_SECONDS)


def plain_pad(pitch: int) -> Plain:
    """The middle; the sides are the same with another pitch."""
    sound = sines(frequency_of(pitch) / 2 * times(pad.RELEASE_SECONDS), pad.amplitudes(BRIGHTNESS))
    return edges(pad.LEVEL * sound, 0.1, pad.RELEASE_SECONDS)


def plain_mallet(pitch: int) -> Plain:
    time, hz = times(mallet.RING_SECONDS), frequency_of(pitch)
    bar = np.sin(2 * np.pi * hz * time) * np.exp(-time / 0.45)
    strike = np.sin(2 * np.pi * mallet.OVERTONE * hz * time) * np.exp(-time / 0.05)
    return edges(mallet.LEVEL * (bar + (0.3 + 0.1 * BRIGHTNESS) * strike), 0.002, mallet.RING_SECONDS)


FAST: dict[Callable[[int], Plain], Callable[[int], NDArray[np.float32]]] = {
    plain_bass: lambda pitch: bass.note(pitch, HELD, BRIGHTNESS),
    plain_guitar: lambda pitch: guitar.string(pitch, HELD, guitar.DRIVES["rock"], BRIGHTNESS, muted=False),
    plain_vocals: lambda pitch: vocals.note(pitch, HELD, BRIGHTNESS),
    plain_piano: lambda pitch: piano.key(pitch, HELD, BRIGHTNESS),
    plain_pad: lambda pitch: pad.note(pitch, HELD, 0.1, BRIGHTNESS),
    plain_mallet: lambda pitch: mallet.note(pitch, HELD, BRIGHTNESS),
}


@pytest.mark.parametrize(
    ("plain", "pitches", "tolerance"),
    [
        (plain_bass, (28, 33, 47), 2e-5),
        (plain_guitar, (52, 55, 67), 6e-5),
        (plain_vocals, (43, 53, 60), 4e-4),
        (plain_piano, (40, 57, 72), 8e-6),
        (plain_pad, (55, 67), 4e-5),
        (plain_mallet, (67, 83), 3e-6),
    ],
)
def test_a_note_is_what_its_sines_add_up_to(
    plain: Callable[[int], Plain], pitches: tuple[int, ...], tolerance: float
) -> None:
    errors = [np.max(np.abs(FAST[plain](pitch).mean(axis=0, dtype=np.float64) - plain(pitch))) for pitch in pitches]
    assert max(errors) < tolerance


@pytest.mark.parametrize("style", STYLES)
@pytest.mark.parametrize("stem", STEMS)
def test_a_mixed_stem_is_the_sum_of_its_notes(stem: str, style: str) -> None:
    stem_request = request(stem, 12, 107, style, temperature=1.0)
    score = Score(stem_request)
    voice = voice_for(stem, score.style, Colour(BRIGHTNESS), np.random.default_rng(0))
    plain = np.zeros((2, score.total_frames + 20 * SAMPLE_RATE))
    for _, notes in score.bars():
        for note in notes:
            sound = voice(note.sound, note.pitch, note.frames)
            plain[:, note.start : note.start + sound.shape[1]] += sound * pan_gains(note.pan, note.velocity)
    cached = SoundCache(voice, limit_bytes=2**20)
    fast = np.concatenate(list(mix(score.bars(), cached, score.total_frames)), axis=1)
    assert np.max(np.abs(fast - plain[:, : score.total_frames])) < 2e-7  # measured: 7.3e-8


@pytest.mark.parametrize("stem", STEMS)
@pytest.mark.parametrize("block_frames", [4410, 65536])
def test_samples_do_not_depend_on_the_blocks(stem: str, block_frames: int) -> None:
    score = Score(request(stem, 9, 173, temperature=2.0))
    voice = SoundCache(voice_for(stem, score.style, Colour(0.0), np.random.default_rng(0)))
    in_blocks = np.concatenate(list(mix(score.bars(), voice, score.total_frames, block_frames)), axis=1)
    [at_once] = mix(score.bars(), voice, score.total_frames, score.total_frames)
    np.testing.assert_array_equal(in_blocks, at_once)
