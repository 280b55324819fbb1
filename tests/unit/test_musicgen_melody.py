"""The melody that a MusicGen follows: pitch classes over time, as it was trained on them."""

from __future__ import annotations

import importlib
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from core.engines.musicgen.audiocraft_models import load
from core.engines.musicgen.melody import HOP_LENGTH, SAMPLE_RATE, MelodyConditioner, chroma, melody_from, strongest
from core.engines.musicgen.standins import audiocraft_models
from core.ports import Recording
from tests.demucs_models import one_thread  # noqa: F401 - a fixture, for the whole module
from tests.musicgen_models import Spectrogram, audiocraft_folder, melody_without_demucs, reference

C, A = 0, 9
FRAMES = 235  # of 30 s


class _SilentText:
    """A text encoder without T5: two tokens for whatever it is told."""

    def encode(self, description: str) -> torch.Tensor:
        return torch.zeros(2, 12)


@pytest.fixture
def conditioner() -> MelodyConditioner:
    """One whose projection changes nothing, so that the prefix is the melody itself."""
    text: Any = _SilentText()
    return MelodyConditioner(text, torch.eye(12), torch.zeros(12), 30.0)


def tone(hertz: float, seconds: float = 1.0, sample_rate: int = SAMPLE_RATE, channels: int = 1) -> Recording:
    samples = 0.3 * np.sin(2 * np.pi * hertz * np.arange(round(seconds * sample_rate)) / sample_rate)
    return Recording(np.tile(samples.astype(np.float32), (channels, 1)), sample_rate)


def tune(seconds: float = 6.0) -> Recording:
    """A different note every half second, with overtones, in noise."""
    generator = np.random.default_rng(3)
    time = np.arange(round(seconds * SAMPLE_RATE)) / SAMPLE_RATE
    semitones = generator.integers(-12, 12, int(seconds * 2) + 1)[(time * 2).astype(int)]
    phase = 2 * np.pi * np.cumsum(440 * 2 ** (semitones / 12)) / SAMPLE_RATE
    samples = np.sin(phase) + 0.5 * np.sin(2 * phase) + 0.05 * generator.standard_normal(len(time))
    return Recording((samples / 4).astype(np.float32)[None], SAMPLE_RATE)


def followed(conditioner: MelodyConditioner, melody: Recording | None) -> torch.Tensor:
    """The melody part of the prefix, ``[frames, 12]``."""
    prefix = conditioner.condition("", melody).prefix
    assert prefix is not None
    return prefix[:-2]


# Pitch


@pytest.mark.parametrize("semitone", range(12))
@pytest.mark.parametrize("octave", [3, 4, 5])
def test_a_tone_is_its_pitch_class_in_every_octave(semitone: int, octave: int) -> None:
    hertz = 440 * 2 ** ((semitone - A) / 12 + octave - 4)
    assert (chroma(torch.from_numpy(tone(hertz).samples[0])).argmax(1) == semitone).all()


@pytest.mark.parametrize("sample_rate", [8000, 22050, 44100, 48000, 192000])
@pytest.mark.parametrize("channels", [1, 2])
def test_440_hertz_are_an_a_at_every_rate(conditioner: MelodyConditioner, sample_rate: int, channels: int) -> None:
    melody = followed(conditioner, tone(440, 2.0, sample_rate, channels))
    assert melody.shape == (FRAMES, 12)
    assert (melody.argmax(1) == A).all()


def test_a_frame_names_one_pitch_class_alone() -> None:
    frames = chroma(torch.from_numpy(tune().samples[0]))
    assert len(frames) == 6 * SAMPLE_RATE // HOP_LENGTH + 1
    assert set(frames.unique().tolist()) == {0.0, 1.0}
    assert (frames.sum(1) == 1).all()
    assert len(frames.argmax(1).unique()) > 5


def test_silence_and_no_melody_are_the_same(conditioner: MelodyConditioner) -> None:
    none = followed(conditioner, None)
    assert (none.argmax(1) == C).all()
    for samples in (np.zeros((1, 0)), np.zeros((1, 1)), np.zeros((2, 50000))):
        assert torch.equal(followed(conditioner, Recording(samples.astype(np.float32), 44100)), none)
    null = conditioner.null().prefix
    assert null is not None
    assert torch.equal(null[:FRAMES], none)


def test_both_channels_count(conditioner: MelodyConditioner) -> None:
    samples = np.concatenate([tone(440).samples / 9, tone(262).samples])
    assert (followed(conditioner, Recording(samples, SAMPLE_RATE)).argmax(1) == C).all()


