"""How long EnCodec and the bridge's model take for a segment, what a batch of segments gains, and the memory."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from bench.report import Goal, Section, Table
from core.engines.compute import Compute
from core.engines.encodec.bridger import SEGMENT_SECONDS, EncodecBridger
from core.engines.encodec.cascade import CascadeShape
from core.engines.encodec.checkpoint import load_cascade
from core.engines.encodec.codec import SAMPLE_RATE
from core.engines.encodec.codec_files import load_codec
from core.ports import Pair, Track
from tests.encodec_models import RELEASED, checkpoint, codec_folder

if TYPE_CHECKING:
    from core.ports import Block

REPEATS = 3
BATCH = 4
MEMORY_MINUTES = (1, 10)
STAGES = 2
MOST_GROWTH = 1.1
OLDER = {"encode both tracks": ("2-3", "2-3"), "the model": ("3-5", "30-60"), "decode": ("1-2", "1-2")}
"""Seconds on a GPU and on a CPU, as the service that this replaces gives them."""
OLDER_FASTEST_SECONDS = 2 + 30 + 1
"""The least of these for all three on a CPU."""
_PROGRAM = """
import sys
from bench.encodec import bridge
from bench.memory import peak_bytes
bridge(60.0 * float(sys.argv[1]), 1)
print(peak_bytes())
"""


@cache
def released(device: str = "cpu") -> tuple[Any, Any]:
    """The codec of 24 kHz and a cascade of two stages in their true shapes, with random weights."""
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder)
        codec = load_codec(codec_folder(root / "24khz", **RELEASED), device)
        file = checkpoint(root / "best_model.pt", CascadeShape(stages=STAGES))
        return codec, load_cascade(file, codec.dimension).fold().to(device)


def noise(seconds: float, seed: int) -> Callable[[], Iterator[Block]]:
    """A track, a second at a time."""

    def blocks() -> Iterator[Block]:
        generator = np.random.default_rng(seed)
        for _ in range(round(seconds)):
            yield 0.1 * generator.standard_normal((1, SAMPLE_RATE), np.float32)

    return blocks


def bridge(seconds: float, most_rows: int, device: str = "cpu") -> None:
    """Bridge two tracks at one ratio; nothing of what is made is kept."""
    codec, cascade = released(device)
    bridger = EncodecBridger(codec, cascade, Compute.choose(device, "float32"), "", most_rows)
    tracks = (Track(noise(seconds, seed)) for seed in (1, 2))
    pair = Pair(*tracks, SAMPLE_RATE, 1, round(seconds) * SAMPLE_RATE, (0.5,), 1.0)  # type: ignore[arg-type, call-arg] # mypy does not count them
    for _ in bridger.bridge(pair, lambda share: None):
        pass


def best(work: Callable[[], Any], device: str) -> float:
    """Of several runs after a first one: wall seconds on a GPU, CPU seconds on one thread otherwise."""
    clock = time.process_time if device == "cpu" else time.perf_counter
    times = []
    for _ in range(REPEATS + 1):
        started = clock()
        work()
        if device != "cpu":
            torch.cuda.synchronize()
        times.append(clock() - started)
    return min(times[1:])


@torch.inference_mode()
def parts(device: str) -> dict[str, float]:
    """Seconds for each step of one segment."""
    codec, cascade = released(device)
    samples = torch.from_numpy(np.concatenate(list(noise(SEGMENT_SECONDS, 1)()), axis=1))[None].to(device)
    both = samples.repeat(2, 1, 1)
    first, second = codec.encode(both).chunk(2)
    made = cascade(first, second)
    return {
        "encode both tracks": best(lambda: codec.encode(both), device),
        "the model": best(lambda: cascade(first, second), device),
        "decode": best(lambda: codec.decode(codec.quantise(made)), device),
    }


def memory_mib(minutes: float) -> float:
    """Peak of a process that bridges so many minutes."""
    command = [sys.executable, "-c", _PROGRAM, str(minutes)]
    environ = os.environ | {"OMP_NUM_THREADS": "2", "OMP_WAIT_POLICY": "passive"}
    printed = subprocess.run(command, check=True, capture_output=True, text=True, env=environ).stdout
    return int(printed) / 2**20


def measure() -> Section:
    """Measure on the CPU, and on a GPU if there is one."""
    torch.set_num_threads(1)
    devices = ["cpu", *(["cuda"] if torch.cuda.is_available() else [])]
    found = {device: parts(device) for device in devices}
    stretch = BATCH * (SEGMENT_SECONDS - 1) + 1  # so many segments, each a second over the one before
    batching = {
        device: best(lambda device=device: bridge(stretch, 1, device), device)  # type: ignore[misc] # bound at once
        / best(lambda device=device: bridge(stretch, 2 * BATCH, device), device)  # type: ignore[misc] # as above
        for device in devices
    }
    memory = {minutes: memory_mib(minutes) for minutes in MEMORY_MINUTES}
    where = {"cpu": "ours, CPU s on one core", "cuda": "ours on a GPU, s"}
    return Section(
        "The encodec engine",
        f"A segment of {SEGMENT_SECONDS:g} s through EnCodec at 24 kHz and a cascade of {STAGES} stages, in their true "
        f"shapes with random weights, float32, the best of {REPEATS} runs; beside it what the service says that it "
        "replaces, in seconds. "
        + ("" if "cuda" in devices else "There was no GPU: `python -m bench encodec` on a machine with one adds it."),
        [
            Table(
                ("", "older, GPU", "older, CPU", *(where[device] for device in devices)),
                [[name, *OLDER[name], *(f"{found[device][name]:.2f}" for device in devices)] for name in OLDER],
            ),
            Table(
                (f"{BATCH} segments in one batch, times as fast as one by one", *(where[d] for d in devices)),
                [["a bridge", *(f"{batching[device]:.2f}" for device in devices)]],
            ),
            Table(("peak of a bridge of", "MiB"), [[f"{at} min", f"{mib:.0f}"] for at, mib in memory.items()]),
        ],
        [
            Goal(
                "a segment in all, seconds of one core: less than the older service says at best of a CPU",
                sum(found["cpu"].values()),
                OLDER_FASTEST_SECONDS,
            ),
            Goal(
                "memory for 10 minutes, as a multiple of that for 1",
                memory[MEMORY_MINUTES[1]] / memory[MEMORY_MINUTES[0]],
                MOST_GROWTH,
            ),
        ],
    )
