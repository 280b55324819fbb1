from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save_file

from core.engines.musicgen import audiocraft_models
from core.engines.musicgen.transformers_models import load
from core.errors import EngineUnavailable, ModelNotFound
from core.ports import Recording
from tests.demucs_models import one_thread  # noqa: F401 - a fixture that works by being here
from tests.musicgen_models import Kind, audiocraft_folder, save_transformers, transformers_folder

if TYPE_CHECKING:
    from core.engines.musicgen.model import MusicModel

KINDS: tuple[Kind, ...] = ("small", "stereo", "melody")


@cache
def both(kind: Kind) -> tuple[MusicModel, MusicModel]:
    """The same weights through either loader."""

    def nowhere(name: str) -> Path:
        raise AssertionError(f"{name} is asked for, and lies beside the model")

    return load(transformers_folder(kind), "cpu", "t"), audiocraft_models.load(
        audiocraft_folder(kind), nowhere, "cpu", "a"
    )


@pytest.mark.parametrize("kind", KINDS)
def test_the_model_is_the_one_that_audiocraft_loads(kind: Kind) -> None:
    made, expected = both(kind)
    assert (made.loader, made.digest) == ("transformers", "t")
    assert made.window_seconds == expected.window_seconds
    assert made.follows_melody == expected.follows_melody == (kind == "melody")
    for ours, theirs in ((made.codec, expected.codec),):
        assert (ours.sample_rate, ours.channels, ours.frame_rate) == (
            theirs.sample_rate, theirs.channels, theirs.frame_rate,
        )  # fmt: skip
    ours, theirs = made.language_model, expected.language_model
    assert (ours.num_heads, ours.delays) == (theirs.num_heads, theirs.delays)
    assert same(ours, theirs)


def same(ours: Any, theirs: Any) -> bool:
    """Whether all tensors of two trees of dataclasses and tuples are equal."""
    if isinstance(ours, torch.Tensor):
        return torch.equal(ours, theirs)
    if isinstance(ours, tuple):
        return len(ours) == len(theirs) and all(map(same, ours, theirs))
    if hasattr(ours, "__dict__"):
        return all(same(value, getattr(theirs, name)) for name, value in vars(ours).items())
    return bool(ours == theirs)


@pytest.mark.parametrize("kind", KINDS)
def test_words_and_melodies_steer_it_as_they_steer_audiocrafts(kind: Kind) -> None:
    made, expected = both(kind)
    melody = Recording(np.sin(np.arange(80000) / 20)[None].astype(np.float32), 32000)
    for arguments in (("slow rock drums", None), ("", None), ("jazz", melody)):
        assert same(made.conditioner.condition(*arguments), expected.conditioner.condition(*arguments))
    assert same(made.conditioner.null(), expected.conditioner.null())


@pytest.mark.parametrize("kind", KINDS)
def test_codes_sound_as_through_audiocraft(kind: Kind) -> None:
    made, expected = both(kind)
    codebooks = made.language_model.num_codebooks
    codes = np.random.default_rng(0).integers(0, 64, (codebooks, 30))
    blocks = []
    for codec in (made.codec, expected.codec):
        stream = codec.decoder()
        blocks.append(np.concatenate([stream.push(codes), stream.finish()], axis=1))
    assert np.array_equal(*blocks)
    recording = Recording(blocks[0], 32000)
    assert np.array_equal(made.codec.encode(recording), expected.codec.encode(recording))


def test_the_window_is_the_longest_generation_that_the_model_allows(tmp_path: Path) -> None:
    assert load(save_transformers(tmp_path, window_seconds=10), "cpu", "").window_seconds == 10
    (tmp_path / "generation_config.json").unlink()
    assert load(tmp_path, "cpu", "").window_seconds == 30


# What cannot be loaded


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A model to spoil."""
    return Path(shutil.copytree(transformers_folder("small"), tmp_path / "model"))


def changed(folder: Path, change: Callable[[dict[str, Any]], None]) -> None:
    config = json.loads((folder / "config.json").read_bytes())
    change(config)
    (folder / "config.json").write_text(json.dumps(config))


@pytest.mark.parametrize("file", ["config.json", "model.safetensors"])
def test_a_missing_file_is_named(folder: Path, file: str) -> None:
    (folder / file).unlink()
    with pytest.raises(ModelNotFound, match=file.replace("model", r"\*")):
        load(folder, "cpu", "")


def test_a_missing_tokenizer_is_missed(folder: Path) -> None:
    for file in folder.glob("tokenizer*"):
        file.unlink()
    with pytest.raises(ModelNotFound, match="tokenizer"):
        load(folder, "cpu", "")


def test_a_file_cut_short_is_refused(folder: Path) -> None:
    weights = folder / "model.safetensors"
    weights.write_bytes(weights.read_bytes()[:-1000])
    with pytest.raises(EngineUnavailable, match="fetch its files again"):
        load(folder, "cpu", "")


def test_nothing_is_drawn_at_random_in_place_of_weights_that_are_missing(folder: Path) -> None:
    weights = load_file(folder / "model.safetensors")
    del weights["decoder.lm_heads.0.weight"]
    save_file(weights, folder / "model.safetensors", {"format": "pt"})
    with pytest.raises(EngineUnavailable, match=r"lm_heads\.0\.weight"):
        load(folder, "cpu", "")


def test_weights_of_another_shape_are_refused(folder: Path) -> None:
    weights = load_file(folder / "model.safetensors")
    weights["decoder.lm_heads.0.weight"] = weights["decoder.lm_heads.0.weight"][:, :-1].contiguous()
    save_file(weights, folder / "model.safetensors", {"format": "pt"})
    with pytest.raises(EngineUnavailable, match="fetch its files again"):
        load(folder, "cpu", "")


def test_a_configuration_that_is_no_json_is_refused(folder: Path) -> None:
    (folder / "config.json").write_text("{")
    with pytest.raises(EngineUnavailable, match="fetch its files again"):
        load(folder, "cpu", "")


@pytest.mark.parametrize(
    ("part", "name", "value"), [("decoder", "activation_function", "relu"), ("decoder", "pad_token_id", 3)]
)
def test_what_our_decoder_does_not_know_is_refused_by_name(folder: Path, part: str, name: str, value: object) -> None:
    changed(folder, lambda config: config[part].update({name: value}))
    with pytest.raises(EngineUnavailable, match=rf"{part}\.{name}"):
        load(folder, "cpu", "")


def test_a_model_of_another_kind_is_refused(folder: Path) -> None:
    (folder / "config.json").write_text(json.dumps({"model_type": "t5", "architectures": ["T5EncoderModel"]}))
    with pytest.raises(EngineUnavailable, match="no MusicGen"):
        load(folder, "cpu", "")


def test_pickled_weights_are_not_loaded(folder: Path) -> None:
    weights = load_file(folder / "model.safetensors")
    torch.save(weights, folder / "pytorch_model.bin")
    (folder / "model.safetensors").unlink()
    with pytest.raises(ModelNotFound, match="safetensors"):
        load(folder, "cpu", "")
