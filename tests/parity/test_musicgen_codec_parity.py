"""EnCodec decoded in pieces makes the samples that audiocraft and transformers make of all codes at once."""

from __future__ import annotations

import math
import random
from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from core.engines.musicgen.codec import EncodecCodec
from core.engines.musicgen.encodec import from_audiocraft, from_transformers
from core.engines.musicgen.standins import audiocraft_models
from core.engines.musicgen.streaming import measure
from core.ports import Recording
from tests.demucs_models import one_thread  # noqa: F401 - a fixture that works by being here
from tests.unit.test_musicgen_codec import with_codebooks

if TYPE_CHECKING:
    from core.ports import Block

TOLERANCE = 5e-6  # relative to the loudest sample; 1.3e-6 was measured
RELEASED: dict[str, Any] = {"ratios": [8, 5, 4, 4], "residual_layers": 1, "causal": False}  # the kernels of 32 kHz
GEOMETRIES = {
    "released": RELEASED,
    "causal": {**RELEASED, "causal": True},
    "dilated": {"ratios": [3, 2], "residual_layers": 3, "causal": False},
    "shallow": {"ratios": [2], "residual_layers": 1, "causal": False},
    "long reach": {"ratios": [2, 1], "residual_layers": 4, "causal": False},
}
CODEBOOKS, CARDINALITY, WIDTH = 4, 64, 8


def transformers_encodec(ratios: list[int], residual_layers: int, causal: bool) -> Any:
    from transformers import EncodecConfig, EncodecModel

    config = EncodecConfig(
        target_bandwidths=[CODEBOOKS * math.ceil(32000 / math.prod(ratios)) / 100],  # ten bits a code
        sampling_rate=32000,
        audio_channels=1,
        normalize=False,
        hidden_size=WIDTH,
        num_filters=4,
        num_residual_layers=residual_layers,
        upsampling_ratios=ratios,
        use_causal_conv=causal,
        codebook_size=CARDINALITY,
        codebook_dim=WIDTH,
    )
    return EncodecModel(config)


def audiocraft_encodec(ratios: list[int], residual_layers: int, causal: bool, lstm: int = 2) -> Any:
    audiocraft_models()
    from audiocraft.models.encodec import EncodecModel
    from audiocraft.modules.seanet import SEANetDecoder, SEANetEncoder
    from audiocraft.quantization import ResidualVectorQuantizer

    shape = {
        "channels": 1,
        "dimension": WIDTH,
        "n_filters": 4,
        "n_residual_layers": residual_layers,
        "ratios": ratios,
        "norm": "weight_norm",
        "causal": causal,
        "lstm": lstm,
    }
    quantizer = ResidualVectorQuantizer(dimension=WIDTH, n_q=CODEBOOKS, bins=CARDINALITY, kmeans_init=False)
    hop_length = math.prod(ratios)
    return EncodecModel(
        SEANetEncoder(**shape), SEANetDecoder(**shape), quantizer, 32000 // hop_length, 32000, 1, causal=causal
    )


def at_once(model: Any, codes: NDArray[np.int64]) -> Block:
    """What the library itself makes of all codes."""
    with torch.inference_mode():
        batch = torch.from_numpy(codes)[None]
        made: Block = (model.decode(batch[None], [None])[0] if hasattr(model, "config") else model.decode(batch))[
            0
        ].numpy()
        return made


def in_pieces(codec: EncodecCodec, codes: NDArray[np.int64], lengths: Callable[[], int]) -> Block:
    stream, blocks, start = codec.decoder(), [], 0
    while start < codes.shape[1]:
        length = lengths()
        blocks.append(stream.push(codes[:, start : start + length]))
        start += length
    return np.concatenate([*blocks, stream.finish()], axis=1)


def some_codes(frames: int, codebooks: int = CODEBOOKS, seed: int = 0) -> NDArray[np.int64]:
    return np.random.default_rng(seed).integers(0, CARDINALITY, (codebooks, frames))


@pytest.fixture(
    scope="module", params=[(library, name) for library in ("audiocraft", "transformers") for name in GEOMETRIES]
)
def model(request: pytest.FixtureRequest) -> Any:
    torch.manual_seed(7)
    library, geometry = request.param
    make = audiocraft_encodec if library == "audiocraft" else transformers_encodec
    return with_codebooks(make(**GEOMETRIES[geometry]))


