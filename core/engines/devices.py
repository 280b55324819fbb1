"""What this machine has to compute on; torch is loaded only to choose it."""

from __future__ import annotations

from pathlib import Path

from core.errors import EngineUnavailable

_GPU_NODES = (Path("/dev/nvidiactl"), Path("/dev/dxg"))
"""Made by NVIDIA's driver on Linux, and by Windows for its Linux subsystem."""


def gpu_available() -> bool:
    """Whether a GPU's driver is there."""
    return any(node.exists() for node in _GPU_NODES)


def choose_device(device: str) -> str:
    """Resolve ``auto``: a GPU if there is one, else the CPU. Raises ``EngineUnavailable`` for one that is not there."""
    import torch

    if device == "auto":
        return "cuda" if gpu_available() and torch.cuda.is_available() else "cpu"
    if device.startswith("cuda") and not torch.cuda.is_available():
        raise EngineUnavailable(f"TORCH_DEVICE is {device}, and torch finds no GPU: set it to auto or cpu")
    return device
