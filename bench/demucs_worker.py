"""A process that separates with the ``demucs`` engine and stays warm.

``python -m bench.demucs_worker MODELS PRECISION`` reads lines of JSON, ``{"file", "folder"}``, separates each file into
WAV files in ``folder``, and answers with the time it took and its peak of memory.

``python -m bench.demucs_worker MODELS ours|demucs SECONDS`` separates a long mixture with a small model, once, and
answers with the peak of memory.
"""

from __future__ import annotations

import json
import sys
import time
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import soundfile

from bench.demucs_inputs import RELEASED, SAMPLE_RATE, SMALL, FileMixture, LongMixture, reply
from bench.memory import peak_bytes
from core.engines.checkpoints import CheckpointStore
from core.engines.demucs.engine import DemucsEngine
from core.engines.warm import WarmModels
from core.ports import SeparationSettings, Separator
from core.storage.memory import MemoryBlobs


def engine(models: Path, precision: str = "float32", device: str = "cpu") -> DemucsEngine:
    """An engine over a folder of models, none of which it ever gives up."""
    store = CheckpointStore(models.parent, MemoryBlobs(), {}, models / "cache")
    return DemucsEngine(store, WarmModels(lambda: 2**40), device, precision)


def loaded(demucs: DemucsEngine, settings: SeparationSettings) -> Separator:
    """The model, which stays loaded."""
    with demucs.load(settings, lambda: None) as separator:
        return separator


def separate(separator: Any, source: Path, folder: Path) -> None:
    """Read a file and write its stems, as demucs' command does."""
    folder.mkdir(exist_ok=True)
    with ExitStack() as stack:
        files = [
            stack.enter_context(soundfile.SoundFile(folder / f"{name}.wav", "w", SAMPLE_RATE, 2, "FLOAT"))
            for name in separator.sources
        ]
        for block in separator.separate(FileMixture(source), 0, lambda: None):
            for file, stem in zip(files, block, strict=True):
                file.write(stem.T)


def serve(models: Path, precision: str) -> None:
    """Separate file after file."""
    demucs = engine(models, precision)
    for line in sys.stdin:
        task = json.loads(line)
        separator = loaded(demucs, SeparationSettings(RELEASED, shifts=1))
        started, cpu_started = time.perf_counter(), time.process_time()
        separate(separator, Path(task["file"]), Path(task["folder"]))
        cpu_seconds, wall_seconds = time.process_time() - cpu_started, time.perf_counter() - started
        reply(cpu_seconds=cpu_seconds, wall_seconds=wall_seconds, peak_bytes=peak_bytes())


def separate_long(models: Path, seconds: float) -> None:
    """Separate a mixture and drop the sources."""
    separator = loaded(engine(models), SeparationSettings(SMALL))
    for _ in separator.separate(LongMixture(seconds), 0, lambda: None):
        pass


def separate_long_with_demucs(models: Path, seconds: float) -> None:
    """The same with demucs' own API."""
    import numpy as np
    import torch
    from demucs.api import Separator

    waveform = torch.from_numpy(np.concatenate(list(LongMixture(seconds).blocks()), axis=1))
    Separator(SMALL, models, "cpu", shifts=0).separate_tensor(waveform)


if __name__ == "__main__":
    folder, what, *seconds = sys.argv[1:]
    if seconds:
        {"ours": separate_long, "demucs": separate_long_with_demucs}[what](Path(folder), float(seconds[0]))
        reply(peak_bytes=peak_bytes())
    else:
        serve(Path(folder), what)
