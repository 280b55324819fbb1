"""Tiny MusicGen models with random weights, saved the way the released ones are: by audiocraft and by transformers.

Both forms of a kind and a seed hold the same weights. ``audiocraft_folder`` and ``transformers_folder`` make each once
a process; ``reference`` is audiocraft's own loading of one, to compare with.
"""

from __future__ import annotations

import atexit
import contextlib
import shutil
import tempfile
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from types import SimpleNamespace
from typing import Any, Literal
from unittest import mock

import torch
import yaml
from torch import Tensor, nn
from transformers import T5Config, T5EncoderModel, T5Tokenizer
from transformers.audio_utils import chroma_filter_bank

from core.engines.musicgen.standins import audiocraft_models
from tests.musicgen_conversion import save_as_transformers

Kind = Literal["small", "stereo", "melody"]

SAMPLE_RATE, FRAME_RATE = 32000, 50
LANGUAGE_MODEL, CODEC = "state_dict.bin", "compression_state_dict.bin"
DELAYS = {"small": [0, 1, 2, 3], "melody": [0, 1, 2, 3], "stereo": [0, 0, 1, 1, 2, 2, 3, 3]}


@cache
def audiocraft_folder(kind: Kind = "small", seed: int = 0) -> Path:
    """A model of audiocraft's, made at the first call; to be read only."""
    return save_audiocraft(_temporary_folder() / f"{kind}-{seed}", kind=kind, seed=seed)


@cache
def transformers_folder(kind: Kind = "small", seed: int = 0) -> Path:
    """The same weights as transformers keeps them; to be read only."""
    return save_transformers(_temporary_folder() / f"{kind}-{seed}-transformers", kind=kind, seed=seed)


def save_audiocraft(
    folder: Path, *, kind: Kind = "small", seed: int = 0, cardinality: int = 64, window_seconds: float = 30, **lm: Any
) -> Path:
    """Write ``state_dict.bin``, ``compression_state_dict.bin``, ``t5-base/``; ``lm`` overrides ``transformer_lm``."""
    save_t5(folder / "t5-base", seed)
    torch.manual_seed(seed)
    save_package(folder / CODEC, codec_configuration(cardinality), codec_state(codec_configuration(cardinality)))
    configuration = lm_configuration(kind, cardinality, window_seconds, **lm)
    save_package(folder / LANGUAGE_MODEL, configuration, lm_state(folder, configuration))
    return folder


def save_transformers(
    folder: Path, *, kind: Kind = "small", seed: int = 0, cardinality: int = 64, window_seconds: float = 30, **lm: Any
) -> Path:
    """Write what ``save_audiocraft`` writes as transformers keeps it: configuration, safetensors and tokenizer."""
    with tempfile.TemporaryDirectory() as temporary:
        source = Path(temporary)
        save_audiocraft(source, kind=kind, seed=seed, cardinality=cardinality, window_seconds=window_seconds, **lm)
        save_as_transformers(source, folder, torch.load(source / LANGUAGE_MODEL), torch.load(source / CODEC))
    return folder


def save_package(path: Path, configuration: dict[str, Any], state: dict[str, Tensor]) -> None:
    """Write a file of the form of audiocraft's exports."""
    package = {"xp.cfg": yaml.safe_dump(configuration), "best_state": state, "version": "1.3.0", "exported": True}
    path.parent.mkdir(parents=True, exist_ok=True)
    torch.save(package, path)


def save_t5(folder: Path, seed: int = 0, **encoder: Any) -> None:
    """Write an encoder of the width of t5-base with one layer, and a tokenizer that knows letters and a few words."""
    torch.manual_seed(seed)
    words = ["▁", "▁a", "▁the", "▁rock", "▁jazz", "▁drum", "▁bass", "▁slow", "▁fast", "s", "ing"]
    symbols = [chr(code) for code in range(33, 127) if chr(code) not in words]
    scored = [(word, -2.0 - 0.01 * index) for index, word in enumerate(words + symbols)]
    special = [("<pad>", 0.0), ("</s>", 0.0), ("<unk>", -20.0)]
    T5Tokenizer(vocab=special + scored, extra_ids=0).save_pretrained(folder)
    shape = {"vocab_size": len(special + scored), "d_model": 768, "d_kv": 8, "d_ff": 16, "num_layers": 1}
    T5EncoderModel(T5Config(**{**shape, "num_heads": 2, **encoder})).save_pretrained(folder)


