"""How fast effects are, and how much memory a job of them takes."""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Callable
from itertools import chain as chain_of
from typing import Any

from pydantic import TypeAdapter

from bench.looped_blobs import SAMPLE_RATE, Listener, LoopedBlobs, band
from bench.report import Goal, Section, Table
from bench.spectral import LOOP_SECONDS
from core.audio.decode import decode
from core.audio.effects.chain import apply_effects
from core.audio.effects.request import EffectChain
from core.audio.stream import AudioInfo
from core.bootstrap import build, memory_storage
from core.effects.attempt import Attempt
from core.effects.planner import EffectsPlanner
from core.effects.request import EffectsOptions
from core.files.reader import BlobReader
from core.jobs.model import Job
from core.jobs.planning import JobPlanner
from core.settings import Settings

SPEED_SECONDS, LONG_SECONDS = 60.0, 3600.0
MEMORY_MINUTES = (1, 20, 60)
"""Of a source whose buffers are not full, of one that is too long to wait in a file, and of a long one."""
REPEATS = 3
SLOWEST = 20.0
MEMORY_GROWTH = 1.05
KINDS: dict[str, dict[str, Any]] = {
    "equalizer, 3 bands": {
        "type": "equalizer",
        "bands": [
            {"type": "low_shelf", "frequency_hz": 120, "gain_db": -3},
            {"frequency_hz": 2500, "gain_db": 3, "q": 1.4},
            {"type": "high_shelf", "frequency_hz": 8000, "gain_db": 2},
        ],
    },
    "compressor": {"type": "compressor", "threshold_db": -24, "ratio": 3},
    "gate": {"type": "gate"},
    "limiter": {"type": "limiter"},
    "drive": {"type": "drive"},
    "delay": {"type": "delay"},
    "reverb, 2 s": {"type": "reverb", "decay_seconds": 2},
    "reverb, 10 s": {"type": "reverb", "decay_seconds": 10},
    "lowpass, order 4": {"type": "lowpass", "frequency_hz": 8000, "order": 4},
    "highpass": {"type": "highpass", "frequency_hz": 80},
    "bandpass": {"type": "bandpass", "frequency_hz": 1000},
}
TYPICAL = ("gate", "highpass", "equalizer, 3 bands", "compressor", "delay", "reverb, 2 s", "limiter")
_MEMORY_PROGRAM = """
import sys
from bench.memory import peak_bytes
from bench.effects import whole_job
whole_job(float(sys.argv[1]))
print(peak_bytes())
"""


def job_for(blobs: LoopedBlobs, duration_seconds: float) -> Job:
    """The job that applies the typical chain to the blobs' file."""
    services = build(Settings.read({}), memory_storage())
    planner = EffectsPlanner(JobPlanner(services.engines, services.clock, services.settings))
    options = EffectsOptions.model_validate({"effects": [KINDS[name] for name in TYPICAL]})
    audio = AudioInfo("wav", "pcm_s16le", SAMPLE_RATE, 2, duration_seconds)
    return planner.plan(options, blobs.source, audio, job_id="bench", fingerprint="bench")


def whole_job(duration_seconds: float) -> None:
    """Read, decode, process and write a file, all that a worker does."""
    blobs = LoopedBlobs(duration_seconds)
    job = job_for(blobs, duration_seconds)
    Attempt(blobs, 2 * LONG_SECONDS, job, Listener()).run()  # type: ignore[arg-type] # all that an attempt asks of them


def decoded(duration_seconds: float) -> int:
    """Decode the file alone; the frames."""
    blobs: Any = LoopedBlobs(duration_seconds)
    with BlobReader(blobs, blobs.source) as file:
        return sum(block.shape[1] for block in decode(file, 2 * LONG_SECONDS))


def processed(*effects: dict[str, Any]) -> int:
    """Apply ``effects`` to the band, and drop the blocks; the frames."""
    chain = TypeAdapter(EffectChain).validate_python(effects)
    blocks = chain_of(*(band().blocks() for _ in range(round(SPEED_SECONDS / LOOP_SECONDS))))
    return sum(block.shape[1] for block in apply_effects(chain, blocks, SAMPLE_RATE, 2))


def cpu_seconds(work: Callable[[], object]) -> float:
    """The best of several runs, which others disturb least."""
    costs = []
    for _ in range(REPEATS):
        started = time.process_time()
        work()
        costs.append(time.process_time() - started)
    return min(costs)


def peak_mib(duration_seconds: float) -> float:
    """The most memory that a fresh process held for a whole job, interpreter and codecs included."""
    command = [sys.executable, "-c", _MEMORY_PROGRAM, str(duration_seconds)]
    return int(subprocess.run(command, check=True, capture_output=True, text=True).stdout) / 2**20


def measure() -> Section:
    """Measure each effect, a typical chain, and a whole job."""
    band()  # no part of what is measured
    decoding = cpu_seconds(lambda: decoded(SPEED_SECONDS))
    costs = {name: cpu_seconds(lambda effect=effect: processed(effect)) for name, effect in KINDS.items()}
    costs["typical chain"] = cpu_seconds(lambda: processed(*(KINDS[name] for name in TYPICAL)))
    costs["the whole job"] = cpu_seconds(lambda: whole_job(SPEED_SECONDS))
    memory = {minutes: peak_mib(60.0 * minutes) for minutes in MEMORY_MINUTES}
    _, settled, long = memory.values()
    return Section(
        "Effects",
        f"{SPEED_SECONDS:g} s of stereo at {SAMPLE_RATE / 1000:g} kHz, CPU time, best of {REPEATS} runs: each effect, "
        f"a typical chain ({', '.join(TYPICAL)}), and a job of that chain from a WAV file to another, which measures "
        "loudness and true peak as well. Beside it, how much that is of decoding the "
        f"same from a WAV file alone, {SPEED_SECONDS / decoding:.0f} x real time in the same run.",
        [
            Table(
                ("effect", "x real time", "x decoding"),
                [[name, f"{SPEED_SECONDS / cost:.0f}", f"{cost / decoding:.1f}"] for name, cost in costs.items()],
            ),
            Table(("a job of the typical chain", "MiB"), [[f"{at} min", f"{mib:.0f}"] for at, mib in memory.items()]),
        ],
        [
            Goal(
                f"the whole job at least {SLOWEST:g} times as fast as real time on one core",
                SPEED_SECONDS / costs["the whole job"],
                SLOWEST,
                at_least=True,
            ),
            Goal(
                f"60 minutes take at most {MEMORY_GROWTH:g} times the memory of 20, when all buffers are full",
                long / settled,
                MEMORY_GROWTH,
            ),
        ],
    )
