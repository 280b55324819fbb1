import json

import numpy as np
import pytest

from core.audio.peaks import MOST_PIXELS, PeaksMeter, samples_per_pixel_for
from tests.audio_files import Audio, music


def outline(audio: Audio, samples_per_pixel: int, block_frames: int = 1000) -> dict:
    meter = PeaksMeter(44100, audio.shape[0], samples_per_pixel)
    for start in range(0, audio.shape[1], block_frames):
        meter.add(audio[:, start : start + block_frames])
    return json.loads(meter.json())


def test_the_document_is_audiowaveforms_version_2() -> None:
    document = outline(music(1, 44100, 2), 512)
    data = document.pop("data")
    assert document == {
        "version": 2, "channels": 2, "sample_rate": 44100, "samples_per_pixel": 512, "bits": 8, "length": 87,
    }  # fmt: skip
    assert len(data) == 87 * 2 * 2
    assert all(isinstance(value, int) and -128 <= value <= 127 for value in data)


def test_each_pixel_has_the_lowest_and_the_highest_sample_of_each_channel() -> None:
    left = np.array([0, 0.5, -0.25, 0.1, -1, 1, 0, 0], np.float32)
    data = outline(np.stack((left, -left / 2)), 4)["data"]
    assert data == [-32, 64, -32, 16, -128, 127, -64, 64]


def test_the_last_pixel_may_stand_for_fewer_samples() -> None:
    document = outline(np.array([[0, 0, 0, 0, 0.5]], np.float32), 4)
    assert (document["length"], document["data"]) == (2, [0, 0, 64, 64])


@pytest.mark.parametrize("block_frames", [1, 3, 512, 44100])
def test_the_outline_does_not_depend_on_the_blocks(block_frames: int) -> None:
    audio = music(0.1, 44100, 2)
    assert outline(audio, 256, block_frames) == outline(audio, 256)


def test_samples_beyond_full_scale_are_drawn_at_full_scale() -> None:
    assert outline(np.array([[-3, 3]], np.float32), 2)["data"] == [-128, 127]


def test_no_audio_has_no_pixels() -> None:
    assert outline(np.zeros((2, 0), np.float32), 256)["data"] == []


@pytest.mark.parametrize("frames", [1, 256 * MOST_PIXELS, 256 * MOST_PIXELS + 1, 44100 * 3600, 192000 * 36000])
def test_the_outline_is_bounded_however_long_the_audio(frames: int) -> None:
    samples_per_pixel = samples_per_pixel_for(frames)
    assert frames / samples_per_pixel <= MOST_PIXELS
    assert samples_per_pixel == 256 or frames / samples_per_pixel > MOST_PIXELS / 2
