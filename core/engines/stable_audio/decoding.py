"""Latents to samples, a window at a time: decoded at once, 47 s take gigabytes in the decoder's last layers."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any

import torch

if TYPE_CHECKING:
    from core.ports import Block

_WINDOW_SECONDS = 4
_BLOCK_SECONDS = 1
_RESIDUAL_REACH = 3 * (1 + 3 + 9)  # three convolutions of 7 samples, dilated by 1, 3 and 9
_OUTER_REACH = 3  # the first and the last convolution, of 7 samples


def decode(vae: Any, latents: torch.Tensor, frames: int) -> Iterator[Block]:
    """Yield the first ``frames`` frames in blocks ``[C, T]`` of at most a second.

    The samples are those of decoding at once, to within float32's rounding: each window brings along as many latents
    of its neighbours as the decoder can see.

    Args:
        vae: an ``AutoencoderOobleck`` whose ratios are even.
        latents: ``[D, L]``.
    """
    hop, sample_rate = vae.hop_length, vae.config.sampling_rate
    window = math.ceil(_WINDOW_SECONDS * sample_rate / hop)
    context = latents_in_reach(vae.upsampling_ratios)
    for start in range(0, math.ceil(frames / hop), window):
        first = max(start - context, 0)
        with torch.inference_mode():
            samples = vae.decode(latents[None, :, first : start + window + context].to(vae.dtype)).sample[0]
        samples = samples[:, (start - first) * hop :][:, : min(window * hop, frames - start * hop)]
        for block in samples.float().cpu().split(_BLOCK_SECONDS * sample_rate, dim=1):
            yield block.numpy()


def latents_in_reach(ratios: Sequence[int]) -> int:
    """How many latents to either side a sample depends on; ``ratios`` are those of the decoder's blocks in order."""
    reach = _OUTER_REACH
    for ratio in reversed(ratios):
        reach = math.ceil((reach + _RESIDUAL_REACH) / ratio) + 1  # a transposed convolution reaches to the next input
    return reach + _OUTER_REACH
