"""Products with weights, in every way that a CPU has for them."""

from __future__ import annotations

import pytest
import torch
from torch.nn import functional

from core.engines.musicgen.precision import HalfWeightLinear, PackedLinear, linear

half_weights = pytest.mark.skipif(
    "fbgemm" not in torch.backends.quantized.supported_engines, reason="this CPU's torch is without FBGEMM"
)


def weight(seed: int = 0) -> torch.Tensor:
    return (torch.randn(96, 64, generator=torch.Generator().manual_seed(seed)) * 0.1).to(torch.float16)


@half_weights
@pytest.mark.parametrize("gelu", [False, True])
@pytest.mark.parametrize("dtype", [torch.float16, torch.float32])
def test_weights_that_were_released_in_half_are_multiplied_as_in_float32(dtype: torch.dtype, gelu: bool) -> None:
    product = linear(weight().to(dtype), "float32", "cpu", gelu)
    assert isinstance(product, HalfWeightLinear)
    rows = torch.randn(9, 64)
    expected = functional.linear(rows.double(), weight().double())
    expected = functional.gelu(expected) if gelu else expected
    torch.testing.assert_close(product(rows).double(), expected, atol=1e-6, rtol=1e-5)


def test_weights_that_half_would_change_are_kept_as_they_are() -> None:
    exact = torch.randn(96, 64) * 0.1
    product = linear(exact, "float32", "cpu")
    assert isinstance(product, PackedLinear)
    rows = torch.randn(9, 64)
    torch.testing.assert_close(product(rows), functional.linear(rows, exact), atol=1e-6, rtol=1e-5)


@half_weights
def test_a_rows_product_is_the_same_to_the_last_bit_whoever_is_beside_it() -> None:
    product = linear(weight(), "float32", "cpu")
    rows = torch.randn(70, 64)
    for count in (1, 2, 7, 8, 16, 33, 70):
        assert torch.equal(product(rows[:count]), product(rows)[:count])
