"""Stable Audio's parts, checked and loaded by diffusers from a folder as it is published."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from diffusers import StableAudioPipeline
from diffusers.utils import logging as diffusers_logging
from safetensors import SafetensorError, safe_open
from transformers.utils import logging as transformers_logging

from core.engines.weights import matching
from core.errors import EngineUnavailable

if TYPE_CHECKING:
    from core.engines.compute import Compute

WEIGHTS = ("*/*.safetensors",)
"""The weights of the parts. What lies beside the parts' folders is the same again, for another library."""

PATTERNS = ("model_index.json", "*/*.json", "*/*.model", "*/*.txt", *WEIGHTS)
"""All that is needed; never a pickle."""

_PARTS = {
    "vae": "AutoencoderOobleck",
    "text_encoder": "T5EncoderModel",
    "projection_model": "StableAudioProjectionModel",
    "transformer": "StableAudioDiTModel",
}
_SETTINGS = ("scheduler/scheduler_config.json", *(f"{part}/config.json" for part in _PARTS))
_LOADING_ERRORS = (
    *(ImportError, OSError, ValueError, RuntimeError, KeyError, TypeError, AttributeError),
    SafetensorError,
)  # whatever diffusers and transformers let through when a part is not what its settings say


def load_pipeline(folder: Path, compute: Compute) -> Any:
    """A ``StableAudioPipeline`` on its device, whose autoencoder computes in float32 whatever the others do.

    Raises:
        EngineUnavailable: a file is missing or damaged, or holds something else.
    """
    stored = _check(folder)
    for logging in (diffusers_logging, transformers_logging):
        logging.disable_progress_bar()  # a log is no terminal
    # bfloat16 keeps 8 bits of a sample: noise only 50 dB below the music
    precision = {"default": getattr(torch, compute.precision), "vae": torch.float32}
    try:
        pipeline = StableAudioPipeline.from_pretrained(  # type: ignore[no-untyped-call] # diffusers has no annotations
            str(folder), dtype=precision, use_safetensors=True, local_files_only=True
        )
        for part, names in stored.items():
            _check_complete(folder / part, getattr(pipeline, part), names)
        pipeline.to(compute.device)
    except _LOADING_ERRORS as error:
        raise EngineUnavailable(f"{folder} cannot be loaded as a model of Stable Audio: {error}") from error
    pipeline.set_progress_bar_config(disable=True)
    return pipeline


def _check(folder: Path) -> dict[str, set[str]]:
    """The names of all tensors that are stored, by part; what diffusers would fail at is named here by its file."""
    index = _read_json(folder / "model_index.json")
    for part, kind in _PARTS.items():
        if not isinstance(index, dict) or kind not in (index.get(part) or ()):
            raise EngineUnavailable(f"{folder / 'model_index.json'} is not that of Stable Audio: no {part} is a {kind}")
    settings = {name: _read_json(folder / name) for name in _SETTINGS}
    ratios = settings["vae/config.json"].get("downsampling_ratios", ())
    if any(ratio % 2 for ratio in ratios):
        raise EngineUnavailable(f"{folder / 'vae/config.json'}: only even downsampling_ratios are supported")
    return {part: _tensor_names(folder / part) for part in _PARTS}


def _read_json(path: Path) -> Any:
    try:
        return json.loads(path.read_bytes())
    except FileNotFoundError:
        raise EngineUnavailable(f"{path} is missing") from None
    except ValueError as error:
        raise EngineUnavailable(f"{path} is damaged: {error}") from error


def _tensor_names(folder: Path) -> set[str]:
    names: set[str] = set()
    files = matching(folder, ["*.safetensors"])
    if not files:
        raise EngineUnavailable(f"{folder} has no weights: a file .safetensors is missing")
    for file in files:
        try:
            with safe_open(folder / file, "pt") as tensors:
                names.update(tensors.keys())
        except (SafetensorError, OSError) as error:
            raise EngineUnavailable(f"{folder / file} is damaged: {error}") from error
    return names


def _check_complete(folder: Path, model: Any, stored: set[str]) -> None:
    """Refuse weights that lack a tensor: the libraries would go on with random numbers in its place."""
    state = model.state_dict()
    present = {state[name].data_ptr() for name in stored & state.keys()}  # a tensor may have several names
    missing = sorted(name for name, tensor in state.items() if tensor.data_ptr() not in present)
    if missing:
        raise EngineUnavailable(f"the weights in {folder} are incomplete: {', '.join(missing[:3])} …")
