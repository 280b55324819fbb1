"""demucs' own models with their slowest layers replaced; the samples stay the same to within float32's rounding.

What each replacement avoids, found with ``torch.profiler`` on htdemucs (``python -m bench demucs`` measures the sum):

- attention: torch's inference kernel for ``MultiheadAttention`` writes the whole matrix of attention, 230 MB a layer;
  ``scaled_dot_product_attention`` does not.
- the residual branches (``DConv``): they run on 512 frequencies as a batch and stream tensors of 66 MB through
  memory again and again; a few frequencies at a time stay in the cache.
- group norm with one group, transposed: ``layer_norm`` over both axes needs no transposed copy.
- the inverse STFT: demucs pads the complex spectrum of every source twice, and ``torch.istft`` copies it again.
"""

from __future__ import annotations

import math
from functools import partial
from typing import Any, cast

import torch
from demucs.demucs import DConv
from demucs.transformer import LayerScale, MyGroupNorm
from torch import Tensor, nn
from torch.nn import functional

_ROWS_IN_CACHE = 16  # 16 × 96 channels × 336 steps of float32 are 2 MB, the usual second-level cache of a core


def use_fast_layers(model: nn.Module) -> None:
    """Replace layers of a demucs model in place; those that are of another kind than expected stay as they are."""
    for module in list(model.modules()):
        for name, child in module.named_children():
            if replacement := _replacement(child):
                setattr(module, name, replacement)
    if getattr(model, "cac", False) and getattr(model, "hybrid", True) and not getattr(model, "hybrid_old", False):
        vars(model).update(_mask=_complex_spectrum, _ispec=partial(_inverse_stft, cast(int, model.hop_length)))


def _replacement(layer: nn.Module) -> nn.Module | None:
    if isinstance(layer, nn.MultiheadAttention) and Attention.fits(layer):
        return Attention(layer)
    if isinstance(layer, DConv) and ResidualBranches.fits(layer):
        return ResidualBranches(layer)
    if isinstance(layer, MyGroupNorm) and layer.num_groups == 1:
        return WholeNorm(layer)
    return None


class Attention(nn.Module):
    """``nn.MultiheadAttention`` for inference, batch first, without masks and weights."""

    def __init__(self, attention: nn.MultiheadAttention) -> None:
        super().__init__()
        self.in_proj_weight, self.in_proj_bias = attention.in_proj_weight, attention.in_proj_bias
        self.out_proj = attention.out_proj
        self.heads = attention.num_heads
        self.batch_first = True  # nn.TransformerEncoderLayer looks at it

    @staticmethod
    def fits(attention: nn.MultiheadAttention) -> bool:
        """Whether this layer has the one form that demucs uses."""
        return attention.batch_first and attention._qkv_same_embed_dim and attention.bias_k is None

    def forward(self, query: Tensor, key: Tensor, value: Tensor, **options: Any) -> tuple[Tensor, None]:
        """Attend from ``query`` ``[B, T, C]`` to ``key`` ``[B, S, C]``; demucs always passes ``value is key``."""
        assert options.get("attn_mask") is None
        assert options.get("key_padding_mask") is None
        channels = query.shape[-1]
        if query is key:
            projected = functional.linear(query, self.in_proj_weight, self.in_proj_bias).chunk(3, -1)
        else:
            asked = functional.linear(query, self.in_proj_weight[:channels], self.in_proj_bias[:channels])
            offered = functional.linear(key, self.in_proj_weight[channels:], self.in_proj_bias[channels:])
            projected = (asked, *offered.chunk(2, -1))
        asked, keys, values = (part.view(*part.shape[:2], self.heads, -1).transpose(1, 2) for part in projected)
        attended = functional.scaled_dot_product_attention(asked, keys, values)
        return self.out_proj(attended.transpose(1, 2).flatten(2)), None


class WholeNorm(nn.Module):
    """Group norm with one group of ``[B, T, C]``: over all channels and steps of a row, then scaled by channel."""

    def __init__(self, norm: nn.GroupNorm) -> None:
        super().__init__()
        self.weight, self.bias, self.eps = norm.weight, norm.bias, norm.eps

    def forward(self, x: Tensor) -> Tensor:
        return torch.addcmul(self.bias, normalised(x, self.eps), self.weight)


