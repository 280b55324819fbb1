"""The model of MusicGen's benchmarks: the shapes of MusicGen-small as it was released, with random weights."""

from __future__ import annotations

from pathlib import Path

import torch

from tests.musicgen_models import (
    CODEC,
    LANGUAGE_MODEL,
    codec_configuration,
    codec_state,
    lm_configuration,
    lm_state,
    save_package,
    save_t5,
)

_CARDINALITY = 2048


def save_small(folder: Path, dtype: torch.dtype = torch.float16) -> Path:
    """Write audiocraft's files, 420 M parameters in ``dtype`` (float16 as released), codec and T5-base; 1.5 GB."""
    base = {"vocab_size": 32128, "d_kv": 64, "d_ff": 3072, "num_layers": 12, "num_heads": 12}
    save_t5(folder / "t5-base", **base)
    codec = codec_configuration(_CARDINALITY, dimension=128, n_filters=64)
    save_package(folder / CODEC, codec, codec_state(codec))
    lm = lm_configuration("small", _CARDINALITY, dim=1024, num_heads=16, num_layers=24)
    state = lm_state(folder, lm)
    save_package(folder / LANGUAGE_MODEL, lm, {name: values.to(dtype) for name, values in state.items()})
    return folder
