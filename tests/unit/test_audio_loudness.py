import time

import numpy as np
import pyloudnorm
import pytest
import soxr
from numpy.typing import NDArray

from core.audio.loudness import Loudness, LoudnessMeter
from core.audio.truepeak import TruePeakMeter
from core.audio.waveform import gain_to_db
from tests.audio_files import music

RATES = (8000, 11025, 22050, 44100, 48000, 96000, 192000)


def measured(audio: NDArray[np.float32], sample_rate: int, block_frames: int = 9999) -> Loudness:
    meter = LoudnessMeter(sample_rate, audio.shape[0])
    for start in range(0, audio.shape[1], block_frames):
        meter.add(audio[:, start : start + block_frames])
    return meter.result()


def swelling(sample_rate: int, channels: int) -> NDArray[np.float32]:
    """Six seconds from very soft to loud, so that the gates have work to do."""
    audio = music(6, sample_rate, channels)
    return audio * np.geomspace(0.001, 2, audio.shape[1]).astype(np.float32)


@pytest.mark.parametrize("channels", [1, 2])
@pytest.mark.parametrize("sample_rate", RATES)
def test_agrees_with_another_implementation_of_bs_1770(sample_rate: int, channels: int) -> None:
    audio = swelling(sample_rate, channels)
    # the filters of BS.1770 derived for any rate; pyloudnorm's default ones drift by 0.2 LU at 8 kHz
    meter = pyloudnorm.Meter(sample_rate, filter_class="DeMan")
    assert measured(audio, sample_rate).integrated_lufs == pytest.approx(
        meter.integrated_loudness(audio.T.astype(np.float64)), abs=0.1
    )


@pytest.mark.parametrize("sample_rate", [44100, 48000])
def test_agrees_with_the_default_filters_of_the_other_implementation_at_common_rates(sample_rate: int) -> None:
    audio = swelling(sample_rate, 2)
    reference = pyloudnorm.Meter(sample_rate).integrated_loudness(audio.T.astype(np.float64))
    assert measured(audio, sample_rate).integrated_lufs == pytest.approx(reference, abs=0.1)


def test_a_sine_at_full_scale_in_both_channels_measures_as_ebu_tech_3341_says() -> None:
    sine = np.sin(2 * np.pi * 1000 * np.arange(20 * 48000) / 48000) * 10 ** (-23 / 20)
    loudness = measured(np.stack((sine, sine)).astype(np.float32), 48000)
    assert loudness.integrated_lufs == pytest.approx(-23, abs=0.1)
    assert loudness.true_peak_dbtp == pytest.approx(-23, abs=0.05)


def tones(*levels_dbfs: float, seconds: float, sample_rate: int = 48000) -> NDArray[np.float32]:
    """1 kHz in both channels, so long at each level."""
    tone = np.sin(2 * np.pi * 1000 * np.arange(round(seconds * sample_rate)) / sample_rate)
    one = np.concatenate([tone * 10 ** (level / 20) for level in levels_dbfs])
    return np.stack((one, one)).astype(np.float32)


@pytest.mark.parametrize(
    ("levels_dbfs", "range_lu"),
    [((-20, -30), 10), ((-20, -15), 5), ((-40, -20), 20), ((-50, -35, -20, -35, -50), 15)],
)
def test_the_range_of_the_tones_of_ebu_tech_3342_is_what_it_says(
    levels_dbfs: tuple[float, ...], range_lu: float
) -> None:
    """Table 1, cases 1 to 4, which allow 1 LU."""
    found = measured(tones(*levels_dbfs, seconds=20), 48000).range_lu
    assert found == pytest.approx(range_lu, abs=0.1)


@pytest.mark.parametrize("seconds", [3.0, 3.1, 3.5, 4.0, 20.0])
def test_what_stays_as_loud_has_no_range(seconds: float) -> None:
    assert measured(tones(-20, seconds=seconds), 48000).range_lu == pytest.approx(0, abs=0.02)


def test_less_than_three_seconds_and_silence_have_no_measured_range() -> None:
    assert measured(tones(-20, seconds=2.9), 48000).range_lu is None
    assert measured(tones(-90, seconds=5), 48000).range_lu is None


def test_pauses_do_not_widen_the_range() -> None:
    """The gates leave out what is 20 LU softer than the whole."""
    played = tones(-20, -26, seconds=20)
    paused = np.concatenate((played, tones(-60, seconds=30)), axis=1)
    alone, together = measured(played, 48000).range_lu, measured(paused, 48000).range_lu
    assert alone == pytest.approx(6, abs=0.1)
    assert together == pytest.approx(6, abs=0.5)


