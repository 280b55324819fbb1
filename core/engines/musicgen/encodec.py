"""EnCodec as either library has it, in terms of neither.

Défossez et al., "High Fidelity Neural Audio Compression" (2022). MusicGen's has 32 kHz, 50 frames a second and four
codebooks of 2,048; its convolutions are padded on both sides.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import nn

from core.engines.weight_norm import fold_weight_norms
from core.errors import EngineUnavailable


@dataclass(frozen=True)
class Encodec:
    """What is needed of an EnCodec model, ready for inference.

    Attributes:
        encode: samples ``[B, C, T]`` to codes ``[B, K, T]``.
        dequantize: codes ``[B, K, T]`` to latent frames ``[B, D, T]``.
        layers: of the decoder, latent frames ``[B, D, T]`` to samples ``[B, C, T]``, in order.
        num_codebooks: K.
    """

    encode: Callable[[torch.Tensor], torch.Tensor]
    dequantize: Callable[[torch.Tensor], torch.Tensor]
    layers: Sequence[Any]
    sample_rate: int
    channels: int
    num_codebooks: int


def from_audiocraft(model: Any) -> Encodec:
    """The parts of ``audiocraft.models.encodec.EncodecModel``, whose weights are changed: the norms are folded in.

    Raises ``EngineUnavailable`` for a model that cannot be decoded in pieces.
    """
    _ready(model, scaled=model.renormalize)
    return Encodec(
        encode=lambda samples: model.quantizer.encode(model.encoder(samples)),
        dequantize=model.quantizer.decode,
        layers=tuple(model.decoder.model),
        sample_rate=int(model.sample_rate),
        channels=int(model.channels),
        num_codebooks=int(model.num_codebooks),
    )


def from_transformers(model: Any, num_codebooks: int) -> Encodec:
    """The parts of ``transformers.EncodecModel``, whose weights are changed: the norms are folded in.

    Only the first ``num_codebooks`` of its codebooks are used. Raises ``EngineUnavailable`` for a model that cannot be
    decoded in pieces.
    """
    _ready(model, scaled=model.config.normalize or model.config.chunk_length_s is not None)
    return Encodec(
        encode=lambda samples: model.quantizer.encode(model.encoder(samples)).transpose(0, 1)[:, :num_codebooks],
        dequantize=lambda codes: model.quantizer.decode(codes.transpose(0, 1)),
        layers=tuple(model.decoder.layers),
        sample_rate=int(model.config.sampling_rate),
        channels=int(model.config.audio_channels),
        num_codebooks=num_codebooks,
    )


def _ready(model: nn.Module, scaled: bool) -> None:
    """Fold the weights, for inference in float32; refuse what depends on a whole recording's level."""
    if scaled or any(isinstance(module, nn.GroupNorm) for module in model.modules()):
        raise EngineUnavailable(
            "the model's EnCodec depends on a whole recording's level: MusicGen's 32 kHz one does not"
        )
    fold_weight_norms(model.float().eval())
