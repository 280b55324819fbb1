"""EnCodec's decoder in pieces: together they are what it makes of all codes at once, to float32's rounding.

The decoder is a convolution, a recurrent layer and a stack of convolutions that raise the rate. The recurrent layer
goes on from its state. A convolution sees a few frames to either side: those before a piece are kept and computed
again, those after it are waited for. Only the stream's true edges are padded, as the model pads them.

Shapes: B rows (two where left and right are coded apart), K codebooks, D channels of a layer, T frames.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from copy import copy
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch import nn

if TYPE_CHECKING:
    from core.engines.musicgen.model import Codes
    from core.ports import Block


class DecoderStream:
    """A ``StreamingDecoder`` over the layers of EnCodec's decoder."""

    def __init__(self, num_codebooks: int, dequantize: Callable[[Codes], torch.Tensor], layers: Sequence[Any]) -> None:
        """Start a stream.

        Args:
            num_codebooks: K, of both channels if they are coded apart.
            dequantize: codes ``[K, T]`` to latent frames ``[B, D, T]``.
            layers: all layers of the decoder, in order; the first is a convolution.
        """
        recurrent = [index for index, layer in enumerate(layers) if hasattr(layer, "lstm")]
        front = recurrent[0] if recurrent else 1
        self._dequantize = dequantize
        self._front = Stage(layers[:front])
        self._recurrent = layers[front] if recurrent else None
        self._state: Any = None
        self._rest = Stage(layers[front + len(recurrent) :])
        self._no_codes = np.zeros((num_codebooks, 0), np.int64)

    def push(self, codes: Codes) -> Block:
        """Go on with codes ``[K, T]``; the samples ``[C, T]`` that they complete."""
        return self._decode(codes, last=False)

    def finish(self) -> Block:
        """The samples ``[C, T]`` that waited for frames to come."""
        return self._decode(self._no_codes, last=True)

    def __copy__(self) -> DecoderStream:
        """A stream that goes on from the same codes on its own."""
        twin = object.__new__(DecoderStream)
        vars(twin).update(vars(self), _front=copy(self._front), _rest=copy(self._rest))
        return twin

    @torch.inference_mode()
    def _decode(self, codes: Codes, last: bool) -> Block:
        frames = self._recur(self._front.push(self._dequantize(codes), last))
        samples = self._rest.push(frames, last)
        return samples.flatten(0, 1).cpu().numpy()

    def _recur(self, frames: torch.Tensor) -> torch.Tensor:
        if self._recurrent is None or not frames.shape[-1]:
            return frames
        sequence = frames.permute(2, 0, 1)
        output: torch.Tensor
        output, self._state = self._recurrent.lstm(sequence, self._state)
        if getattr(self._recurrent, "skip", True):  # transformers' always has one
            output = output + sequence
        return output.permute(1, 2, 0)


class Stage:
    """Layers without a state, applied to windows of a stream, of which only what has its whole context is kept.

    Attributes:
        channels: of what comes out.
        ratio: how many samples a frame becomes.
        context: how many frames to either side a frame's samples depend on.
    """

    def __init__(self, layers: Sequence[Any]) -> None:
        self.channels = _convolution(list(_padded_layers(layers))[-1]).out_channels
        self.ratio, self.context = measure(layers)
        self._layers = layers
        self._frames: torch.Tensor | None = None
        self._done = 0  # frames at the start of _frames that are there as context alone

    def push(self, frames: torch.Tensor, last: bool) -> torch.Tensor:
        """Go on with frames ``[B, D, T]``; the samples that they complete, all that are left if they are the last."""
        self._frames = frames if self._frames is None else torch.cat([self._frames, frames], dim=-1)
        ready = self._frames.shape[-1] - (0 if last else self.context)
        if ready <= self._done:
            return frames.new_zeros(frames.shape[0], self.channels, 0)
        samples = self._frames
        for layer in self._layers:
            samples = layer(samples)
        samples = samples[..., self._done * self.ratio : ready * self.ratio]
        dropped = max(ready - self.context, 0)
        self._frames, self._done = self._frames[..., dropped:], ready - dropped
        return samples


def measure(layers: Sequence[Any]) -> tuple[int, int]:
    """How many samples a frame becomes, and how many frames to either side they depend on at most.

    Found from the kernels: the range of samples of one frame is followed back through every layer. What is reflected at
    an edge is no further from a sample than the edge's padding, so one number does for both sides.
    """
    padded = list(_padded_layers(layers))
    upsampling = [layer for layer in padded if isinstance(_convolution(layer), nn.ConvTranspose1d)]
    ratio = math.prod(_convolution(layer).stride[0] for layer in upsampling)
    first, last = 0, ratio - 1
    for layer in reversed(padded):
        first, last = _needed(layer, first, last)
    return ratio, max(-first, last)


def _needed(layer: Any, first: int, last: int) -> tuple[int, int]:
    """The range of a layer's input that its output from ``first`` to ``last`` is computed from."""
    convolution = _convolution(layer)
    kernel = (convolution.kernel_size[0] - 1) * convolution.dilation[0] + 1
    stride = convolution.stride[0]
    padding = kernel - stride
    if isinstance(convolution, nn.ConvTranspose1d):
        right = math.ceil(padding * layer.trim_right_ratio) if layer.causal else padding // 2
        left = padding - right
        return math.ceil((first + left - kernel + 1) / stride), (last + left) // stride
    right = 0 if layer.causal else padding // 2
    return first - (padding - right), last + right


def _padded_layers(layers: Sequence[Any]) -> Iterator[Any]:
    """The convolutions that pad their own input, in the order in which they are applied.

    A residual block's shortcut comes after its branch and has a kernel of one, which adds nothing.
    """
    for layer in layers:
        yield from (module for module in layer.modules() if hasattr(module, "causal"))


def _convolution(layer: Any) -> nn.Conv1d | nn.ConvTranspose1d:
    return next(module for module in layer.modules() if isinstance(module, nn.Conv1d | nn.ConvTranspose1d))
