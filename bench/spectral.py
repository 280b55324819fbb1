"""How fast the ``spectral`` engine is, and how much memory it takes."""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Iterator
from typing import TYPE_CHECKING

import numpy as np

from bench.report import Goal, Section, Table
from bench.synth import request_for
from core.engines.spectral.engine import SpectralSeparator
from core.engines.synth.engine import synthesise

if TYPE_CHECKING:
    from core.ports import Block

STEMS = ("drums", "bass", "guitar", "piano", "vocals")
SAMPLE_RATE = 44100
LOOP_SECONDS = 30.0
SPEED_SECONDS, SHORT_SECONDS, LONG_SECONDS = 60.0, 60.0, 3600.0
REPEATS = 5
BLOCK_FRAMES = 65536
SLOWEST = 60.0
MEMORY_GROWTH = 1.05
_MEMORY_PROGRAM = """
import sys
from bench.memory import peak_bytes
from bench.spectral import LoopedMixture, separate
separate(LoopedMixture(int(sys.argv[1]), float(sys.argv[2])))
print(peak_bytes())
"""


class LoopedMixture:
    """Half a minute of a band that goes round and round, so that its length takes no memory."""

    sample_rate = SAMPLE_RATE
    mean = 0.0  # neither is read by this engine
    standard_deviation = 1.0

    def __init__(self, channels: int, duration_seconds: float) -> None:
        self.channels = channels
        self.frames = round(duration_seconds * SAMPLE_RATE)
        self._loop = sum(map(_played, STEMS[1:]), _played(STEMS[0]))[:channels]

    def blocks(self, start_frame: int = 0) -> Iterator[Block]:
        """From ``start_frame`` to the end; no block goes beyond the end of a loop."""
        frame = start_frame
        while frame < self.frames:
            begin = frame % self._loop.shape[1]
            block = self._loop[:, begin : begin + min(BLOCK_FRAMES, self.frames - frame)]
            yield block
            frame += block.shape[1]


def _played(stem_type: str) -> Block:
    """One instrument, ``[2, T]``."""
    return np.concatenate(list(synthesise(request_for(stem_type, "rock", LOOP_SECONDS))), axis=1)


def separate(mixture: LoopedMixture) -> int:
    """Separate and drop the blocks; the frames."""
    separator = SpectralSeparator()
    return sum(block.shape[2] for block in separator.separate(mixture, 0, lambda: None))


def seconds_per_cpu_second(channels: int) -> float:
    """Seconds of mixture separated in one CPU-second: the best of several runs, which others disturb least."""
    mixture = LoopedMixture(channels, SPEED_SECONDS)
    costs = []
    for _ in range(REPEATS):
        started = time.process_time()
        separate(mixture)
        costs.append(time.process_time() - started)
    return SPEED_SECONDS / min(costs)


def peak_mib(channels: int, duration_seconds: float) -> float:
    """The most memory that a fresh process held while it separated, interpreter, numpy and the loop included."""
    command = [sys.executable, "-c", _MEMORY_PROGRAM, str(channels), str(duration_seconds)]
    return int(subprocess.run(command, check=True, capture_output=True, text=True).stdout) / 2**20


def measure() -> Section:
    """Measure mono and stereo."""
    figures = {
        name: (
            seconds_per_cpu_second(channels),
            peak_mib(channels, SHORT_SECONDS),
            peak_mib(channels, LONG_SECONDS),
        )
        for channels, name in ((1, "mono"), (2, "stereo"))
    }
    return Section(
        "The spectral engine",
        f"Seconds of a mixture at {SAMPLE_RATE / 1000:g} kHz taken apart into four stems per CPU-second, apart from "
        f"reading and writing files: {SPEED_SECONDS:g} s of {len(STEMS)} instruments, best of {REPEATS} runs. Memory "
        "is the peak of a whole process.",
        [
            Table(
                ("mixture", "x real time", "MiB at 1 min", "MiB at 60 min"),
                [[name, *(f"{value:.0f}" for value in values)] for name, values in figures.items()],
            )
        ],
        [
            Goal(
                f"stereo at least {SLOWEST:g} times as fast as real time on one core",
                figures["stereo"][0],
                SLOWEST,
                at_least=True,
            ),
            Goal(
                f"60 minutes take at most {MEMORY_GROWTH:g} times the memory of 1 minute",
                max(long / short for _, short, long in figures.values()),
                MEMORY_GROWTH,
            ),
        ],
    )