def codec_configuration(cardinality: int = 64, **seanet: Any) -> dict[str, Any]:
    """That of the released codec at 32 kHz, with fewer filters."""
    shape = {
        "dimension": 16,
        "channels": "${channels}",
        "n_filters": 4,
        "n_residual_layers": 1,
        "ratios": [8, 5, 4, 4],
        "lstm": 2,
    }
    kernels = {"kernel_size": 7, "residual_kernel_size": 3, "last_kernel_size": 7, "dilation_base": 2, "compress": 2}
    form = {"causal": False, "norm": "weight_norm", "norm_params": {}, "pad_mode": "reflect", "true_skip": True}
    activation = {"activation": "ELU", "activation_params": {"alpha": 1.0}, "disable_norm_outer_blocks": 0}
    decoder = {"trim_right_ratio": 1.0, "final_activation": None, "final_activation_params": None}
    return {
        "compression_model": "encodec",
        "sample_rate": SAMPLE_RATE,
        "channels": 1,
        "encodec": {
            "autoencoder": "seanet", "quantizer": "rvq", "sample_rate": "${sample_rate}", "channels": "${channels}",
            "causal": False, "renormalize": False,
        },
        "seanet": {**shape, **kernels, **form, **activation, "decoder": decoder, "encoder": {}, **seanet},
        "rvq": {"n_q": 4, "q_dropout": False, "bins": cardinality, "decay": 0.99, "kmeans_init": True},
        "no_quant": {},
    }  # fmt: skip


def lm_configuration(
    kind: Kind = "small", cardinality: int = 64, window_seconds: float = 30, **lm: Any
) -> dict[str, Any]:
    """That of the released models, at the width 32 with two layers."""
    shape = {"n_q": len(DELAYS[kind]), "card": cardinality, "dim": 32, "num_heads": 4, "num_layers": 2}
    form = {
        "hidden_scale": 4, "dropout": 0.0, "emb_lr": None, "activation": "gelu", "norm_first": True,
        "norm": "layer_norm", "bias_ff": False, "bias_attn": False, "bias_proj": False, "past_context": None,
        "causal": True, "custom": False, "memory_efficient": True, "attention_as_float32": False,
        "layer_scale": None, "positional_embedding": "sin", "xpos": False, "checkpointing": "none",
        "weight_init": "gaussian", "depthwise_init": "current", "zero_bias_init": True, "cross_attention": False,
        "qk_layer_norm": False, "qk_layer_norm_cross": False,
        "attention_dropout": None, "kv_repeat": 1, "two_step_cfg": False,
    }  # fmt: skip
    text = {"model": "t5", "t5": {"name": "t5-base", "finetune": False, "word_dropout": 0.3, "normalize_text": False}}
    chroma = {
        "sample_rate": "${sample_rate}", "n_chroma": 12, "radix2_exp": 14, "argmax": True, "match_len_on_eval": False,
        "eval_wavs": None, "n_eval_wavs": 100, "cache_path": None,
    }  # fmt: skip
    melody = {"self_wav": {"model": "chroma_stem", "chroma_stem": chroma}} if kind == "melody" else {}
    fused = {"prepend": ["self_wav", "description"]} if melody else {"cross": ["description"]}
    stereo = {"interleave_stereo_codebooks": {"use": True, "per_timestep": False}} if kind == "stereo" else {}
    return {
        "lm_model": "transformer_lm",
        "sample_rate": SAMPLE_RATE,
        "channels": 2 if stereo else 1,
        "dataset": {"segment_duration": window_seconds},
        "codebooks_pattern": {
            "modeling": "delay", "delay": {"delays": DELAYS[kind], "flatten_first": 0, "empty_initial": 0},
        },
        "transformer_lm": {**shape, **form, **lm},
        "classifier_free_guidance": {"training_dropout": 0.3, "inference_coef": 3.0},
        "attribute_dropout": {"args": {"active_on_eval": False}, "text": {}, "wav": {}},
        "fuser": {
            "cross_attention_pos_emb": False, "cross_attention_pos_emb_scale": 1, "sum": [], "prepend": [], "cross": [],
            "input_interpolate": [], **fused,
        },
        "conditioners": {"args": {"merge_text_conditions_p": 0.25, "drop_desc_p": 0.5}, **melody, "description": text},
        **stereo,
    }  # fmt: skip