# Length


@pytest.mark.parametrize("seconds", [0.05, 1.0, 6.0, 29.99, 30.0, 31.0, 95.0])
def test_every_melody_is_as_long_as_the_window(conditioner: MelodyConditioner, seconds: float) -> None:
    assert followed(conditioner, tone(440, seconds)).shape == (FRAMES, 12)


def test_a_short_melody_starts_again(conditioner: MelodyConditioner) -> None:
    frames = chroma(torch.from_numpy(tune().samples[0]))
    assert torch.equal(followed(conditioner, tune()), frames.repeat(5, 1)[:FRAMES])


def test_a_long_melody_is_heard_up_to_the_windows_end(conditioner: MelodyConditioner) -> None:
    melody = tune(40.0)
    assert torch.equal(followed(conditioner, melody), chroma(torch.from_numpy(melody.samples[0]))[:FRAMES])


@settings(max_examples=50, deadline=None)
@given(frames=st.integers(1, 50), start=st.integers(0, 200), length=st.integers(0, 120))
def test_a_later_window_hears_the_melody_from_there_on_and_round_again(frames: int, start: int, length: int) -> None:
    melody = Recording(np.arange(frames, dtype=np.float32)[None], 10)
    heard = melody_from(melody, start / 10, length / 10)
    assert heard.sample_rate == 10
    assert heard.samples.tolist() == [[(start + place) % frames for place in range(length)]]


# Parity


def test_it_is_the_chroma_of_audiocraft() -> None:
    audiocraft_models()
    from audiocraft.modules.chroma import ChromaExtractor

    samples = torch.from_numpy(tune().samples)
    with melody_without_demucs():
        expected = ChromaExtractor(SAMPLE_RATE, radix2_exp=14, argmax=True)(samples)[0]
    assert torch.equal(chroma(samples[0]), expected)


@pytest.mark.parametrize("frames", [1, 3000, 16383, 16384, 100000])
def test_it_is_the_chroma_of_transformers(frames: int) -> None:
    from transformers.audio_utils import chroma_filter_bank

    theirs = importlib.import_module("transformers.models.musicgen_melody.feature_extraction_musicgen_melody")
    extractor = object.__new__(theirs.MusicgenMelodyFeatureExtractor)  # its own constructor asks for torchaudio
    extractor.n_fft = 16384
    extractor.spectrogram = Spectrogram(16384, 16384, 4096)
    extractor.chroma_filters = torch.from_numpy(chroma_filter_bank(16384, 12, SAMPLE_RATE, tuning=0)).float()
    samples = torch.from_numpy(tune().samples[0, :frames])
    assert torch.equal(chroma(samples), extractor._torch_extract_fbank_features(samples[None])[0])


def test_of_equals_the_first_is_the_strongest() -> None:
    assert strongest(torch.tensor([[1.0, 0.0, 0.0], [1.0, 0.0, 1.0], *[[0.0] * 3] * 10])).argmax(1).tolist() == [
        0,
        0,
        1,
    ]


@pytest.mark.parametrize("seconds", [0.2, 5.0, 33.0])
def test_melody_and_text_are_put_before_the_sequence_as_audiocraft_does_it(seconds: float) -> None:
    audiocraft_models()
    from audiocraft.modules.conditioners import ConditioningAttributes, WavCondition

    provider = reference(audiocraft_folder("melody")).lm.condition_provider
    melody = tune(seconds)
    samples = torch.from_numpy(melody.samples)[None]
    followed = {"self_wav": WavCondition(samples, torch.tensor([samples.shape[-1]]), [SAMPLE_RATE], [None])}
    absent = {"self_wav": WavCondition(torch.zeros(1, 1, 1), torch.tensor([0]), [SAMPLE_RATE], [None])}
    attributes = [
        ConditioningAttributes(text={"description": "slow jazz"}, wav=followed),
        ConditioningAttributes(text={"description": None}, wav=absent),
    ]
    conditions = provider(provider.tokenize(attributes))
    expected, nothing = torch.cat([conditions["self_wav"][0], conditions["description"][0]], dim=1)
    conditioner = load(audiocraft_folder("melody"), _nowhere, "cpu", "").conditioner
    prefix, null = conditioner.condition("slow jazz", melody).prefix, conditioner.null().prefix
    assert prefix is not None
    assert null is not None
    assert torch.equal(prefix, expected)
    assert torch.equal(null, nothing[: len(null)])
    assert not nothing[len(null) :].any()  # padded, in audiocraft, with zeros


def _nowhere(name: str) -> Path:
    raise AssertionError(name)
