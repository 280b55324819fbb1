"""Where and in what precision a model computes, and how many segments at once."""

from __future__ import annotations

from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from typing import TYPE_CHECKING

from core.engines.devices import choose_device

if TYPE_CHECKING:
    import torch

_BYTES_PER_SECOND = 256 * 2**20  # of audio in one batch: twice what htdemucs holds in float32 on a CPU
_LONGEST_BATCH_SECONDS = 125.0  # 16 segments of htdemucs


@dataclass(frozen=True)
class Compute:
    """What a model computes on.

    Attributes:
        device: torch's name of it.
        precision: ``float32``, ``bfloat16`` or ``float16``: of products and convolutions; sums, norms and the Fourier
            transform stay in float32.
        batch_seconds: the most audio that is computed at once; on a CPU more than one segment is no faster.
    """

    device: str
    precision: str
    batch_seconds: float

    @classmethod
    def choose(cls, device: str, precision: str) -> Compute:
        """Resolve ``auto``. Raises ``EngineUnavailable`` for a GPU that is not there."""
        import torch

        device = choose_device(device)
        on_gpu = device.startswith("cuda")
        if precision in ("auto", "int8"):  # int8 means language models; convolutions gain nothing by it here
            precision = "float16" if on_gpu else "float32"
        free_bytes = torch.cuda.mem_get_info(device)[0] if on_gpu else 0
        return cls(device, precision, min(free_bytes / _BYTES_PER_SECOND, _LONGEST_BATCH_SECONDS))

    def batch(self, segment_seconds: float) -> int:
        """How many segments are computed at once; at least one."""
        return max(1, int(self.batch_seconds / segment_seconds))

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
