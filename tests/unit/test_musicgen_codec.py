from __future__ import annotations

from copy import copy
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
import torch

from core.engines.musicgen.codec import EncodecCodec
from core.engines.musicgen.encodec import from_transformers
from core.errors import EngineUnavailable
from core.ports import Recording
from tests.demucs_models import one_thread  # noqa: F401 - a fixture that works by being here

if TYPE_CHECKING:
    from core.ports import Block

SAMPLE_RATE, HOP_LENGTH, CODEBOOKS = 1000, 10, 2


def encodec(**changes: Any) -> Any:
    from transformers import EncodecConfig, EncodecModel

    torch.manual_seed(3)
    options = {
        "target_bandwidths": [1.2],
        "sampling_rate": SAMPLE_RATE,
        "hidden_size": 8,
        "codebook_dim": 8,
        "codebook_size": 64,
        "num_filters": 4,
        "upsampling_ratios": [5, 2],
        "use_causal_conv": False,
    }
    return with_codebooks(EncodecModel(EncodecConfig(**{**options, **changes})))


@torch.no_grad()
def with_codebooks(model: Any) -> Any:
    """Codebooks that tell apart what an untrained encoder puts out: frames of noise, and steps of a size with them."""
    codebooks = [buffer for name, buffer in model.named_buffers() if name.endswith("embed")]
    latent = torch.zeros(0)
    samples = HOP_LENGTH
    while latent.numel() < codebooks[0].numel():
        samples *= 2
        latent = model.encoder(torch.randn(1, 1, samples))[0].T
    codebooks[0].copy_(latent[: len(codebooks[0])])
    for codebook in codebooks[1:]:
        codebook.normal_().mul_(codebooks[0].std(dim=0))
    return model.eval()


def codec(stereo: bool = False) -> EncodecCodec:
    return EncodecCodec(from_transformers(encodec(), CODEBOOKS), stereo)


def tone(seconds: float, sample_rate: int = SAMPLE_RATE, frequency: float = 40) -> Block:
    time = np.arange(round(seconds * sample_rate)) / sample_rate
    return (0.5 * np.sin(2 * np.pi * frequency * time) * np.cos(3 * time))[None].astype(np.float32)


def test_what_it_says_of_itself() -> None:
    mono, stereo = codec(), codec(stereo=True)
    assert (mono.sample_rate, mono.channels, mono.frame_rate) == (SAMPLE_RATE, 1, SAMPLE_RATE // HOP_LENGTH)
    assert (stereo.sample_rate, stereo.channels, stereo.frame_rate) == (SAMPLE_RATE, 2, SAMPLE_RATE // HOP_LENGTH)


def test_the_beginning_is_left_out_if_the_recording_is_not_whole_frames() -> None:
    samples = tone(1.007)
    codes = codec().encode(Recording(samples, SAMPLE_RATE))
    assert codes.shape == (CODEBOOKS, 100)
    assert np.array_equal(codes, codec().encode(Recording(samples[:, 7:], SAMPLE_RATE)))


@pytest.mark.parametrize("stereo", [False, True])
def test_a_recording_shorter_than_a_frame_has_no_codes(stereo: bool) -> None:
    for frames in (0, HOP_LENGTH - 1):
        codes = codec(stereo).encode(Recording(np.zeros((1, frames), np.float32), SAMPLE_RATE))
        assert codes.shape == (CODEBOOKS * (1 + stereo), 0)


def test_a_recording_at_another_rate_has_about_the_same_codes() -> None:
    expected = codec().encode(Recording(tone(2), SAMPLE_RATE))
    codes = codec().encode(Recording(tone(2, 44100), 44100))
    assert codes.shape == expected.shape
    assert (codes == expected).mean() > 0.9


def test_left_and_right_are_mixed_for_a_mono_model() -> None:
    left, right = tone(1), tone(1, frequency=70)
    expected = codec().encode(Recording((left + right) / 2, SAMPLE_RATE))
    assert np.array_equal(codec().encode(Recording(np.concatenate([left, right]), SAMPLE_RATE)), expected)


def test_a_mono_recording_is_left_and_right_for_a_stereo_model() -> None:
    codes = codec(stereo=True).encode(Recording(tone(1), SAMPLE_RATE))
    expected = codec().encode(Recording(tone(1), SAMPLE_RATE))
    assert np.array_equal(codes[::2], expected)
    assert np.array_equal(codes[1::2], expected)


def test_left_and_right_are_coded_apart() -> None:
    left, right = tone(1), tone(1, frequency=70)
    codes = codec(stereo=True).encode(Recording(np.concatenate([left, right]), SAMPLE_RATE))
    assert np.array_equal(codes[::2], codec().encode(Recording(left, SAMPLE_RATE)))
    assert np.array_equal(codes[1::2], codec().encode(Recording(right, SAMPLE_RATE)))
    assert not np.array_equal(codes[::2], codes[1::2])


@pytest.mark.parametrize("stereo", [False, True])
def test_codes_become_as_many_samples_as_their_frames_last(stereo: bool) -> None:
    codes = np.random.default_rng(0).integers(0, 64, (CODEBOOKS * (1 + stereo), 33))
    stream = codec(stereo).decoder()
    pieces = [stream.push(codes[:, :5]), stream.push(codes[:, 5:5]), stream.push(codes[:, 5:]), stream.finish()]
    assert {piece.shape[0] for piece in pieces} == {1 + stereo}
    assert {piece.dtype for piece in pieces} == {np.dtype(np.float32)}
    assert sum(piece.shape[1] for piece in pieces) == 33 * HOP_LENGTH


def test_a_stream_without_codes_has_no_samples() -> None:
    assert codec().decoder().finish().shape == (1, 0)
    assert codec(stereo=True).decoder().finish().shape == (2, 0)


def test_streams_do_not_disturb_each_other() -> None:
    shared = codec()
    first, second = (np.random.default_rng(seed).integers(0, 64, (CODEBOOKS, 40)) for seed in (1, 2))
    alone = shared.decoder()
    expected = np.concatenate([alone.push(first[:, :20]), alone.push(first[:, 20:]), alone.finish()], axis=1)
    one, other = shared.decoder(), shared.decoder()
    pieces = [one.push(first[:, :20]), other.push(second), one.push(first[:, 20:]), other.finish(), one.finish()]
    assert np.array_equal(np.concatenate([pieces[0], pieces[2], pieces[4]], axis=1), expected)


def test_a_copied_stream_goes_on_from_the_same_codes_on_its_own() -> None:
    past, first, second = (np.random.default_rng(seed).integers(0, 64, (CODEBOOKS, 20)) for seed in (1, 2, 3))
    stream = codec().decoder()
    begun = stream.push(past)
    other = copy(stream)
    for twin, future in ((stream, first), (other, second)):
        straight = codec().decoder()
        expected = np.concatenate([straight.push(past), straight.push(future), straight.finish()], axis=1)
        assert np.array_equal(np.concatenate([begun, twin.push(future), twin.finish()], axis=1), expected)


@pytest.mark.parametrize(
    "changes", [{"normalize": True}, {"chunk_length_s": 1.0}, {"norm_type": "time_group_norm"}], ids=str
)
def test_a_model_that_depends_on_the_whole_recording_is_refused(changes: dict[str, Any]) -> None:
    with pytest.raises(EngineUnavailable, match="whole recording"):
        from_transformers(encodec(**changes), CODEBOOKS)
