"""EnCodec at 24 kHz is loaded from either library's files, and nothing else is taken for it."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
import torch

from core.engines.encodec.codec import Codec, from_transformers
from core.engines.encodec.codec_files import load_codec, weight_file
from core.errors import EngineUnavailable, WeightsMismatch
from tests.demucs_models import one_thread  # noqa: F401 - a fixture that works by being here
from tests.encodec_models import DIMENSION, FRAME_LENGTH, PACKAGE_FILE, TINY, Library, codec_folder, codec_model, sound

if TYPE_CHECKING:
    from torch import Tensor

LIBRARIES: tuple[Library, ...] = ("encodec", "transformers")


@pytest.fixture(scope="module", params=LIBRARIES)
def folder(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return codec_folder(tmp_path_factory.mktemp("codec"), request.param)


@pytest.fixture(scope="module")
def codec(folder: Path) -> Codec:
    return load_codec(folder)


def noise(frames: int, items: int = 1) -> Tensor:
    return torch.stack([sound(2, seed)[:, :frames] for seed in range(items)])


@torch.inference_mode()
def there_and_back(codec: Codec, samples: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    latents = codec.encode(samples)
    quantised = codec.quantise(latents)
    return latents, quantised, codec.decode(quantised)


def refused(folder: Path, match: str, error: type[EngineUnavailable] = EngineUnavailable) -> None:
    with pytest.raises(error, match=match) as caught:
        load_codec(folder)
    assert type(caught.value) is error


# What it does


def test_it_tells_its_sizes(codec: Codec) -> None:
    assert (codec.sample_rate, codec.frame_length, codec.dimension) == (24000, FRAME_LENGTH, DIMENSION)


@pytest.mark.parametrize("samples", [1, FRAME_LENGTH - 1, FRAME_LENGTH, FRAME_LENGTH + 1, 10 * FRAME_LENGTH, 24001])
def test_as_many_frames_as_hold_all_samples(codec: Codec, samples: int) -> None:
    frames = -(-samples // FRAME_LENGTH)
    latents, quantised, made = there_and_back(codec, noise(samples, items=2))
    assert latents.shape == quantised.shape == (2, DIMENSION, frames)
    assert made.shape == (2, 1, frames * FRAME_LENGTH)


def test_the_eight_codebooks_of_6_kbps_are_used_and_no_more(codec: Codec) -> None:
    model = codec_model(**TINY)
    latents = codec.encode(noise(24000))
    with torch.inference_mode():
        codes = model.quantizer.vq.encode(latents)
        eight = model.quantizer.vq.decode(codes[:8])
    assert len(codes) == 32
    assert torch.allclose(codec.quantise(latents), eight, atol=1e-6)
    assert not torch.allclose(model.quantizer.vq.decode(codes[:9]), eight, atol=1e-3)


def test_quantising_brings_latents_to_points_near_them(codec: Codec) -> None:
    latents, quantised, _ = there_and_back(codec, noise(24000))
    assert 0 < (quantised - latents).std() < 0.8 * latents.std()


def test_nothing_of_it_is_trained(codec: Codec) -> None:
    latents = codec.encode(noise(2000).requires_grad_())
    assert latents.requires_grad  # what is around it may be
    assert not any(parameter.requires_grad for parameter in codec.model.parameters())  # type: ignore[attr-defined] # of both


def test_the_norms_are_folded_into_the_weights(codec: Codec) -> None:
    names = [name for name, _ in codec.model.named_parameters()]  # type: ignore[attr-defined] # of both
    assert not [name for name in names if "weight_g" in name or "parametrizations" in name]
    assert len(names) > 20


# What is taken for it


def test_the_packages_file_goes_first(tmp_path: Path) -> None:
    codec_folder(tmp_path, "transformers", seed=1)
    assert weight_file(tmp_path) == tmp_path / "model.safetensors"
    codec_folder(tmp_path, "encodec", seed=2)
    assert weight_file(tmp_path) == tmp_path / PACKAGE_FILE
    samples = noise(4000)
    expected = codec_model(2, **TINY).encoder(samples)
    assert torch.allclose(load_codec(tmp_path).encode(samples), expected, atol=1e-6)


@pytest.mark.parametrize("present", [[], ["config.json"], ["model.safetensors"], ["pytorch_model.bin", "config.json"]])
def test_an_incomplete_folder_is_refused(tmp_path: Path, present: list[str]) -> None:
    for name in present:
        (tmp_path / name).write_bytes(b"{}")
    refused(tmp_path, r"encodec_24khz-\*\.th, or config\.json and model\.safetensors")


@pytest.mark.parametrize("library", LIBRARIES)
def test_stereo_is_refused(tmp_path: Path, library: Library) -> None:
    refused(codec_folder(tmp_path, library, channels=2), "24000 Hz and 2 channels: the bridge needs .* 24000 Hz and")


@pytest.mark.parametrize(
    ("name", "value", "match"),
    [
        ("sampling_rate", 48000, "48000 Hz"),
        ("normalize", True, "whole recording's level"),
    ],
)
def test_another_model_of_transformers_is_refused(tmp_path: Path, name: str, value: object, match: str) -> None:
    codec_folder(tmp_path, "transformers")
    change(tmp_path / "config.json", name, value)
    refused(tmp_path, match)


def test_a_norm_over_time_is_refused() -> None:
    from transformers import EncodecConfig, EncodecModel

    model = EncodecModel(EncodecConfig(norm_type="time_group_norm", use_causal_conv=False, num_filters=2))
    with pytest.raises(EngineUnavailable, match="whole recording's level"):
        from_transformers(model)


def test_a_model_of_another_kind_is_refused(tmp_path: Path) -> None:
    codec_folder(tmp_path, "transformers")
    (tmp_path / "config.json").write_text('{"model_type": "t5"}')
    refused(tmp_path, "'t5', which is no EnCodec")


# Damage


def change(path: Path, name: str, value: object) -> None:
    path.write_text(json.dumps({**json.loads(path.read_text()), name: value}))


def rewrite(folder: Path, changes: dict[str, Any]) -> Path:
    """Change tensors of the package's file; ``None`` removes one."""
    state = torch.load(folder / PACKAGE_FILE, weights_only=True) | changes
    torch.save({name: values for name, values in state.items() if values is not None}, folder / PACKAGE_FILE)
    return folder


