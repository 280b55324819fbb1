"""MusicGen through audiocraft: what is loaded, from which files, and what is refused."""

from __future__ import annotations

import dataclasses
import importlib.util
import os
import shutil
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import yaml
from safetensors.torch import load_file, save_file

from core.engines.musicgen.audiocraft_models import language_model, load
from core.engines.musicgen.standins import audiocraft_models
from core.errors import EngineUnavailable, ModelNotFound
from core.ports import Recording
from tests.demucs_models import one_thread  # noqa: F401 - a fixture, for the whole module
from tests.musicgen_conversion import load_transformers
from tests.musicgen_models import (
    CODEC,
    FRAME_RATE,
    LANGUAGE_MODEL,
    SAMPLE_RATE,
    Kind,
    audiocraft_folder,
    codec_configuration,
    lm_configuration,
    reference,
    save_audiocraft,
    save_package,
    transformers_folder,
)

KINDS: list[Kind] = ["small", "stereo", "melody"]
STOOD_IN = ("torchaudio", "xformers", "spacy", "flashy", "librosa")
"""What is installed nowhere: num2words is stood in for too, and others may have it."""
DESCRIPTION = "a slow rock drum!"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A copy of a small model, to be damaged."""
    return shutil.copytree(audiocraft_folder(), tmp_path / "model")


def nowhere(name: str) -> Path:
    raise ModelNotFound(f"{name} is nowhere")


def loaded(folder: Path, find: Callable[[str], Path] = nowhere) -> Any:
    return load(folder, find, "cpu", "the digest")


def tensors(part: Any) -> Iterator[torch.Tensor]:
    """Every tensor of nested dataclasses and tuples, in order."""
    if isinstance(part, torch.Tensor):
        yield part
    elif isinstance(part, tuple):
        for element in part:
            yield from tensors(element)
    elif dataclasses.is_dataclass(part):
        for field in dataclasses.fields(part):
            yield from tensors(getattr(part, field.name))


def rewrite(path: Path, change: Callable[[dict[str, Any]], None]) -> None:
    package = torch.load(path)
    change(package)
    torch.save(package, path)


# Stand-ins


def test_several_threads_import_audiocraft_at_once_and_no_other_library_is_fooled() -> None:
    program = (
        "import sys, threading\n"
        "from core.engines.musicgen.standins import audiocraft_models\n"
        "found = []\n"
        "threads = [threading.Thread(target=lambda: found.append(audiocraft_models())) for _ in range(4)]\n"
        "[thread.start() for thread in threads]; [thread.join() for thread in threads]\n"
        "from transformers.utils import is_torchaudio_available, is_librosa_available, is_spacy_available\n"
        "assert len(found) == 4 and len(set(map(id, found))) == 1\n"
        "assert not (is_torchaudio_available() or is_librosa_available() or is_spacy_available())\n"
        f"assert not [name for name in sys.modules if name.partition('.')[0] in {STOOD_IN!r}]\n"
    )
    subprocess.run([sys.executable, "-c", program], check=True, timeout=120)


def test_what_is_stood_in_for_is_not_there_for_anybody_else() -> None:
    audiocraft_models()
    for name in STOOD_IN:
        assert importlib.util.find_spec(name) is None
        with pytest.raises(ImportError):
            importlib.import_module(name)


def test_without_audiocraft_the_sentence_says_how_to_install_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "audiocraft.models", None)
    with pytest.raises(EngineUnavailable, match="make setup-gpu"):
        audiocraft_models()


# What is loaded


@pytest.mark.parametrize("kind", KINDS)
def test_the_weights_are_those_that_audiocraft_itself_loads(kind: Kind) -> None:
    ours = loaded(audiocraft_folder(kind)).language_model
    theirs = language_model(reference(audiocraft_folder(kind)).lm)
    assert (ours.num_heads, ours.delays) == (theirs.num_heads, theirs.delays)
    pairs = list(zip(tensors(ours), tensors(theirs), strict=True))
    assert len(pairs) > 20
    assert all(torch.equal(mine, their) for mine, their in pairs)


@pytest.mark.parametrize("kind", KINDS)
def test_a_model_says_what_it_is(kind: Kind) -> None:
    model = loaded(audiocraft_folder(kind))
    assert (model.loader, model.digest, model.window_seconds) == ("audiocraft", "the digest", 30.0)
    assert model.follows_melody is (kind == "melody")
    assert model.codec.channels == (2 if kind == "stereo" else 1)
    assert (model.codec.sample_rate, model.codec.frame_rate) == (SAMPLE_RATE, FRAME_RATE)
    assert all((layer.cross is None) is (kind == "melody") for layer in model.language_model.layers)


@pytest.mark.parametrize("kind", KINDS)
def test_the_codec_makes_the_samples_that_audiocraft_makes(kind: Kind) -> None:
    model, theirs = loaded(audiocraft_folder(kind)), reference(audiocraft_folder(kind)).compression_model
    codes = np.random.default_rng(0).integers(0, 64, (model.language_model.num_codebooks, 40))
    decoder = model.codec.decoder()
    samples = np.concatenate([decoder.push(codes), decoder.finish()], axis=1)
    expected = theirs.decode(torch.from_numpy(codes)[None])[0].detach().numpy()
    assert samples.shape == expected.shape
    np.testing.assert_allclose(samples, expected, atol=1e-5)


def test_weights_stay_in_the_precision_of_the_file(folder: Path) -> None:
    def halve(package: dict[str, Any]) -> None:
        package["best_state"] = {name: values.half() for name, values in package["best_state"].items()}

    rewrite(folder / LANGUAGE_MODEL, halve)
    model = loaded(folder)
    assert {values.dtype for values in tensors(model.language_model)} == {torch.float16}
    cross = model.conditioner.condition(DESCRIPTION, None).cross
    assert cross is not None
    assert cross.dtype == torch.float32


def test_loading_draws_no_random_number() -> None:
    state = torch.get_rng_state()
    loaded(audiocraft_folder("melody"))
    assert torch.equal(torch.get_rng_state(), state)


def test_several_models_load_at_once() -> None:
    found: dict[Kind, Any] = {}
    threads = [
        threading.Thread(target=lambda kind=kind: found.update({kind: loaded(audiocraft_folder(kind))}))
        for kind in KINDS
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert {kind: model.follows_melody for kind, model in found.items()} == {
        "small": False,
        "stereo": False,
        "melody": True,
    }


# Text


@pytest.mark.parametrize("kind", ["small", "stereo"])
def test_a_description_is_conditioned_on_as_audiocraft_does_it_alone(kind: Kind) -> None:
    audiocraft_models()
    from audiocraft.modules.conditioners import ConditioningAttributes

    provider = reference(audiocraft_folder(kind)).lm.condition_provider
    conditioner = loaded(audiocraft_folder(kind)).conditioner
    for description in (DESCRIPTION, "jazz", "Ünïcode ☃", "a" * 700):
        tokenized = provider.tokenize([ConditioningAttributes(text={"description": description})])
        expected = provider(tokenized)["description"][0][0]
        cross = conditioner.condition(description, None).cross
        assert cross is not None
        assert torch.equal(cross, expected)


def test_an_empty_description_is_nothing_and_nothing_is_zero() -> None:
    conditioner = loaded(audiocraft_folder()).conditioner
    assert torch.equal(conditioner.condition("", None).cross, torch.zeros(1, 32))
    assert torch.equal(conditioner.null().cross, torch.zeros(1, 32))


def test_t5_is_found_beside_the_weights_or_asked_for_by_its_name(folder: Path, tmp_path: Path) -> None:
    elsewhere, asked = tmp_path / "elsewhere", []
    shutil.move(folder / "t5-base", elsewhere)

    def find(name: str) -> Path:
        asked.append(name)
        return elsewhere

    expected = loaded(audiocraft_folder()).conditioner.condition(DESCRIPTION, None).cross
    assert torch.equal(loaded(folder, find).conditioner.condition(DESCRIPTION, None).cross, expected)
    assert asked == ["t5-base"]
    with pytest.raises(ModelNotFound, match="t5-base is nowhere"):
        loaded(folder)


@pytest.mark.parametrize("name", ["model.safetensors", "tokenizer.json", "config.json"])
def test_a_t5_with_a_damaged_file_is_refused(folder: Path, name: str) -> None:
    file = folder / "t5-base" / name
    file.write_bytes(file.read_bytes()[: file.stat().st_size // 2])
    with pytest.raises(EngineUnavailable, match=r"t5-base.*fetch"):
        loaded(folder)


def test_a_t5_without_its_tokenizer_is_refused_for_it_would_know_no_words(folder: Path) -> None:
    for file in (folder / "t5-base").glob("tokenizer*"):
        file.unlink()
    with pytest.raises(ModelNotFound, match=r"t5-base lacks T5's tokenizer: put tokenizer.json or spiece.model"):
        loaded(folder)


def test_a_whole_t5_with_its_decoder_is_as_good(folder: Path) -> None:
    from transformers import T5Config, T5ForConditionalGeneration

    encoder = load_file(folder / "t5-base" / "model.safetensors")
    whole = T5ForConditionalGeneration(T5Config.from_pretrained(folder / "t5-base"))
    whole.load_state_dict(encoder, strict=False)
    whole.save_pretrained(folder / "t5-base")
    expected = loaded(audiocraft_folder()).conditioner.condition(DESCRIPTION, None).cross
    assert torch.equal(loaded(folder).conditioner.condition(DESCRIPTION, None).cross, expected)


def test_a_t5_that_lacks_weights_is_refused(folder: Path) -> None:
    file = folder / "t5-base" / "model.safetensors"
    weights = load_file(file)
    del weights["encoder.final_layer_norm.weight"]
    save_file(weights, file, {"format": "pt"})
    with pytest.raises(EngineUnavailable, match=r"t5-base lacks .*final_layer_norm"):
        loaded(folder)


def test_a_t5_of_another_width_is_refused(folder: Path) -> None:
    from transformers import T5Config, T5EncoderModel

    T5EncoderModel(T5Config(vocab_size=99, d_model=24, d_kv=4, d_ff=8, num_layers=1, num_heads=2)).save_pretrained(
        folder / "t5-base"
    )
    with pytest.raises(EngineUnavailable, match="width 768"):
        loaded(folder)


# Codecs by name


def test_a_codec_that_is_only_named_is_asked_for_and_used(folder: Path, tmp_path: Path) -> None:
    published = tmp_path / "encodec"
    load_transformers(transformers_folder()).audio_encoder.save_pretrained(published)
    torch.save({"pretrained": "facebook/encodec_32khz", "exported": True, "version": "1.3.0"}, folder / CODEC)
    asked = []

    def find(name: str) -> Path:
        asked.append(name)
        return published

    recording = Recording(np.random.default_rng(0).normal(size=(1, 8000)).astype(np.float32) / 9, SAMPLE_RATE)
    codes = loaded(folder, find).codec.encode(recording)
    assert asked == ["facebook/encodec_32khz"]
    assert np.array_equal(codes, loaded(audiocraft_folder()).codec.encode(recording))
    published.joinpath("config.json").write_text("{")
    with pytest.raises(EngineUnavailable, match=r"encodec.*fetch"):
        loaded(folder, find)


# What is refused


@pytest.mark.parametrize(
    "setting",
    [
        {"norm_first": False},
        {"bias_ff": True},
        {"bias_attn": True},
        {"bias_proj": True},
        {"qk_layer_norm": True},
        {"qk_layer_norm_cross": True},
        {"activation": "relu"},
        {"positional_embedding": "rope"},
        {"positional_embedding": "sin_rope"},
        {"positional_scale": 0.5},
        {"layer_scale": 0.1},
        {"past_context": 50},
        {"kv_repeat": 2},
    ],
    ids=lambda setting: "-".join(map(str, *setting.items())),
)
def test_a_transformer_of_another_form_is_refused_by_name(tmp_path: Path, setting: dict[str, Any]) -> None:
    save_audiocraft(tmp_path, **setting)
    with pytest.raises(EngineUnavailable, match=f"transformer_lm.{next(iter(setting))} "):
        loaded(tmp_path)


@pytest.mark.parametrize(
    ("path", "value"),
    [
        ("codebooks_pattern.modeling", "parallel"),
        ("codebooks_pattern.delay.flatten_first", 2),
        ("fuser.cross_attention_pos_emb", True),
        ("interleave_stereo_codebooks.per_timestep", True),
    ],
)
def test_settings_that_would_be_computed_otherwise_are_refused_by_name(folder: Path, path: str, value: object) -> None:
    configuration = lm_configuration("small")
    section = configuration
    *parents, name = path.split(".")
    for parent in parents:
        section = section.setdefault(parent, {"use": True})
    section[name] = value
    rewrite(folder / LANGUAGE_MODEL, lambda package: package.update({"xp.cfg": yaml.safe_dump(configuration)}))
    with pytest.raises(EngineUnavailable, match=path.rpartition(".")[0]):
        loaded(folder)


@pytest.mark.parametrize("name", [LANGUAGE_MODEL, CODEC])
@pytest.mark.parametrize(
    "damage",
    [
        lambda content: b"",
        lambda content: b"version https://git-lfs.github.com/spec/v1\n",
        lambda content: content[: len(content) // 2],
        lambda content: content[:-1],
        lambda content: content[len(content) // 2 :],
    ],
    ids=["empty", "a pointer", "half", "all but a byte", "the second half"],
)
def test_a_damaged_file_is_named(folder: Path, name: str, damage: Callable[[bytes], bytes]) -> None:
    (folder / name).write_bytes(damage((folder / name).read_bytes()))
    with pytest.raises(EngineUnavailable, match=rf"/{name} .*fetch it again"):
        loaded(folder)


@pytest.mark.parametrize("name", [LANGUAGE_MODEL, CODEC])
@pytest.mark.parametrize(
    "change",
    [
        lambda package: package.pop("xp.cfg"),
        lambda package: package.pop("best_state"),
        lambda package: package.update({"xp.cfg": "lm_model: [unclosed"}),
        lambda package: package.update({"xp.cfg": "just words"}),
        lambda package: package.update({"xp.cfg": "lm_model: transformer_lm"}),
        lambda package: package.update({"best_state": [1, 2]}),
        lambda package: package["best_state"].popitem(),
        lambda package: package["best_state"].update({"another": torch.zeros(1)}),
        lambda package: package["best_state"].update(
            {name: values[..., :1] for name, values in package["best_state"].items() if values.dim() == 2}
        ),
    ],
    ids=[
        "no settings", "no tensors", "no YAML", "no mapping", "settings missing", "a list", "a tensor missing",
        "one too many", "other shapes",
    ],
)  # fmt: skip
def test_a_file_of_another_content_is_named(folder: Path, name: str, change: Callable[[dict[str, Any]], None]) -> None:
    rewrite(folder / name, change)
    with pytest.raises(EngineUnavailable, match=rf"/{name} .*fetch it again"):
        loaded(folder)


class _Code:
    """Pickled, it makes a folder when it is unpickled."""

    def __init__(self, mark: Path) -> None:
        self.mark = mark

    def __reduce__(self) -> tuple[Any, ...]:
        return os.mkdir, (str(self.mark),)


@pytest.mark.parametrize("name", [LANGUAGE_MODEL, CODEC])
def test_code_in_a_file_is_refused_and_not_run(folder: Path, tmp_path: Path, name: str) -> None:
    package = torch.load(folder / name)
    torch.save({**package, "more": _Code(tmp_path / "mark")}, folder / name)
    with pytest.raises(EngineUnavailable, match=rf"/{name} .*might run code"):
        loaded(folder)
    assert not (tmp_path / "mark").exists()


@pytest.mark.parametrize("name", [LANGUAGE_MODEL, CODEC])
def test_a_missing_file_is_named(folder: Path, name: str) -> None:
    (folder / name).unlink()
    with pytest.raises(ModelNotFound, match=f"/{name} is missing"):
        loaded(folder)


def test_a_codec_in_the_language_models_place_is_refused(folder: Path) -> None:
    save_package(folder / LANGUAGE_MODEL, codec_configuration(), torch.load(folder / CODEC)["best_state"])
    with pytest.raises(EngineUnavailable, match=LANGUAGE_MODEL):
        loaded(folder)


def test_audiocraft_is_itself_again_after_a_failure(folder: Path) -> None:
    builders = audiocraft_models().builders
    before = vars(builders).copy()
    (folder / CODEC).write_bytes(b"")
    with pytest.raises(EngineUnavailable):
        loaded(folder)
    assert vars(builders) == before
