"""EnCodec at 24 kHz as either library has it, in terms of neither.

Défossez et al., "High Fidelity Neural Audio Compression" (2022). The released model is mono and causal, has latents of
128 channels at 75 frames a second, and at 6.0 kbps eight codebooks of 1,024.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Protocol

from torch import Tensor, nn

from core.engines.weight_norm import fold_weight_norms
from core.errors import EngineUnavailable

SAMPLE_RATE = 24000
BANDWIDTH = 6.0  # kbps


class Codec(Protocol):
    """Between samples and latents, in float32; its own weights are frozen.

    Attributes:
        sample_rate: Hz.
        frame_length: samples of a frame of latents.
        dimension: D, the channels of the latents.
    """

    sample_rate: int
    frame_length: int
    dimension: int

    def encode(self, samples: Tensor) -> Tensor:
        """Samples ``[B, 1, T]`` to latents ``[B, D, F]``, as many frames as hold them all; before quantisation."""
        ...

    def quantise(self, latents: Tensor) -> Tensor:
        """The latents ``[B, D, F]`` that the codebooks of 6.0 kbps make of these: what the decoder was trained on."""
        ...

    def decode(self, latents: Tensor) -> Tensor:
        """Latents ``[B, D, F]`` to samples ``[B, 1, F * frame_length]``."""
        ...


@dataclass(eq=False)
class EncodecCodec:
    """A ``Codec``: the parts of a model of either library.

    Attributes:
        model: has ``encoder``, ``quantizer`` and ``decoder``.
        codes: latents ``[B, D, F]`` to what the quantizer decodes.
    """

    model: Any
    codes: Callable[[Tensor], Tensor]
    sample_rate: int
    frame_length: int
    dimension: int

    def encode(self, samples: Tensor) -> Tensor:
        latents: Tensor = self.model.encoder(samples)
        return latents

    def quantise(self, latents: Tensor) -> Tensor:
        quantised: Tensor = self.model.quantizer.decode(self.codes(latents))
        return quantised

    def decode(self, latents: Tensor) -> Tensor:
        samples: Tensor = self.model.decoder(latents)
        return samples


def from_package(model: Any) -> EncodecCodec:
    """The parts of ``encodec.EncodecModel``, whose weights are changed: the norms are folded in.

    Raises ``EngineUnavailable`` for one that is not of 24 kHz and mono.
    """
    _ready(model, model.sample_rate, model.channels, scaled=model.normalize)
    model.set_target_bandwidth(BANDWIDTH)
    return EncodecCodec(
        model=model,
        codes=lambda latents: model.quantizer.encode(latents, model.frame_rate, model.bandwidth),
        sample_rate=int(model.sample_rate),
        frame_length=int(model.encoder.hop_length),
        dimension=int(model.encoder.dimension),
    )


def from_transformers(model: Any) -> EncodecCodec:
    """The parts of ``transformers.EncodecModel``, whose weights are changed: the norms are folded in.

    Raises ``EngineUnavailable`` for one that is not of 24 kHz and mono.
    """
    config = model.config
    _ready(model, config.sampling_rate, config.audio_channels, scaled=config.normalize)
    return EncodecCodec(
        model=model,
        codes=lambda latents: model.quantizer.encode(latents, BANDWIDTH),
        sample_rate=int(config.sampling_rate),
        frame_length=int(config.hop_length),
        dimension=int(config.hidden_size),
    )


def _ready(model: nn.Module, sample_rate: int, channels: int, scaled: bool) -> None:
    """Fold the weights, for inference in float32; refuse another model than the one at 24 kHz."""
    if (sample_rate, channels) != (SAMPLE_RATE, 1):
        raise EngineUnavailable(
            f"the codec is of {sample_rate} Hz and {channels} channels: the bridge needs EnCodec's of {SAMPLE_RATE} Hz "
            "and one"
        )
    if scaled or any(isinstance(module, nn.GroupNorm) for module in model.modules()):
        raise EngineUnavailable("the codec depends on a whole recording's level: EnCodec's of 24000 Hz does not")
    model.float().eval()
    fold_weight_norms(model)