class ResidualBranches(nn.Module):
    """``DConv`` without attention and LSTM, on ``[N, T, C]``, a few of the N rows at a time."""

    def __init__(self, branches: DConv) -> None:
        super().__init__()
        self.branches = nn.ModuleList(ResidualBranch(*layers) for layers in _parts(branches))

    @staticmethod
    def fits(branches: DConv) -> bool:
        """Whether every branch is convolution, norm, GELU, convolution, norm, GLU and scale."""
        kinds = (nn.Conv1d, nn.GroupNorm, nn.GELU, nn.Conv1d, nn.GroupNorm, nn.GLU)
        return all(
            len(parts) == 7
            and all(isinstance(part, kind) for part, kind in zip(parts, kinds, strict=False))
            and parts[0].kernel_size == (3,)
            for parts in _parts(branches)
        )

    def forward(self, x: Tensor) -> Tensor:
        """Add the branches to ``x`` ``[N, C, T]``; the result is a transposed view."""
        rows = len(x) if x.is_cuda else _ROWS_IN_CACHE
        parts = torch.split(x.transpose(1, 2), rows)
        return torch.cat([self._rows(part) for part in parts]).transpose(1, 2)

    def _rows(self, x: Tensor) -> Tensor:
        x = x.contiguous()
        for branch in self.branches:
            x = branch(x)
        return x


class ResidualBranch(nn.Module):
    """One branch of ``DConv``: squeeze by a dilated convolution, expand, gate, scale, add."""

    def __init__(
        self, squeeze: nn.Conv1d, norm: nn.GroupNorm, gelu: nn.GELU, expand: nn.Conv1d, gate_norm: nn.GroupNorm,
        glu: nn.GLU, scale: LayerScale,
    ) -> None:  # fmt: skip
        super().__init__()
        self.dilation = squeeze.dilation[0]
        self.taps = nn.Parameter(squeeze.weight.detach().permute(2, 0, 1).flatten(0, 1).contiguous(), False)
        self.squeeze_bias = cast(Tensor, squeeze.bias)
        self.norm = WholeNorm(norm)
        self.expand = nn.Parameter(expand.weight.detach()[..., 0].contiguous(), False)
        self.expand_bias, self.eps = expand.bias, gate_norm.eps
        scales = torch.cat([scale.scale, torch.ones_like(scale.scale)]).detach()
        self.gate_weight = nn.Parameter(gate_norm.weight.detach() * scales, False)
        self.gate_bias = nn.Parameter(gate_norm.bias.detach() * scales, False)

    def forward(self, x: Tensor) -> Tensor:
        """``x`` ``[N, T, C]`` plus its branch."""
        squeezed = functional.gelu(self.norm(self._squeeze(x)))
        expanded = normalised(functional.linear(squeezed, self.expand, self.expand_bias), self.eps)
        (values, gates), weights = expanded.chunk(2, -1), self.gate_weight.chunk(2)
        biases = self.gate_bias.chunk(2)
        values = torch.addcmul(biases[0], values, weights[0])
        return torch.addcmul(x, values, torch.addcmul(biases[1], gates, weights[1]).sigmoid_())

    def _squeeze(self, x: Tensor) -> Tensor:
        """The convolution over three steps: one product for all taps, whose results are added side by side."""
        before, here, after = functional.linear(x, self.taps).chunk(3, -1)
        squeezed = here + self.squeeze_bias
        squeezed[:, self.dilation :] += before[:, : -self.dilation]
        squeezed[:, : -self.dilation] += after[:, self.dilation :]
        return squeezed


def _parts(branches: DConv) -> list[list[Any]]:
    return [list(cast(nn.Sequential, layer)) for layer in branches.layers]


def normalised(x: Tensor, eps: float) -> Tensor:
    """Each row of ``[N, ...]`` with mean 0 and variance 1."""
    return functional.layer_norm(x, x.shape[1:], eps=eps)


def _complex_spectrum(_mixture: Tensor, channels: Tensor) -> Tensor:
    """The model's output ``[B, S, 2C, F, T]`` as complex ``[B, S, C, F + 1, T]``, each frame contiguous, Nyquist 0."""
    batch, sources, doubled, bins, frames = channels.shape
    complete = torch.empty(batch, sources, doubled // 2, frames, bins + 1, 2, device=channels.device)
    complete[..., :bins, :] = channels.view(batch, sources, -1, 2, bins, frames).permute(0, 1, 2, 5, 4, 3)
    complete[..., bins, :] = 0
    return torch.view_as_complex(complete).transpose(-1, -2)


def _inverse_stft(hop: int, spectrum: Tensor, length: int) -> Tensor:
    """The samples ``[..., length]`` of ``spectrum`` ``[..., F + 1, T]``, frame 0 centred half a hop after sample 0.

    Four Hann windows overlap everywhere that is kept, and their squares add up to 1.5: the division by the window's
    envelope, which ``torch.istft`` does for every sample, is one constant.
    """
    window = torch.hann_window(4 * hop, device=spectrum.device) * (math.sqrt(4 * hop) / 1.5)
    frames = torch.fft.irfft(spectrum.transpose(-1, -2), 4 * hop) * window
    samples = frames.new_zeros(*frames.shape[:-2], frames.shape[-2] + 3, hop)
    for quarter, part in enumerate(frames.chunk(4, -1)):
        samples[..., quarter : quarter + frames.shape[-2], :] += part
    return torch.narrow(samples.flatten(-2), -1, 3 * hop // 2, length)
