"""What of the audio that a request brings along reaches the engine."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pytest

from core.errors import CancelRequested, DamagedAudio
from core.files.inputs import Input
from core.files.source import Source
from core.files.upload import UploadedAudio
from core.generation.recordings import LONGEST_PROMPT_SECONDS, first, last, recordings
from core.ports import Recording
from core.storage.memory import MemoryBlobs
from tests.songs import encoded

if TYPE_CHECKING:
    from core.ports import Block

RATE = 16000


def ramp(frames: int, channels: int = 1) -> Block:
    return np.linspace(-0.5, 0.5, frames, dtype=np.float32) * np.ones((channels, 1), np.float32)


def recorded(name: str, samples: Block, sample_rate: int = RATE, melody_seconds: float = 5.0) -> Recording:
    blobs = MemoryBlobs()
    content = encoded(samples, RATE, subtype="FLOAT")
    blobs.write("inbox", "a.wav", lambda: iter((content,)), size_bytes=len(content), content_type="", metadata={})
    found = blobs.properties("inbox", "a.wav")
    assert found is not None
    audio = UploadedAudio(
        container="wav", codec="pcm_f32le", sample_rate=RATE, channels=samples.shape[0], duration_seconds=None
    )
    entry = Input(source=Source.of("inbox", found), audio=audio, longest_seconds=3600)
    return recordings(blobs, {name: entry}, sample_rate, melody_seconds, lambda name: None)[name]


def test_an_audio_prompt_is_its_last_twenty_seconds() -> None:
    samples = ramp(25 * RATE + 7, 2)
    prompt = recorded("audio_prompt", samples)
    assert prompt.sample_rate == RATE
    assert np.array_equal(prompt.samples, samples[:, -round(LONGEST_PROMPT_SECONDS * RATE) :])


def test_a_melody_is_as_long_as_what_is_made_of_it() -> None:
    samples = ramp(8 * RATE)
    assert np.array_equal(recorded("melody", samples).samples, samples[:, : 5 * RATE])


@pytest.mark.parametrize("name", ["audio_prompt", "melody"])
def test_a_short_recording_is_taken_whole_at_the_models_rate(name: str) -> None:
    samples = ramp(3 * RATE)
    assert np.array_equal(recorded(name, samples).samples, samples)
    resampled = recorded(name, samples, 32000)
    assert (resampled.sample_rate, resampled.samples.shape) == (32000, (1, 6 * RATE))
    np.testing.assert_allclose(resampled.samples[0, 2000:-2000:2], samples[0, 1000:-1000], atol=1e-3)


@pytest.mark.parametrize("frames", [1, 9, 10, 11, 35, 40])
def test_the_ends_are_cut_out_of_blocks_of_any_size(frames: int) -> None:
    samples = ramp(35)
    blocks = np.split(samples, [10, 11, 30], axis=1)
    assert np.array_equal(first(iter(blocks), frames), samples[:, :frames])
    assert np.array_equal(last(iter(blocks), frames), samples[:, -frames:])


def test_reading_stops_when_the_job_does() -> None:
    def stop(name: str) -> None:
        raise CancelRequested

    blobs = MemoryBlobs()
    content = encoded(ramp(RATE), RATE)
    blobs.write("inbox", "a.wav", lambda: iter((content,)), size_bytes=len(content), content_type="", metadata={})
    found = blobs.properties("inbox", "a.wav")
    assert found is not None
    audio = UploadedAudio(container="wav", codec="pcm_s16le", sample_rate=RATE, channels=1, duration_seconds=1.0)
    entry = Input(source=Source.of("inbox", found), audio=audio, longest_seconds=3600)
    with pytest.raises(CancelRequested):
        recordings(blobs, {"melody": entry}, RATE, 1.0, stop)


def test_an_error_that_only_decoding_finds_says_which_recording_it_is() -> None:
    blobs = MemoryBlobs()
    content = encoded(ramp(RATE), RATE)[:100]
    blobs.write("inbox", "a.wav", lambda: iter((content,)), size_bytes=len(content), content_type="", metadata={})
    found = blobs.properties("inbox", "a.wav")
    assert found is not None
    audio = UploadedAudio(container="wav", codec="pcm_s16le", sample_rate=RATE, channels=1, duration_seconds=1.0)
    entry = Input(source=Source.of("inbox", found), audio=audio, longest_seconds=3600)
    with pytest.raises(DamagedAudio, match=r"^melody: a\.wav: "):
        recordings(blobs, {"melody": entry}, RATE, 1.0, lambda name: None)