def codec_of(model: Any, stereo: bool = False) -> EncodecCodec:
    parts = from_transformers(model, CODEBOOKS) if hasattr(model, "config") else from_audiocraft(model)
    return EncodecCodec(parts, stereo)


def difference(made: Block, expected: Block) -> float:
    assert made.shape == expected.shape
    return float(np.abs(made - expected).max() / np.abs(expected).max())


def test_pieces_of_any_length_are_what_the_library_makes_of_all_codes(model: Any) -> None:
    codes = some_codes(61)
    expected = at_once(model, codes)
    codec = codec_of(model)
    for lengths in (lambda: 61, lambda: 1, lambda: 2, lambda: 10, lambda: 60):
        assert difference(in_pieces(codec, codes, lengths), expected) < TOLERANCE
    for seed in range(5):
        lengths = partial(random.Random(seed).randint, 0, 20)
        assert difference(in_pieces(codec, codes, lengths), expected) < TOLERANCE


def test_a_stream_of_a_few_frames_is_padded_as_the_library_pads_it(model: Any) -> None:
    codec = codec_of(model)
    for frames in range(1, 12):
        codes = some_codes(frames)
        expected = at_once(model, codes)
        assert difference(in_pieces(codec, codes, lambda: 1), expected) < TOLERANCE
        assert difference(in_pieces(codec, codes, lambda: 5), expected) < TOLERANCE


def test_left_and_right_take_turns_as_in_audiocraft() -> None:
    model = with_codebooks(audiocraft_encodec(**RELEASED))
    from audiocraft.models.encodec import InterleaveStereoCompressionModel

    stereo = InterleaveStereoCompressionModel(model).eval()
    codes = some_codes(20, 2 * CODEBOOKS)
    codec = codec_of(model, stereo=True)
    assert (codec.channels, codec.sample_rate, codec.frame_rate) == (2, 32000, 50)
    assert difference(in_pieces(codec, codes, lambda: 3), at_once(stereo, codes)) < TOLERANCE

    samples = np.random.default_rng(0).uniform(-0.5, 0.5, (2, 640 * 9)).astype(np.float32)
    with torch.inference_mode():
        expected = stereo.encode(torch.from_numpy(samples)[None])[0][0].numpy()
    assert np.array_equal(codec.encode(Recording(samples, 32000)), expected)


def test_a_recording_becomes_the_codes_that_the_library_makes_of_it(model: Any) -> None:
    hop_length = measure(codec_of(model)._encodec.layers)[0]
    samples = np.random.default_rng(0).uniform(-0.5, 0.5, (1, hop_length * 40)).astype(np.float32)
    with torch.inference_mode():
        encoded = model.encode(torch.from_numpy(samples)[None])
        expected = encoded.audio_codes[0, 0] if hasattr(model, "config") else encoded[0][0]
    assert len(np.unique(expected)) > CARDINALITY / 4
    assert np.array_equal(codec_of(model).encode(Recording(samples, 32000)), expected[:CODEBOOKS].numpy())


def test_a_decoder_without_a_recurrent_layer_is_decoded_in_pieces_too() -> None:
    model = with_codebooks(audiocraft_encodec(**RELEASED, lstm=0))
    codes = some_codes(40)
    assert difference(in_pieces(codec_of(model), codes, lambda: 7), at_once(model, codes)) < TOLERANCE


def test_the_context_is_all_that_a_frame_depends_on_and_no_more(model: Any) -> None:
    """A change of one frame is heard in its neighbours within the context, and the last of these are reached."""
    layers = codec_of(model)._encodec.layers
    rest = layers[next(index for index, layer in enumerate(layers) if hasattr(layer, "lstm")) + 1 :]
    ratio, context = measure(rest)
    frames = 4 * context + 9
    latent = torch.randn(1, 4 * 2 ** len([layer for layer in rest if _raises(layer)]), frames, requires_grad=True)
    samples = latent
    for layer in rest:
        samples = layer(samples)
    middle = frames // 2
    samples[..., middle * ratio : (middle + 1) * ratio].sum().backward()  # type: ignore[no-untyped-call] # torch's own
    assert latent.grad is not None
    reached = latent.grad.abs().sum(dim=(0, 1)).nonzero().flatten() - middle
    assert int(reached.abs().max()) == context


def _raises(layer: Any) -> bool:
    return any(isinstance(module, torch.nn.ConvTranspose1d) for module in layer.modules())
