"""Memory for models and batches: how much there is, when it ran out, and how it is given back."""

from __future__ import annotations

import gc
import os
import sys
from pathlib import Path

from core.allocator import give_back_freed_memory

_SIGNS_OF_NO_MEMORY = ("out of memory", "can't allocate", "_alloc_failed")  # the last: of cuBLAS and cuDNN
_ASSUMED_BYTES = 8 * 2**30
"""Where the system does not say: Windows, for one."""


def device_memory_bytes(device: str, root: Path = Path("/")) -> int:
    """All the memory of a device: a GPU's own, or this machine's as far as its control groups grant it.

    Args:
        device: torch's name, such as ``cpu`` or ``cuda:1``.
        root: where ``/proc`` and ``/sys`` are.
    """
    if device.startswith("cuda"):
        import torch

        return torch.cuda.mem_get_info(device)[1]
    return min([_physical_bytes(), *_granted_bytes(root)])


def _physical_bytes() -> int:
    try:
        return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    except (AttributeError, ValueError):
        return _ASSUMED_BYTES


def _granted_bytes(root: Path) -> list[int]:
    """The limits of the control groups that this process is in, from its own up to the root: versions 1 and 2."""
    try:
        memberships = (root / "proc/self/cgroup").read_text().splitlines()
    except OSError:
        return []
    limits = []
    for controllers, path in (line.split(":", 2)[1:] for line in memberships if line.count(":") >= 2):
        if controllers == "":
            top, name = root / "sys/fs/cgroup", "memory.max"
        elif "memory" in controllers.split(","):
            top, name = root / "sys/fs/cgroup/memory", "memory.limit_in_bytes"
        else:
            continue
        group = top / path.strip("/")
        limits += [_limit(folder / name) for folder in (group, *group.parents) if folder.is_relative_to(top)]
    return [limit for limit in limits if limit is not None]


def _limit(file: Path) -> int | None:
    try:
        return int(file.read_text())
    except (OSError, ValueError):  # no such group in this container's view of them, or "max"
        return None


def is_out_of_memory(error: BaseException) -> bool:
    """Whether an error says that memory ran out: Python's, or what torch reports of a GPU or the system."""
    text = str(error).lower()
    return isinstance(error, MemoryError) or (
        isinstance(error, RuntimeError)
        and (type(error).__name__ == "OutOfMemoryError" or any(sign in text for sign in _SIGNS_OF_NO_MEMORY))
    )


def give_back_memory() -> None:
    """Return to the system what is free: on the heap, and in torch's cache of a GPU's memory."""
    gc.collect()
    give_back_freed_memory()
    torch = sys.modules.get("torch")  # not an import: only what has loaded it has anything on a GPU
    if torch and torch.cuda.is_initialized():
        torch.cuda.empty_cache()
