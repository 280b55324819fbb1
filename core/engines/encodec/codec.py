"""EnCodec at 24 kHz as either library has it, in terms of neither.

Défossez et al., "High Fidelity Neural Audio Compression" (2022). The released model is mono and causal, has latents of
128 channels at 75 frames a second, and at 6.0 kbps eight codebooks of 1,024.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

from torch import Tensor, nn

from core.engines.weight_norm import fold_weight_norms
from core.errors import EngineUnavailable

SAMPLE_RATE = 24000
BANDWIDTH = 6.0  # kbps
PACKAGE_FILES = ("encodec_24khz-*.th",)
TRANSFORMERS_FILES = ("config.json", "model.safetensors")
PATTERNS = (*PACKAGE_FILES, *TRANSFORMERS_FILES)
"""The files that are wanted of the published model; pickled weights of transformers' are not."""


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


def weight_file(folder: Path) -> Path:
    """The file of a folder that ``load_codec`` takes the weights from. Raises ``EngineUnavailable``."""
    # each needs its own library, which the other can do without
    if files := sorted(path for pattern in PACKAGE_FILES for path in folder.glob(pattern)):
        return files[0]
    if all((folder / name).is_file() for name in TRANSFORMERS_FILES):
        return folder / TRANSFORMERS_FILES[-1]
    raise EngineUnavailable(
        f"{folder} holds no EnCodec: it needs {PACKAGE_FILES[0]}, or {' and '.join(TRANSFORMERS_FILES)}"
    )


def load_codec(folder: Path, device: str = "cpu") -> Codec:
    """The codec in a folder: a file of the encodec package, or else what transformers saved.

    Raises:
        EngineUnavailable: neither is there, a file is damaged or of another model, or its library is not installed.
    """
    file = weight_file(folder)
    if file.suffix == ".th":
        from core.engines.encodec import package_model

        codec = from_package(package_model.load_model(file))
    else:
        from core.engines.encodec import transformers_model

        codec = from_transformers(transformers_model.load_model(folder))
    codec.model.to(device)
    return codec


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
