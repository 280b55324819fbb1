"""A MusicGen model in terms that do not depend on the library that loaded it.

The architecture is that of Copet et al., "Simple and Controllable Music Generation" (2023): a pre-norm transformer over
the codes of EnCodec, one embedding and one head a codebook, sinusoidal positions, the codebooks delayed against each
other, and text by cross-attention (or, in the melody models, before the sequence).

Shapes: B rows, K codebooks, T frames, C width, F width of the feed-forward layers, L tokens of text, V codes each.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    import numpy as np
    import torch
    from numpy.typing import NDArray

    from core.ports import Block, Recording

    Codes = NDArray[np.int64]
    """Codes of EnCodec, ``[K, T]``, each below V."""


@dataclass(frozen=True)
class Norm:
    """A layer norm's weight and bias, ``[C]`` each."""

    weight: torch.Tensor
    bias: torch.Tensor


@dataclass(frozen=True)
class CrossAttention:
    """Attention to the text: ``query`` ``[C, C]``, ``key_value`` ``[2C, C]`` (key first), ``out`` ``[C, C]``."""

    norm: Norm
    query: torch.Tensor
    key_value: torch.Tensor
    out: torch.Tensor


@dataclass(frozen=True)
class Layer:
    """A layer of the transformer; linear weights ``[out, in]``, none has a bias.

    Attributes:
        attention_in: ``[3C, C]``: query, key, value.
        attention_out: ``[C, C]``.
        cross: ``None`` in the melody models.
        linear1: ``[F, C]``, followed by the exact GELU.
        linear2: ``[C, F]``.
    """

    attention_norm: Norm
    attention_in: torch.Tensor
    attention_out: torch.Tensor
    cross: CrossAttention | None
    linear_norm: Norm
    linear1: torch.Tensor
    linear2: torch.Tensor


@dataclass(frozen=True)
class LanguageModel:
    """The transformer's weights.

    Attributes:
        embeddings: K of ``[V + 1, C]``; the last row is the code that stands for none.
        heads: K of ``[V, C]``.
        delays: how many steps each codebook lags behind, the first by 0.
    """

    embeddings: tuple[torch.Tensor, ...]
    layers: tuple[Layer, ...]
    out_norm: Norm
    heads: tuple[torch.Tensor, ...]
    num_heads: int
    delays: tuple[int, ...]

    @property
    def num_codebooks(self) -> int:
        """K."""
        return len(self.heads)

    @property
    def cardinality(self) -> int:
        """V; also the code that stands for none."""
        return self.heads[0].shape[0]

    @property
    def width(self) -> int:
        """C."""
        return self.heads[0].shape[1]


@dataclass(frozen=True)
class Conditioning:
    """What steers a row, without padding.

    Attributes:
        prefix: ``[P, C]``, put before the sequence; ``None`` for none. Position 0 is its first.
        cross: ``[L, C]``, attended to by every layer; ``None`` for none.
    """

    prefix: torch.Tensor | None = None
    cross: torch.Tensor | None = None


class Conditioner(Protocol):
    """Turns words, and a melody where the model knows of one, into what steers a row."""

    def condition(self, description: str, melody: Recording | None) -> Conditioning:
        """For a row that follows them."""
        ...

    def null(self) -> Conditioning:
        """For the row that guidance leads away from: as ``condition`` of nothing."""
        ...


class StreamingDecoder(Protocol):
    """Turns codes into samples piece by piece; the pieces together are what decoding all at once gives."""

    def push(self, codes: Codes) -> Block:
        """Go on with codes ``[K, T]``; the samples ``[C, T]`` that they complete, which may be none."""
        ...

    def finish(self) -> Block:
        """The samples that are left at the end."""
        ...


class Codec(Protocol):
    """EnCodec: audio to codes and back.

    Attributes:
        sample_rate: Hz.
        channels: 1 or 2; in stereo, the codebooks of left and right take turns.
        frame_rate: frames a second.
    """

    sample_rate: int
    channels: int
    frame_rate: int

    def encode(self, recording: Recording) -> Codes:
        """Codes ``[K, T]`` of a recording at any rate, mono or stereo."""
        ...

    def decoder(self) -> StreamingDecoder:
        """A decoder for one stream of codes."""
        ...


@dataclass(frozen=True)
class MusicModel:
    """All parts of a model.

    Attributes:
        loader: ``audiocraft`` or ``transformers``.
        window_seconds: the longest sequence that it was trained on.
        digest: SHA-256 of its weights, in hexadecimal.
        follows_melody: whether its conditioner makes use of a melody.
    """

    loader: str
    language_model: LanguageModel
    conditioner: Conditioner
    codec: Codec
    window_seconds: float
    digest: str
    follows_melody: bool = False
