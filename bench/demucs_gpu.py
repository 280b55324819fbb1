"""``python -m bench.demucs_gpu``: the ``demucs`` engine beside demucs on one NVIDIA card; prints what it measured."""

from __future__ import annotations

import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import torch
from demucs.apply import apply_model
from demucs.pretrained import get_model

from bench.demucs_inputs import RELEASED, LongMixture, save_models
from bench.demucs_worker import engine, loaded
from bench.report import Section, Table
from core.ports import SeparationSettings

SECONDS = 240.0
REPEATS = 3


def best_seconds(work: Callable[[], Any]) -> float:
    """Wall time of the fastest of several runs after a first one that is not counted."""
    times = []
    for _ in range(REPEATS + 1):
        torch.cuda.synchronize()
        started = time.perf_counter()
        work()
        torch.cuda.synchronize()
        times.append(time.perf_counter() - started)
    return min(times[1:])


def theirs(models: Path, mixture: LongMixture, autocast: bool) -> Callable[[], Any]:
    """demucs' own ``apply_model``, which moves one segment at a time to the card."""
    model = get_model(RELEASED, models)
    waveform = torch.from_numpy(np.concatenate(list(mixture.blocks()), axis=1))[None]

    def separate() -> torch.Tensor:
        with torch.autocast("cuda", torch.float16, enabled=autocast):
            made: torch.Tensor = apply_model(model, waveform, shifts=0, device="cuda")
        return made

    return separate


def ours(models: Path, mixture: LongMixture, precision: str) -> Callable[[], Any]:
    """The engine, on as many segments at once as the card holds."""
    separator = loaded(engine(models, precision, "cuda"), SeparationSettings(RELEASED))
    return lambda: [None for _ in separator.separate(mixture, 0, lambda: None)]


def measure() -> Section:
    """Separate one mixture in every way, on the first card."""
    mixture = LongMixture(SECONDS)
    with tempfile.TemporaryDirectory() as folder:
        models = Path(folder) / "demucs"
        save_models(models)
        seconds = {
            "demucs, float32": best_seconds(theirs(models, mixture, False)),
            "demucs, float16": best_seconds(theirs(models, mixture, True)),
            "ours, float32": best_seconds(ours(models, mixture, "float32")),
            "ours, float16": best_seconds(ours(models, mixture, "float16")),
        }
    first = seconds["demucs, float32"]
    rows = [[name, f"{taken:.2f}", f"{SECONDS / taken:.0f}", f"{first / taken:.2f}"] for name, taken in seconds.items()]
    return Section(
        "The demucs engine on a GPU",
        f"htdemucs in its released shape with random weights on {torch.cuda.get_device_name()}: {SECONDS:g} s of "
        f"stereo without shifts, the fastest of {REPEATS} warm runs.",
        [Table(("", "wall s", "audio s / s", "times as fast as demucs"), rows)],
    )


if __name__ == "__main__":
    if not torch.cuda.is_available():
        sys.exit("torch finds no GPU here: nothing was measured")
    print(measure().markdown())
