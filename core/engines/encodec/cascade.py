"""The model between EnCodec's encoder and decoder: transformers in a row that make a third track's latents of two.

Its state dict has the names and shapes of the checkpoints that were trained before this version: ``checkpoint.py``.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor, nn

_POSITIONS = 2000  # that a checkpoint holds; 16 s are 1,200
_LONGEST_PERIOD = 10000.0  # Vaswani et al., "Attention Is All You Need" (2017), section 3.5
_FEEDFORWARD = 4  # times the width: as in section 3.3 there
_GAINS = (0.7, 1.5)
_LEAST_POWER = 1e-8


@dataclass(frozen=True)
class CascadeShape:
    """What a model is made by; the defaults are those of the known checkpoints.

    Attributes:
        encoding_dim: D, the dimension of the codec's latents.
        heads: of attention; divides the width of every stage.
        layers: of each stage's transformer.
        stages: 1 looks at track 1 alone; from 2 on every stage looks at both.
        dropout: the share that is left out in training, 0 to 1.
    """

    encoding_dim: int = 128
    heads: int = 8
    layers: int = 4
    stages: int = 2
    dropout: float = 0.1


class Cascade(nn.Module):
    """Latents of two tracks to those of a third, stage by stage; each stage corrects a mean of what it is given."""

    def __init__(self, shape: CascadeShape) -> None:
        """Make one with random weights, on torch's default device."""
        super().__init__()
        self.shape = shape
        if shape.stages == 1:
            for name, module in _stage(shape.encoding_dim, shape).items():
                self.add_module(name, module)
        else:
            self.cascade_stages = nn.ModuleList(
                nn.ModuleDict({"pos_encoding": Positions(width, shape.dropout), **_stage(width, shape)})
                for width in (shape.encoding_dim * (2 if index == 0 else 3) for index in range(shape.stages))
            )

    def forward(self, track1: Tensor, track2: Tensor) -> Tensor:
        """Latents ``[B, D, T]`` of both tracks to the same of the third; items do not know of each other.

        A model of one stage does not look at track 2: that is how its checkpoints were trained.
        """
        first, second = track1.transpose(1, 2), track2.transpose(1, 2)
        made = self._correct(first) if self.shape.stages == 1 else self._descend(first, second)
        return made.transpose(1, 2)

    def fold(self) -> Cascade:
        """Make it ready for inference: every spectral norm becomes part of its weight. It cannot be saved after."""
        for module in list(self.modules()):
            if hasattr(module, "weight_orig"):
                nn.utils.remove_spectral_norm(module)
        return self.eval().requires_grad_(False)

    def _correct(self, track: Tensor) -> Tensor:
        return track + _transformed(self, track)

    def _descend(self, first: Tensor, second: Tensor) -> Tensor:
        made: Tensor | None = None
        for stage in self.cascade_stages:
            inputs = [first, second] if made is None else [first, made, second]
            placed = stage.get_submodule("pos_encoding")(torch.cat(inputs, dim=-1))
            made = _levelled(torch.stack(inputs).mean(dim=0) + _transformed(stage, placed), first, second)
        assert made is not None
        return made


class Positions(nn.Module):
    """Adds to each frame sinusoids that tell where it is, then drops some of all out in training."""

    pe: Tensor

    def __init__(self, width: int, dropout: float) -> None:
        super().__init__()
        self.dropout = nn.Dropout(dropout)
        self.register_buffer("pe", _sinusoids(_POSITIONS, width))

    def forward(self, frames: Tensor) -> Tensor:
        """``[B, T, width]`` to the same; T may exceed what the checkpoint holds."""
        length, width = frames.shape[1:]
        known = self.pe if length <= self.pe.shape[1] else _sinusoids(length, width).to(self.pe)
        moved: Tensor = self.dropout(frames + known[:, :length])
        return moved


def _sinusoids(length: int, width: int) -> Tensor:
    """``[1, length, width]``, sines and cosines in turn."""
    frequencies = torch.exp(torch.arange(0, width, 2) * (-math.log(_LONGEST_PERIOD) / width))
    angles = torch.arange(length)[:, None] * frequencies
    return torch.stack([angles.sin(), angles.cos()], dim=-1).flatten(1)[None, :, :width]


def _stage(width: int, shape: CascadeShape) -> dict[str, nn.Module]:
    layer = nn.TransformerEncoderLayer(
        width, shape.heads, _FEEDFORWARD * width, shape.dropout, activation="gelu", batch_first=True
    )
    return {
        "input_norm": nn.LayerNorm(width),
        "transformer": nn.TransformerEncoder(layer, shape.layers, enable_nested_tensor=False),
        "post_norm": nn.LayerNorm(width),
        # the older of torch's two spectral norms: the checkpoints have its names
        "output_proj": nn.utils.spectral_norm(nn.Linear(width, shape.encoding_dim)),
    }


def _transformed(stage: nn.Module, frames: Tensor) -> Tensor:
    """``[B, T, width]`` to ``[B, T, D]``."""
    for name in ("input_norm", "transformer", "post_norm", "output_proj"):
        frames = stage.get_submodule(name)(frames)
    return frames


def _levelled(made: Tensor, first: Tensor, second: Tensor) -> Tensor:
    """Each item at the mean power of both tracks' latents, as far as the bounds of the gain allow."""
    wanted = (_power(first) + _power(second)) / 2
    return made * (wanted / _power(made)).sqrt().clamp(*_GAINS)


def _power(frames: Tensor) -> Tensor:
    """Mean square of each item ``[B, T, D]`` over time and channels, ``[B, 1, 1]``; never 0."""
    return frames.float().square().mean(dim=(1, 2), keepdim=True) + _LEAST_POWER
