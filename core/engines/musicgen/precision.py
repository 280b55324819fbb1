"""Matrix products in the precision asked for: weights are converted and laid out once, when a model is loaded.

Measured with MusicGen-small's shape and 8 rows, one thread of a CPU with AMX (``python -m bench musicgen`` measures the
whole): weights in oneDNN's own layout take 0.6 of the time of ``torch.nn.functional.linear`` in float32, 0.8 in
bfloat16; with one or two rows, nothing is lost. Whole numbers of 8 bits take a third of float32. Weights that were
released in float16 are held so for products in float32: 0.65 of the time of oneDNN's layout with two rows, 0.87 with
eight.
"""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor
from torch.nn import functional

from core.engines.devices import choose_device

Linear = Callable[[Tensor], Tensor]
"""``[N, in]`` of any floating type to ``[N, out]``; without a bias."""

PRECISIONS = {"float32": torch.float32, "bfloat16": torch.bfloat16, "float16": torch.float16, "int8": torch.int8}
_ROWS = 8  # what the layout is chosen for: the lanes of a request of four stems with guidance
_LEAST_ROWS, _MOST_ROWS = 2, 32
"""Between these a row's product does not depend on how many rows there are, to the last bit: a single row is summed up
in another order, and so are more of them in bfloat16 (measured with torch 2.13 on a CPU with AMX)."""
_LARGEST_CODE, _ZERO_CODE = 127, 128
_SILENCE = 1e-20  # keeps a row of zeros from being divided by zero


def choose(device: str, precision: str) -> tuple[str, str]:
    """Resolve ``auto``: a GPU and float16 where there is one, else the CPU and float32.

    int8 becomes what ``auto`` is where there are no products of whole numbers for it. Raises ``EngineUnavailable`` for
    a GPU that is not there.
    """
    device = choose_device(device)
    on_gpu = device.startswith("cuda")
    if precision == "auto" or (precision == "int8" and (on_gpu or not _has_fast_products(precision))):
        precision = "float16" if on_gpu else "float32"
    return device, precision


def linear(weight: Tensor, precision: str, device: str, gelu: bool = False) -> Linear:
    """The product with a weight ``[out, in]``, followed by the exact GELU if that is wanted."""
    if device != "cpu" or not _has_fast_products(precision):
        return PlainLinear(weight.to(device, torch.float32 if precision == "int8" else PRECISIONS[precision]), gelu)
    if precision == "int8":
        return QuantisedLinear(weight, gelu)
    if precision == "float32" and _fits_half(weight):
        return HalfWeightLinear(weight, gelu)
    return PackedLinear(weight.to(PRECISIONS[precision]), gelu)


def _has_fast_products(precision: str) -> bool:
    """Whether oneDNN multiplies in this precision here. Without VNNI, sums of 8-bit products overflow, unnoticed."""
    if not torch._C._has_mkldnn:
        return False
    supported: dict[str, Callable[[], bool]] = {
        "bfloat16": torch.ops.mkldnn._is_mkldnn_bf16_supported,
        "float16": torch.ops.mkldnn._is_mkldnn_fp16_supported,
        "int8": torch.cpu._is_vnni_supported,
    }
    return precision not in supported or supported[precision]()


def _fits_half(weight: Tensor) -> bool:
    """Whether a weight loses nothing in float16, as those that were released in it do not, and FBGEMM can hold it."""
    if "fbgemm" not in torch.backends.quantized.supported_engines:
        return False
    return weight.dtype == torch.float16 or torch.equal(weight.to(torch.float16).to(weight.dtype), weight)


def attention_dtype(precision: str, device: str) -> torch.dtype:
    """What keys and values are held in. Beside weights of 8 bits they would be most of what a step reads."""
    if precision != "int8":
        return PRECISIONS[precision]
    fast = device == "cpu" and torch.ops.mkldnn._is_mkldnn_bf16_supported()
    return torch.bfloat16 if fast else torch.float32


class PlainLinear:
    """The product as torch does it."""

    def __init__(self, weight: Tensor, gelu: bool) -> None:
        self._weight, self._gelu = weight, gelu

    def __call__(self, x: Tensor) -> Tensor:
        product = functional.linear(x.to(self._weight.dtype), self._weight)
        return functional.gelu(product) if self._gelu else product


class PackedLinear:
    """The product with a weight in the layout that oneDNN likes best, in the weight's own type."""

    def __init__(self, weight: Tensor, gelu: bool) -> None:
        self._dtype = weight.dtype
        self._packed = torch.ops.mkldnn._reorder_linear_weight(weight.contiguous(), _ROWS)
        self._followed_by = "gelu" if gelu else "none"

    def __call__(self, x: Tensor) -> Tensor:
        if len(x) < _LEAST_ROWS:
            return self._product(x.repeat(_LEAST_ROWS, 1))[: len(x)]
        if len(x) <= _MOST_ROWS or self._dtype != torch.bfloat16:
            return self._product(x)
        return torch.cat([self._product(part) for part in x.tensor_split(-(-len(x) // _MOST_ROWS))])

    def _product(self, x: Tensor) -> Tensor:
        product: Tensor = torch.ops.mkldnn._linear_pointwise(
            x.to(self._dtype),
            self._packed,
            None,
            self._followed_by,
            [],
            "none",  # the last: GELU without approximation
        )
        return product


class HalfWeightLinear:
    """The product in float32 with a weight that is held in float16: exact where the weight is, at half the reading.

    A row's product does not depend on how many rows there are. With more than some sixteen it is a little slower than
    ``PackedLinear``, which reads twice as much but need not convert it: only prompts have so many.
    """

    def __init__(self, weight: Tensor, gelu: bool) -> None:
        self._packed = torch.ops.quantized.linear_prepack_fp16(weight.to(torch.float32).contiguous(), None)
        self._gelu = gelu

    def __call__(self, x: Tensor) -> Tensor:
        product: Tensor = torch.ops.quantized.linear_dynamic_fp16(x.to(torch.float32), self._packed)
        return functional.gelu(product) if self._gelu else product


class QuantisedLinear:
    """The product in whole numbers of 8 bits, with one scale an output channel and one a row of the input.

    A scale a row, and not one for all, is what keeps rows from changing each other. The input's codes are around 128:
    with codes around 0, oneDNN has fast products only where there is AMX.
    """

    def __init__(self, weight: Tensor, gelu: bool) -> None:
        weight = weight.to(torch.float32)
        self._gelu = gelu
        self._scales = weight.abs().amax(1).clamp_(min=_SILENCE).div_(_LARGEST_CODE)
        self._zeros = torch.zeros(len(weight), dtype=torch.int64)
        codes = (weight / self._scales[:, None]).round_().to(torch.int8)
        self._packed = torch.ops.onednn.qlinear_prepack(codes, None)

    def __call__(self, x: Tensor) -> Tensor:
        """``[N, in]`` to ``[N, out]`` in float32."""
        x = x.to(torch.float32)
        scale = x.abs().amax(-1, keepdim=True).clamp_(min=_SILENCE).div_(_LARGEST_CODE)
        codes = (x / scale).round_().add_(_ZERO_CODE).to(torch.uint8)
        product: Tensor = torch.ops.onednn.qlinear_pointwise(
            codes, 1.0, _ZERO_CODE, self._packed, self._scales, self._zeros, None, 1.0, 0, torch.float32, "none", [], ""
        )
        product.mul_(scale)
        return functional.gelu(product) if self._gelu else product