@pytest.mark.parametrize(
    ("changes", "match"),
    [
        ({"encoder.model.0.conv.conv.weight_v": None}, "encoder.model.0.conv.conv.weight_v' is missing"),
        ({"encoder.model.0.conv.conv.weight_g": None}, "missing: encoder.model.0.conv.conv.weight_g"),
        ({"lm.weight": torch.zeros(3)}, "unexpected: lm.weight"),
        ({"decoder.model.1.lstm.bias_hh_l0": torch.zeros(3)}, r"lstm.bias_hh_l0 is \[3\], \[64\] is needed"),
        ({"quantizer.vq.layers.0._codebook.embed": torch.zeros(30, 16)}, "power of 2"),
        ({"quantizer.vq.layers.0._codebook.embed": torch.zeros(3)}, "encodec"),
        ({"encoder.model.0.conv.conv.bias": 3}, "tensors by their names"),
    ],
)
def test_a_file_of_the_package_that_does_not_fit_is_refused(tmp_path: Path, changes: Any, match: str) -> None:
    refused(rewrite(codec_folder(tmp_path, "encodec"), changes), match, WeightsMismatch)


@pytest.mark.parametrize("library", LIBRARIES)
def test_a_truncated_file_is_refused(tmp_path: Path, library: Library) -> None:
    file = weight_file(codec_folder(tmp_path, library))
    file.write_bytes(file.read_bytes()[:-1000])
    refused(tmp_path, str(tmp_path))


def test_weights_that_transformers_would_draw_at_random_are_refused(tmp_path: Path) -> None:
    from safetensors.torch import load_file, save_file

    file = weight_file(codec_folder(tmp_path, "transformers"))
    state = load_file(file)
    del state["encoder.layers.0.conv.bias"]
    save_file(state, file, {"format": "pt"})
    refused(tmp_path, r"lacks weights, of them encoder\.layers\.0\.conv\.bias")


# Packages


def test_no_other_library_is_led_to_believe_that_torchaudio_was_there() -> None:
    program = (
        "import sys, threading\n"
        "from core.engines.encodec.package_model import import_package\n"
        "found = []\n"
        "threads = [threading.Thread(target=lambda: found.append(import_package())) for _ in range(4)]\n"
        "[thread.start() for thread in threads]; [thread.join() for thread in threads]\n"
        "assert len(found) == 4 and len(set(map(id, found))) == 1\n"
        "assert sys.modules['encodec.utils'].torchaudio.__doc__.startswith('A stand-in')\n"
        "assert 'torchaudio' not in sys.modules\n"
    )
    subprocess.run([sys.executable, "-c", program], check=True, timeout=120)


@pytest.mark.parametrize("library", LIBRARIES)
def test_without_its_library_the_sentence_says_how_to_install_it(
    tmp_path: Path, library: Library, monkeypatch: pytest.MonkeyPatch
) -> None:
    codec_folder(tmp_path, library)
    monkeypatch.setitem(sys.modules, library, None)
    refused(tmp_path, "make setup-gpu")
