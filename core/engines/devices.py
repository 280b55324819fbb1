"""What this machine has to compute on, found without loading torch."""

from __future__ import annotations

from pathlib import Path

_GPU_NODES = (Path("/dev/nvidiactl"), Path("/dev/dxg"))
"""Made by NVIDIA's driver on Linux, and by Windows for its Linux subsystem."""


def gpu_available() -> bool:
    """Whether a GPU's driver is there."""
    return any(node.exists() for node in _GPU_NODES)
