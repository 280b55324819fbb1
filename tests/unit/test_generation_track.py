"""From a model's samples to a file: its rate, its channels, its length and its level."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from core.audio.conversion import Conversion
from core.audio.loudness import LoudnessMeter
from core.errors import EngineFailed, NotFinite
from core.generation.track import Delivery, Levelled, StemTrack
from core.ports import StemRequest
from tests.songs import decoded
from tests.toy_engine import ToyEngine, samples_of

if TYPE_CHECKING:
    from core.ports import Block


def request(seconds: float, seed: int = 1) -> StemRequest:
    return StemRequest("bass", seconds, 120.0, "rock", ("C",), "", 1.0, seed)


def delivered(samples: Block, source_rate: int, delivery: Delivery, block_frames: int = 9999) -> tuple[Block, Levelled]:
    """The file that comes of the samples ``[C, T]``, and what was measured of it."""
    renderer = ToyEngine(source_rate, samples.shape[0])
    with StemTrack(request(samples.shape[1] / source_rate), renderer, delivery) as track:
        for start in range(0, samples.shape[1], block_frames):
            track.add(samples[:, start : start + block_frames])
        assert track.complete
        levelled = track.level()
        content = b"".join(track.pieces())
    assert len(content) == levelled.size_bytes
    file, sample_rate = decoded(content)
    assert sample_rate == delivery.sample_rate
    return file, levelled


def tone(frequency: float, seconds: float, sample_rate: int, amplitude: float = 0.5) -> Block:
    phase = 2 * np.pi * frequency * np.arange(round(seconds * sample_rate)) / sample_rate
    return (amplitude * np.sin(phase)).astype(np.float32)[np.newaxis]


@pytest.mark.parametrize("seconds", [0.5, 1.2345678, 3.0])
@pytest.mark.parametrize(
    ("source", "target"), [(44100, 44100), (32000, 44100), (32000, 96000), (44100, 16000), (48000, 22050)]
)
def test_a_file_has_exactly_the_frames_that_its_length_takes(source: int, target: int, seconds: float) -> None:
    renderer = ToyEngine(source, 1)
    with StemTrack(request(seconds), renderer, Delivery(target, 2, None)) as track:
        completed = [track.add(block) for block in np.array_split(samples_of(request(seconds), source, 1), 7, axis=1)]
        assert completed == [False] * 6 + [True]
        track.level()
        file, _ = decoded(b"".join(track.pieces()))
    assert file.shape == (2, round(seconds * target)) == (2, track.frames)


@pytest.mark.parametrize(("source", "target"), [(32000, 44100), (44100, 32000), (24000, 96000)])
def test_another_rate_moves_no_sample_and_changes_no_tone(source: int, target: int) -> None:
    file, _ = delivered(tone(440, 2.0, source), source, Delivery(target, 1, None))
    expected = tone(440, 2.0, target, amplitude=0.8)
    inside = slice(target // 10, -target // 10)  # the edges ring, for the tone begins at once
    np.testing.assert_allclose(file[:, inside], expected[:, inside], atol=5e-3)


def test_a_files_bytes_do_not_depend_on_how_its_samples_came() -> None:
    samples = samples_of(request(3.0), 32000, 1)
    delivery = Delivery(44100, 2, -16.0)
    files = [delivered(samples, 32000, delivery, block_frames)[1].sha256 for block_frames in (640, 9999, 96000)]
    assert len(set(files)) == 1


def test_mono_stands_on_both_sides_and_stereo_becomes_their_mean() -> None:
    left, right = tone(300, 1.0, 44100), tone(500, 1.0, 44100, 0.25)
    stereo, _ = delivered(left, 44100, Delivery(44100, 2, None))
    assert np.array_equal(stereo[0], stereo[1])
    assert np.array_equal(Conversion(44100, 1, 44100, 2).add(left), np.concatenate((left, left)))
    mono, levelled = delivered(np.concatenate((left, right)), 44100, Delivery(44100, 1, None))
    gain = 10 ** (levelled.gain_db / 20)
    np.testing.assert_allclose(mono, gain * (left + right) / 2, atol=1e-4)


def test_without_a_loudness_the_largest_sample_is_0_8() -> None:
    file, levelled = delivered(samples_of(request(2.0), 44100, 2), 44100, Delivery(44100, 2, None))
    assert np.abs(file).max() == pytest.approx(0.8, abs=2**-15)
    assert levelled.loudness.true_peak_dbtp == pytest.approx(20 * math.log10(0.8), abs=1.0)


@pytest.mark.parametrize("channels", [1, 2])
@pytest.mark.parametrize("target_lufs", [-40.0, -23.0, -16.0])
@pytest.mark.parametrize("source", [32000, 44100])
def test_a_loudness_is_reached_within_a_tenth(source: int, target_lufs: float, channels: int) -> None:
    file, levelled = delivered(samples_of(request(4.0), source, 1), source, Delivery(44100, channels, target_lufs))
    meter = LoudnessMeter(44100, channels)
    meter.add(file)
    heard = meter.result()
    assert heard.integrated_lufs == pytest.approx(target_lufs, abs=0.1)
    assert levelled.loudness.integrated_lufs == pytest.approx(heard.integrated_lufs, abs=0.01)
    assert levelled.loudness.true_peak_dbtp == pytest.approx(heard.true_peak_dbtp, abs=0.01)


def test_a_true_peak_never_passes_the_ceiling() -> None:
    clicks = samples_of(request(4.0), 44100, 2)
    clicks[:, 4410::22050] = 0.9  # far above the rest
    file, levelled = delivered(clicks, 44100, Delivery(44100, 2, -5.0))
    meter = LoudnessMeter(44100, 2)
    meter.add(file)
    heard = meter.result()
    assert heard.true_peak_dbtp == pytest.approx(-1, abs=0.01)
    assert heard.integrated_lufs is not None and heard.integrated_lufs < -5.5
    assert levelled.loudness.integrated_lufs == pytest.approx(heard.integrated_lufs, abs=0.01)


@pytest.mark.parametrize("loudness_lufs", [None, -16.0])
def test_silence_stays_silence(loudness_lufs: float | None) -> None:
    silence = np.zeros((1, 64000), np.float32)
    file, levelled = delivered(silence, 32000, Delivery(44100, 2, loudness_lufs))
    assert not file.any()
    assert (levelled.gain_db, levelled.loudness.integrated_lufs, levelled.loudness.true_peak_dbtp) == (0.0, None, None)


def test_what_is_too_soft_for_the_meter_is_left_as_it_is() -> None:
    hum = tone(100, 2.0, 44100, amplitude=10 ** (-80 / 20))
    _, levelled = delivered(hum, 44100, Delivery(44100, 2, -16.0))
    assert levelled.gain_db == 0.0


@pytest.mark.parametrize(
    ("spoiled", "error", "detail"),
    [
        (np.full((1, 100), np.nan, np.float32), NotFinite, "not finite"),
        (np.full((1, 100), np.inf, np.float32), NotFinite, "not finite"),
        (np.zeros((2, 100), np.float32), EngineFailed, r"must be \[1, T\], not \(2, 100\)"),
        (np.zeros(100, np.float32), EngineFailed, r"not \(100,\)"),
        (np.zeros((1, 16001), np.float32), EngineFailed, "more samples than were asked for"),
    ],
)
def test_samples_that_no_engine_should_make_fail(spoiled: Any, error: type[Exception], detail: str) -> None:
    with StemTrack(request(0.5), ToyEngine(), Delivery(44100, 2, None)) as track, pytest.raises(error, match=detail):
        track.add(spoiled)