def reference(folder: Path) -> Any:
    """audiocraft's own ``MusicGen``, loaded in its own way, on the CPU."""
    with contextlib.chdir(folder), melody_without_demucs():  # it finds ./t5-base
        return audiocraft_models().MusicGen.get_pretrained(str(folder), device="cpu")


@contextlib.contextmanager
def melody_without_demucs() -> Iterator[None]:
    """Let audiocraft's own melody conditioner work here: torch in place of torchaudio, and no vocals told apart."""
    audiocraft_models()
    from audiocraft.data.audio_utils import convert_audio
    from audiocraft.modules.conditioners import ChromaStemConditioner

    def mono(conditioner: Any, samples: Tensor, sample_rate: int) -> Tensor:
        return convert_audio(samples, sample_rate, conditioner.sample_rate, 1)

    demucs = SimpleNamespace(sources=["drums", "bass", "other", "vocals"])
    demucs.to = lambda device: demucs
    torchaudio = SimpleNamespace(transforms=SimpleNamespace(Spectrogram=Spectrogram))
    librosa_filters = SimpleNamespace(chroma=_chroma_filters)
    with (
        mock.patch("audiocraft.modules.chroma.torchaudio", torchaudio),
        mock.patch("audiocraft.modules.chroma.filters", librosa_filters),
        mock.patch("demucs.pretrained.get_model", lambda name: demucs),
    ):
        ChromaStemConditioner._get_stemmed_wav = mono  # for good: it is called when the model is, later
        yield


class Spectrogram(nn.Module):
    """What torchaudio's does with the parameters that audiocraft gives it: power, divided by the window's energy."""

    def __init__(self, n_fft: int, win_length: int, hop_length: int, **_: Any) -> None:
        super().__init__()
        self.n_fft, self.hop_length = n_fft, hop_length
        self.register_buffer("window", torch.hann_window(win_length))

    def forward(self, samples: Tensor) -> Tensor:
        """``[B, C, T]`` to ``[B, C, F, frames]``."""
        flat = samples.flatten(0, -2)
        spectrum = torch.stft(flat, self.n_fft, self.hop_length, window=self.window, return_complex=True)
        power = (spectrum / self.window.square().sum().sqrt()).abs().square()
        return power.unflatten(0, samples.shape[:-1])


def _chroma_filters(sr: int, n_fft: int, tuning: float, n_chroma: int) -> Any:
    return chroma_filter_bank(
        sampling_rate=sr, num_frequency_bins=n_fft, tuning=tuning, num_chroma=n_chroma
    ).astype("float32")  # fmt: skip


def codec_state(configuration: dict[str, Any]) -> dict[str, Tensor]:
    """Random weights of a codec, as if its codebooks had been learnt."""
    from omegaconf import OmegaConf

    codec = audiocraft_models().builders.get_compression_model(OmegaConf.create({**configuration, "device": "cpu"}))
    state = codec.state_dict()
    for name in state:
        if name.endswith("inited"):
            state[name].fill_(1)
        elif name.endswith(("embed", "embed_avg")):
            state[name].normal_()
    return state


def lm_state(folder: Path, configuration: dict[str, Any]) -> dict[str, Tensor]:
    """Random weights of a language model whose T5 is in ``folder``."""
    from omegaconf import OmegaConf

    settings = OmegaConf.create({**configuration, "device": "cpu", "dtype": "float32"})
    del settings.conditioners.args
    with contextlib.chdir(folder), melody_without_demucs():
        state = audiocraft_models().builders.get_lm_model(settings).state_dict()
    for name, values in state.items():
        if "norm" in name:  # or one could be taken for another, and nobody would notice
            values.uniform_(-0.2, 0.2).add_(float(name.endswith("weight")))
    return state


@cache
def _temporary_folder() -> Path:
    folder = Path(tempfile.mkdtemp(prefix="musicgen-"))
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    return folder