@pytest.mark.parametrize("sample_rate", RATES)
def test_the_true_peak_is_that_of_a_sixteenfold_resampling(sample_rate: int) -> None:
    audio = np.pad(swelling(sample_rate, 2), ((0, 0), (500, 500)))
    dense = soxr.resample(audio.T.astype(np.float64), sample_rate, 16 * sample_rate, quality="VHQ")
    expected = gain_to_db(float(np.abs(dense).max()))
    assert measured(audio, sample_rate).true_peak_dbtp == pytest.approx(expected, abs=0.2)


@pytest.mark.parametrize("frequency", [0.25, 0.3, 0.4, 0.45])
@pytest.mark.parametrize("phase", [0.0, np.pi / 4, 1.0])
def test_finds_the_peak_of_a_tone_between_its_samples(frequency: float, phase: float) -> None:
    time = np.arange(20000)
    tone = 0.5 * np.sin(2 * np.pi * frequency * time + phase) * np.minimum(1, np.minimum(time, time[::-1]) / 2000)
    meter = TruePeakMeter(1)
    meter.add(tone[np.newaxis].astype(np.float32))
    assert gain_to_db(meter.finish()) == pytest.approx(gain_to_db(0.5), abs=0.2)


def test_a_peak_that_no_sample_shows_is_found() -> None:
    tone = np.sin(np.pi / 2 * np.arange(20000) + np.pi / 4).astype(np.float32)[np.newaxis]
    ramp = np.minimum(1, np.arange(20000) / 2000).astype(np.float32)
    assert gain_to_db(float(tone.max())) == pytest.approx(-3.01, abs=0.01)
    assert measured(tone * ramp, 44100).true_peak_dbtp == pytest.approx(0, abs=0.1)


def test_leaving_out_what_cannot_hold_the_peak_changes_nothing() -> None:
    rng = np.random.default_rng(3)
    audio = (rng.standard_normal((2, 100_000)) * rng.uniform(0, 0.4, 100_000)).astype(np.float32)
    skipping, thorough = TruePeakMeter(2), TruePeakMeter(2)
    thorough._largest_gain = np.inf
    for meter in (skipping, thorough):
        meter.add(audio)
    assert skipping.finish() == thorough.finish()


@pytest.mark.parametrize("block_frames", [1, 7, 4096, 10**6])
def test_the_measures_do_not_depend_on_the_blocks(block_frames: int) -> None:
    audio = music(3.4 if block_frames > 1 else 0.6, 8000, 2)
    whole, parts = measured(audio, 8000, audio.shape[1]), measured(audio, 8000, block_frames)
    assert parts.integrated_lufs == whole.integrated_lufs
    assert parts.range_lu == whole.range_lu
    assert parts.true_peak_dbtp == pytest.approx(whole.true_peak_dbtp, abs=1e-5)


def test_silence_has_no_loudness_and_no_peak() -> None:
    assert measured(np.zeros((2, 44100), np.float32), 44100) == Loudness(None, None, None)
    assert LoudnessMeter(44100, 1).result() == Loudness(None, None, None)


def test_too_little_for_the_gate_has_a_peak_alone() -> None:
    loudness = measured(music(0.3, 44100, 2), 44100)
    assert loudness.integrated_lufs is None
    assert loudness.true_peak_dbtp == pytest.approx(-6, abs=3)


def test_samples_beyond_full_scale_count_in_full() -> None:
    soft = measured(music(1, 44100, 2), 44100)
    loud = measured(10 * music(1, 44100, 2), 44100)
    assert soft.integrated_lufs is not None and soft.true_peak_dbtp is not None
    assert loud.integrated_lufs == pytest.approx(soft.integrated_lufs + 20, abs=0.01)
    assert loud.true_peak_dbtp == pytest.approx(soft.true_peak_dbtp + 20, abs=0.01)


def cpu_seconds(block: np.ndarray, times: int = 20) -> float:
    """What it takes to measure the block again and again, at best."""
    found = []
    for _ in range(3):
        meter = LoudnessMeter(44100, block.shape[0])
        started = time.process_time()
        for _ in range(times):
            meter.add(block)
        found.append(time.process_time() - started)
    return min(found)


def test_silence_between_sounds_costs_no_more_than_sound() -> None:
    sound = np.random.default_rng(0).normal(0, 0.1, (1, 44100)).astype(np.float32)
    with_silence = sound.copy()
    with_silence[:, 2000:] = 0
    assert cpu_seconds(with_silence) < 2 * cpu_seconds(sound)
