"""Tiny EnCodecs and cascades with random weights, saved the way the released ones are."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Literal

import torch
from torch import Tensor

from core.engines.encodec import package_model
from core.engines.encodec.cascade import Cascade, CascadeShape
from core.engines.encodec.checkpoint import save_cascade

Library = Literal["encodec", "transformers"]

DIMENSION, FRAME_LENGTH = 16, 160
TINY = {"dimension": DIMENSION, "num_filters": 2, "ratios": [8, 5, 4], "num_codebooks": 32, "bins": 32}
RELEASED = {"dimension": 128, "num_filters": 32, "ratios": [8, 5, 4, 2], "num_codebooks": 32, "bins": 1024}
"""Both have eight codebooks at 6.0 kbps: 750 bits a second each."""

PACKAGE_FILE = "encodec_24khz-00000000.th"
TINY_SHAPE = CascadeShape(encoding_dim=DIMENSION, heads=2, layers=1, stages=2)


def codec_folder(folder: Path, library: Library = "encodec", *, seed: int = 0, channels: int = 1, **sizes: Any) -> Path:
    """Write a codec, a tiny one unless ``sizes`` says otherwise; the same weights for both libraries."""
    return SAVERS[library](folder, codec_model(seed, channels=channels, **{**TINY, **sizes}))


def codec_model(seed: int = 0, **sizes: Any) -> Any:
    """``encodec.EncodecModel`` with codebooks at which the latents of sound are spread."""
    torch.manual_seed(seed)
    model = package_model.build_model(**{"channels": 1, **sizes})
    with torch.no_grad():
        for name, values in model.named_parameters():  # as drawn, its samples are a constant and hardly anything else
            values.mul_({"weight_g": 2.0, "bias": 0.1}.get(name.rpartition(".")[2], 1.0))
        latents = model.encoder(0.3 * torch.randn(1, model.channels, 24000))
        for layer in model.quantizer.vq.layers:
            codebook = layer._codebook
            codebook.inited.fill_(1)
            codebook.embed.normal_().mul_(latents.std(dim=2)[0]).add_(latents.mean(dim=2)[0])
            codebook.embed_avg.copy_(codebook.embed)
            latents = latents - layer.decode(layer.encode(latents))
    return model.eval()


def save_for_package(folder: Path, model: Any) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    torch.save(model.state_dict(), folder / PACKAGE_FILE)
    return folder


def save_for_transformers(folder: Path, model: Any) -> Path:
    from transformers import EncodecConfig, EncodecModel
    from transformers.utils import logging

    logging.disable_progress_bar()
    config = EncodecConfig(
        audio_channels=model.channels,
        hidden_size=model.encoder.dimension,
        num_filters=model.encoder.n_filters,
        upsampling_ratios=model.decoder.ratios,
        codebook_size=model.quantizer.bins,
    )
    converted = EncodecModel(config)
    converted.load_state_dict({_renamed(name): values for name, values in model.state_dict().items()})
    converted.save_pretrained(folder)
    return folder


SAVERS = {"encodec": save_for_package, "transformers": save_for_transformers}


def checkpoint(path: Path, shape: CascadeShape = TINY_SHAPE, *, seed: int = 0) -> Path:
    """Write a ``best_model.pt`` of random weights, as training would leave it."""
    save_cascade(path, cascade(shape, seed=seed), epoch=3, val_loss=0.5)
    return path


def cascade(shape: CascadeShape = TINY_SHAPE, *, seed: int = 0) -> Cascade:
    """One whose norms are not all ones and zeros, or one could be taken for another, and nobody would notice."""
    torch.manual_seed(seed)
    model = Cascade(shape)
    for name, values in model.named_parameters():
        if "norm" in name:
            values.data.uniform_(-0.2, 0.2).add_(float(name.endswith("weight")))
    for _ in range(3):  # the spectral norms get to know their weights
        model(*torch.randn(2, 1, shape.encoding_dim, 8))
    return model.eval()


def models_folder(root: Path, library: Library = "encodec", shape: CascadeShape = TINY_SHAPE, **sizes: Any) -> Path:
    """A ``MODEL_DIR`` with a codec and a bridge; the folder."""
    codec_folder(root / "encodec" / "24khz", library, **sizes)
    checkpoint(root / "encodec" / "cascade" / "best_model.pt", shape)
    return root


def sound(seconds: float, seed: int = 0, channels: int = 1) -> Tensor:
    """Noise that swells and fades, ``[C, T]`` at 24 kHz."""
    generator = torch.Generator().manual_seed(seed)
    frames = round(seconds * 24000)
    swell = 0.2 + 0.1 * torch.sin(torch.arange(frames) / 700 + seed)
    return swell * torch.randn(channels, frames, generator=generator)


def _renamed(name: str) -> str:
    """A tensor of the package's by its name in transformers."""
    for old, new in (
        ("encoder.model.", "encoder.layers."),
        ("decoder.model.", "decoder.layers."),
        ("quantizer.vq.layers.", "quantizer.layers."),
        ("._codebook.", ".codebook."),
        (".conv.conv.", ".conv."),
        (".convtr.convtr.", ".conv."),
        (".weight_g", ".parametrizations.weight.original0"),
        (".weight_v", ".parametrizations.weight.original1"),
    ):
        name = name.replace(old, new)
    return name
