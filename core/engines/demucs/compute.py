"""Where and in what precision a model computes, and how many segments at once."""

from __future__ import annotations

from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from typing import TYPE_CHECKING

from core.engines.devices import gpu_available
from core.errors import EngineUnavailable

if TYPE_CHECKING:
    import torch

_BATCH_BYTES = 2 * 2**30  # of GPU memory a segment of htdemucs, with room to spare
_LARGEST_BATCH = 16


@dataclass(frozen=True)
class Compute:
    """What a model computes on.

    Attributes:
        device: torch's name of it.
        precision: ``float32``, ``bfloat16`` or ``float16``: of products and convolutions; sums, norms and the Fourier
            transform stay in float32.
        batch: the most segments that are computed at once; more than one is no faster on a CPU.
    """

    device: str
    precision: str
    batch: int

    @classmethod
    def choose(cls, device: str, precision: str) -> Compute:
        """Resolve ``auto``. Raises ``EngineUnavailable`` for a GPU that is not there."""
        import torch

        if device == "auto":
            device = "cuda" if gpu_available() and torch.cuda.is_available() else "cpu"
        on_gpu = device.startswith("cuda")
        if on_gpu and not torch.cuda.is_available():
            raise EngineUnavailable(f"TORCH_DEVICE is {device}, and torch finds no GPU: set it to auto or cpu")
        if precision == "auto":
            precision = "float16" if on_gpu else "float32"
        free_bytes = torch.cuda.mem_get_info(device)[0] if on_gpu else 0
        return cls(device, precision, max(1, min(free_bytes // _BATCH_BYTES, _LARGEST_BATCH)))

    def autocast(self) -> AbstractContextManager[object]:
        """The context in which the model is called."""
        import torch

        if self.precision == "float32":
            return nullcontext()
        return torch.autocast(self.device.partition(":")[0], getattr(torch, self.precision))

    def move(self, frames: torch.Tensor) -> torch.Tensor:
        """Put a batch on the device; the copy to a GPU goes on in the background."""
        if self.device == "cpu":
            return frames
        return frames.pin_memory().to(self.device, non_blocking=True)
