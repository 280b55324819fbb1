"""The same weights make the same latents, quantised latents and samples in the encodec package and in transformers."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
import torch

from core.engines.encodec.codec import Codec
from core.engines.encodec.codec_files import load_codec
from core.engines.encodec.package_model import import_package
from tests.demucs_models import one_thread  # noqa: F401 - a fixture that works by being here
from tests.encodec_models import RELEASED, TINY, codec_folder, codec_model, sound

if TYPE_CHECKING:
    from torch import Tensor

TOLERANCE = 1e-5
"""Largest difference where values reach 7; measured 0 on the CPU, where both call the same functions of torch."""


def both(root: Path, **sizes: Any) -> tuple[Codec, Codec]:
    package = load_codec(codec_folder(root / "encodec", "encodec", **sizes))
    return package, load_codec(codec_folder(root / "transformers", "transformers", **sizes))


@pytest.fixture(scope="module")
def codecs(tmp_path_factory: pytest.TempPathFactory) -> tuple[Codec, Codec]:
    return both(tmp_path_factory.mktemp("tiny"), **TINY)


def assert_alike(codecs: tuple[Codec, Codec], samples: Tensor) -> None:
    with torch.inference_mode():
        latents = [codec.encode(samples) for codec in codecs]
        quantised = [codec.quantise(each) for codec, each in zip(codecs, latents, strict=True)]
        made = [codec.decode(each) for codec, each in zip(codecs, quantised, strict=True)]
    for one, other in (latents, quantised, made):
        assert one.shape == other.shape
        assert (one - other).abs().max() < TOLERANCE
    assert made[0].std() > 0.05


@pytest.mark.parametrize("frames", [100, 160, 161, 24000, 24001, 47999])
def test_both_libraries_make_the_same_of_any_length(codecs: tuple[Codec, Codec], frames: int) -> None:
    assert_alike(codecs, torch.stack([sound(2, seed)[:, :frames] for seed in (1, 2)]))


def test_other_weights_make_something_else(codecs: tuple[Codec, Codec], tmp_path: Path) -> None:
    other = load_codec(codec_folder(tmp_path, "encodec", seed=1))
    samples = sound(1)[None]
    assert (codecs[0].encode(samples) - other.encode(samples)).abs().max() > 0.1


def test_a_codec_is_the_whole_model_of_the_package_at_6_kbps() -> None:
    """Its own ``encode`` and ``decode``, with every norm in its place."""
    from core.engines.encodec.codec import from_package

    model, samples = codec_model(**TINY), sound(1.01)[None]
    model.set_target_bandwidth(6.0)
    with torch.inference_mode():
        expected = model.decode(model.encode(samples))
        codec = from_package(model)
        made = codec.decode(codec.quantise(codec.encode(samples)))
    assert (made - expected).abs().max() < TOLERANCE


def test_the_released_size_has_75_frames_of_128_a_second_in_both_libraries(tmp_path: Path) -> None:
    released = import_package().EncodecModel.encodec_model_24khz(pretrained=False).state_dict()
    ours = codec_model(**RELEASED).state_dict()
    assert {name: values.shape for name, values in ours.items()} == {
        name: values.shape for name, values in released.items()
    }
    codecs = both(tmp_path, **RELEASED)
    for codec in codecs:
        assert (codec.frame_length, codec.dimension) == (320, 128)
        with torch.inference_mode():
            assert codec.encode(torch.zeros(1, 1, 384000)).shape == (1, 128, 1200)
    assert_alike(codecs, sound(1)[None])
