"""How fast the morph engine is, alone and with all that a job of it does, and how much memory that takes."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING

import numpy as np

from bench.looped_blobs import SAMPLE_RATE, Listener, LoopedBlobs
from bench.report import Goal, Section, Table
from core.analysis.analysing import analyse
from core.bootstrap import build, memory_storage
from core.bridge.attempt import Attempt
from core.bridge.request import TRACKS, BridgeOptions
from core.engines.morph.engine import MorphEngine
from core.engines.registry import EngineRegistry
from core.files.inputs import Input
from core.files.upload import UploadedAudio
from core.jobs.model import Job
from core.ports import Pair, Track
from core.settings import Settings
from core.storage.memory import MemoryBlobs
from tests.music import band

if TYPE_CHECKING:
    from core.ports import Block

SECONDS = 120.0
MEMORY_MINUTES = (1, 10, 55)
RATIOS = (0.0, 0.25, 0.5, 0.75, 1.0)
TEMPOS = (120.0, 110.0)
REPEATS = 3
SLOWEST = 20.0
MOST_GROWTH = 1.5
_LATER_SECONDS = 7.3  # where the second track begins, so that it is another one
_ENGINE = """
import sys, time
from bench.morph import engine_alone, tracks
ratio, channels = float(sys.argv[1]), int(sys.argv[2])
pair = tracks(channels)
engine_alone(pair, ratio)
started = time.process_time()
engine_alone(pair, ratio)
print(time.process_time() - started)
"""
_JOB = """
import sys, time
from bench.memory import peak_bytes
from bench.morph import whole_job
whole_job(5.0)
started = time.process_time()
whole_job(float(sys.argv[1]))
print(time.process_time() - started, peak_bytes())
"""


def printed(program: str, *arguments: object) -> list[float]:
    """The numbers that a program prints, in a process of its own on one core."""
    command = [sys.executable, "-c", program, *map(str, arguments)]
    environ = os.environ | {"OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"}
    output = subprocess.run(command, check=True, capture_output=True, text=True, env=environ).stdout
    return [float(number) for number in output.split()]


def tracks(channels: int) -> Pair:
    """Two bands at tempos of their own."""
    played = [band(tempo_bpm=tempo, seconds=SECONDS, seed=seed) for seed, tempo in enumerate(TEMPOS)]

    def blocks(samples: Block) -> Callable[[], Iterator[Block]]:
        mixed = samples if channels == 2 else samples.mean(axis=0, keepdims=True, dtype=np.float32)
        return lambda: (mixed[:, start : start + SAMPLE_RATE] for start in range(0, mixed.shape[1], SAMPLE_RATE))

    first, second = (Track(blocks(music.samples), music.beats) for music in played)
    return Pair(first, second, SAMPLE_RATE, channels, played[0].samples.shape[1], (0.5,), 1.0)


def engine_alone(pair: Pair, ratio: float) -> None:
    """Make one new track, and keep nothing of it."""
    asked = Pair(
        pair.track1, pair.track2, pair.sample_rate, pair.channels, pair.frames, (ratio,), pair.crossfade_seconds
    )
    with MorphEngine().load(None, lambda: None) as bridger:
        for _ in bridger.bridge(asked, lambda share: None):
            pass


def job_for(blobs: LoopedBlobs, duration_seconds: float) -> Job:
    """The job that bridges the blobs' file with itself, a little later."""
    services = build(Settings.read({}), memory_storage())
    length = duration_seconds + _LATER_SECONDS
    audio = UploadedAudio(
        container="wav", codec="pcm_s16le", sample_rate=SAMPLE_RATE, channels=2, duration_seconds=length
    )
    entry = Input(source=blobs.source, audio=audio, longest_seconds=2 * length)
    options = BridgeOptions(end_seconds=duration_seconds, track2_start_seconds=_LATER_SECONDS, stereo=True)
    return services.bridges.planner.plan(options, dict.fromkeys(TRACKS, entry), job_id="bench", fingerprint="bench")


def whole_job(duration_seconds: float) -> None:
    """Read, decode, hear, bridge and write the file, all that a worker does."""
    blobs = LoopedBlobs(duration_seconds + _LATER_SECONDS)
    engines = EngineRegistry(Settings.read({}), MemoryBlobs())
    job = job_for(blobs, duration_seconds)
    Attempt(engines, blobs, analyse, job, Listener()).run()  # type: ignore[arg-type] # all that an attempt asks of them


def measure() -> Section:
    """Measure speed and memory."""
    alone = {
        (ratio, channels): SECONDS / min(printed(_ENGINE, ratio, channels)[0] for _ in range(REPEATS))
        for ratio in RATIOS
        for channels in (1, 2)
    }
    job = SECONDS / min(printed(_JOB, SECONDS)[0] for _ in range(REPEATS))
    memory = {minutes: printed(_JOB, 60 * minutes)[1] / 2**20 for minutes in MEMORY_MINUTES}
    return Section(
        "The morph engine",
        f"Bridges of two bands of {SECONDS:g} s at 44.1 kHz with tempos of {TEMPOS[0]:g} and {TEMPOS[1]:g}, in seconds "
        f"of audio for each CPU second of one core, best of {REPEATS} runs; and a whole job in stereo at ratio 0.5, "
        "from two WAV files to the new one, with the analysis of both.",
        [
            Table(
                ("ratio", "mono", "stereo"),
                [[f"{ratio:g}", f"{alone[ratio, 1]:.0f}", f"{alone[ratio, 2]:.0f}"] for ratio in RATIOS],
            ),
            Table(("a whole job in stereo", "times real time"), [["ratio 0.5", f"{job:.1f}"]]),
            Table(("a job of", "MiB"), [[f"{at} min", f"{mib:.0f}"] for at, mib in memory.items()]),
        ],
        [
            Goal("the engine at ratio 0.5 in mono, times real time", alone[0.5, 1], SLOWEST, at_least=True),
            Goal(
                "the engine at its slowest ratio in mono, times real time",
                min(alone[ratio, 1] for ratio in RATIOS),
                SLOWEST,
                at_least=True,
            ),
            Goal(
                "memory of a job of 10 minutes, as a multiple of that of 1",
                memory[MEMORY_MINUTES[1]] / memory[MEMORY_MINUTES[0]],
                MOST_GROWTH,
            ),
        ],
    )
