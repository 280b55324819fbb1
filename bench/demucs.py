"""The ``demucs`` engine beside demucs itself: the same samples, how much sooner, in how much memory."""

from __future__ import annotations

import json
import os
import random
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any
from unittest import mock

import numpy as np
import soundfile
import torch
from demucs.apply import apply_model
from demucs.pretrained import get_model

from bench.demucs_inputs import RELEASED, FileMixture, save_models, write_mixture
from bench.demucs_worker import engine, loaded
from bench.processes import PROJECT, running
from bench.report import Goal, Section, Table
from core.ports import SeparationSettings

PARITY_SECONDS, SHORT_SECONDS, LONG_SECONDS = 30.0, 10.0, 60.0
REPEATS = {SHORT_SECONDS: 3, LONG_SECONDS: 2}
FIVE_MINUTES, TEN_MINUTES, AN_HOUR = 300.0, 600.0, 3600.0
THREADS = min(2, len(os.sched_getaffinity(0)))
ENVIRON = {"OMP_NUM_THREADS": str(THREADS), "OMP_WAIT_POLICY": "passive", "HF_HUB_OFFLINE": "1"}
LARGEST_DIFFERENCE = 1e-4
MEMORY_LIMIT_BYTES = 1.5e9


@dataclass(frozen=True)
class Cost:
    """CPU time of all threads, user and system, and wall time."""

    cpu_seconds: float
    wall_seconds: float

    def row(self, name: str, audio_seconds: float) -> list[str]:
        """A line of the table."""
        rate = audio_seconds / self.cpu_seconds
        return [name, f"{self.cpu_seconds:.1f}", f"{self.wall_seconds:.1f}", f"{rate:.2f}"]


@dataclass(frozen=True)
class Parity:
    """One mixture separated by both in this process."""

    difference: float
    theirs: Cost
    ours: Cost


def timed(work: Callable[[], Any]) -> tuple[Any, Cost]:
    """What ``work`` returns, and what it cost this process and the children that ended meanwhile."""
    cpu, wall = _cpu_seconds(), time.perf_counter()
    result = work()
    return result, Cost(_cpu_seconds() - cpu, time.perf_counter() - wall)


def _cpu_seconds() -> float:
    times = os.times()
    return times.user + times.system + times.children_user + times.children_system


def parity(models: Path, source: Path) -> Parity:
    """Separate with ``apply_model`` and with the engine, both in float32 and warm."""
    torch.set_num_threads(THREADS)
    mixture, settings = FileMixture(source), SeparationSettings(RELEASED, shifts=1)
    waveform = torch.from_numpy(np.concatenate(list(mixture.blocks()), axis=1))
    normalised = ((waveform - mixture.mean) / (mixture.standard_deviation + 1e-8))[None]
    model = get_model(RELEASED, models)
    with mock.patch("demucs.apply.random", random.Random(settings.seed)):
        made, theirs = timed(lambda: apply_model(model, normalised, shifts=1)[0])
    expected = (made * (mixture.standard_deviation + 1e-8) + mixture.mean).numpy()
    separator = loaded(engine(models), settings)
    blocks, ours = timed(lambda: list(separator.separate(mixture, 0, lambda: None)))
    return Parity(float(np.abs(np.concatenate(blocks, axis=-1) - expected).max()), theirs, ours)


def command(models: Path, source: Path, folder: Path) -> Cost:
    """What a user of demucs runs: its command, a process each time."""
    arguments = ("--repo", models, "-n", RELEASED, "-d", "cpu", "--float32", "-o", folder, source)
    run = (sys.executable, "-m", "demucs", *map(str, arguments))
    work = lambda: subprocess.run(run, check=True, capture_output=True, env={**os.environ, **ENVIRON})  # noqa: E731
    return timed(work)[1]


class Worker:
    """The process of ``bench.demucs_worker``."""

    def __init__(self, process: subprocess.Popen[str]) -> None:
        assert process.stdin
        assert process.stdout
        self._stdin, self._stdout = process.stdin, process.stdout
        self.peak_bytes = 0

    def separate(self, source: Path, folder: Path) -> Cost:
        """Have a file separated."""
        print(json.dumps({"file": str(source), "folder": str(folder)}), file=self._stdin)
        self._stdin.flush()
        answer = _answer(self._stdout)
        self.peak_bytes = answer["peak_bytes"]
        return Cost(answer["cpu_seconds"], answer["wall_seconds"])


def _answer(stdout: IO[str]) -> dict[str, Any]:
    line = stdout.readline()
    if not line:
        raise RuntimeError("bench.demucs_worker ended without an answer")
    answer: dict[str, Any] = json.loads(line)
    return answer


def side_by_side(models: Path, workers: dict[str, Worker], seconds: float, folder: Path) -> dict[str, Cost]:
    """The cheapest of several runs of each way, one after another in turn, so that other work disturbs all alike."""
    source = folder / f"{seconds:g}.wav"
    write_mixture(source, seconds)
    best: dict[str, Cost] = {}
    for _ in range(REPEATS[seconds]):
        costs = {"demucs": command(models, source, folder / "theirs")}
        costs |= {precision: worker.separate(source, folder / precision) for precision, worker in workers.items()}
        best = {
            name: min(cost, best.get(name, cost), key=lambda cost: cost.cpu_seconds) for name, cost in costs.items()
        }
    return best


def peak_bytes(models: Path, whose: str, seconds: float) -> int:
    """The peak of memory of a whole process that separates so much with a small model."""
    run = (sys.executable, "-m", "bench.demucs_worker", str(models), whose, str(seconds))
    done = subprocess.run(run, check=True, capture_output=True, text=True, cwd=PROJECT, env={**os.environ, **ENVIRON})
    answer: dict[str, int] = json.loads(done.stdout.splitlines()[-1])
    return answer["peak_bytes"]


def error_db(folder: Path) -> float:
    """The worker's last bfloat16 stems against its float32 ones: the error's power beside the stems'."""
    stems = [path.name for path in sorted((folder / "float32").iterdir())]
    exact, coarse = (
        np.stack([soundfile.read(folder / name / stem)[0] for stem in stems]) for name in ("float32", "bfloat16")
    )
    return float(10 * np.log10(np.mean((coarse - exact) ** 2) / np.mean(exact**2)))


def has_bfloat16() -> bool:
    """Whether this CPU computes in bfloat16; where it does not, float32 is faster."""
    cpuinfo = Path("/proc/cpuinfo")
    return cpuinfo.is_file() and bool({"amx_bf16", "avx512_bf16"} & set(cpuinfo.read_text().split()))


def measure() -> Section:
    """Measure speed, parity and memory."""
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        models = folder / "demucs"
        save_models(models)
        write_mixture(folder / "warm-up.wav", 1)
        with ExitStack() as stack:
            workers = {}
            for precision in ("float32", "bfloat16"):
                run = (sys.executable, "-m", "bench.demucs_worker", str(models), precision)
                workers[precision] = Worker(stack.enter_context(running(*run, environ=ENVIRON)))
                workers[precision].separate(folder / "warm-up.wav", folder / precision)
            short = side_by_side(models, workers, SHORT_SECONDS, folder)
            long = side_by_side(models, workers, LONG_SECONDS, folder)
        difference_db = error_db(folder)
        write_mixture(folder / "parity.wav", PARITY_SECONDS)
        same = parity(models, folder / "parity.wav")
        ours = [peak_bytes(models, "ours", seconds) for seconds in (FIVE_MINUTES, AN_HOUR)]
        theirs = [peak_bytes(models, "demucs", seconds) for seconds in (FIVE_MINUTES, TEN_MINUTES)]
    return Section(
        "The demucs engine",
        f"htdemucs in its released shape (42 million parameters) with random weights, shifts 1, overlap 0.25, "
        f"{THREADS} threads. demucs is `python -m demucs --repo … -n …`, a fresh process each time, which is what its "
        "users run; ours is a worker that has loaded the model. Both read a WAV file and write four; the cheapest of "
        f"{REPEATS[SHORT_SECONDS]} runs ({REPEATS[LONG_SECONDS]} of the longer file), taken in turn. In the warm "
        "process neither loads anything.",
        [speed_table(short, long, same), memory_table(ours, theirs, workers["float32"].peak_bytes)],
        goals(short, long, same, ours, workers["float32"].peak_bytes),
        [f"bfloat16 differs from float32 by {difference_db:.1f} dB of the stems' power."],
    )


def speed_table(short: dict[str, Cost], long: dict[str, Cost], same: Parity) -> Table:
    """CPU time, wall time, and seconds of audio a CPU-second."""
    names = {"demucs": "demucs", "float32": "ours, float32", "bfloat16": "ours, bfloat16"}
    rows = [
        costs[key].row(f"{seconds:g} s, {name}", seconds)
        for seconds, costs in ((SHORT_SECONDS, short), (LONG_SECONDS, long))
        for key, name in names.items()
    ]
    rows.append(same.theirs.row(f"{PARITY_SECONDS:g} s in a warm process, `apply_model`", PARITY_SECONDS))
    rows.append(same.ours.row(f"{PARITY_SECONDS:g} s in a warm process, ours, float32", PARITY_SECONDS))
    return Table(("", "CPU s", "wall s", "audio s / CPU s"), rows)


def memory_table(ours: list[int], theirs: list[int], worker: int) -> Table:
    """Peaks of whole processes."""
    per_second = (theirs[1] - theirs[0]) / (TEN_MINUTES - FIVE_MINUTES)
    hour = theirs[1] + per_second * (AN_HOUR - TEN_MINUTES)
    return Table(
        ("memory of a whole process, MB", "ours", "demucs"),
        [
            ["a small model, 5 minutes", f"{ours[0] / 1e6:.0f}", f"{theirs[0] / 1e6:.0f}"],
            ["a small model, 60 minutes", f"{ours[1] / 1e6:.0f}", f"{hour / 1e6:.0f} (from 5 and 10 minutes)"],
            ["htdemucs in float32, 60 s", f"{worker / 1e6:.0f}", "not measured"],
        ],
    )


def goals(short: dict[str, Cost], long: dict[str, Cost], same: Parity, ours: list[int], worker: int) -> list[Goal]:
    """What the engine is to keep; ratios are of CPU time."""
    faster = lambda costs, precision: costs["demucs"].cpu_seconds / costs[precision].cpu_seconds  # noqa: E731
    text = "at least {:g} times as fast as demucs on a file of {:g} s, in {}"
    wanted = [(short, SHORT_SECONDS, 1.5, "float32"), (long, LONG_SECONDS, 1.2, "float32")]
    if has_bfloat16():
        wanted.append((long, LONG_SECONDS, 1.9, "bfloat16"))
    largest = f"the samples of `apply_model` on {PARITY_SECONDS:g} s to within {LARGEST_DIFFERENCE:g}, in float32"
    return [
        Goal(largest, same.difference, LARGEST_DIFFERENCE),
        *(
            Goal(text.format(limit, seconds, precision), faster(costs, precision), limit, at_least=True)
            for costs, seconds, limit, precision in wanted
        ),
        Goal("60 minutes take at most 1.05 times the memory of 5 minutes", ours[1] / ours[0], 1.05),
        Goal("no more than 1.5 GB", max(*ours, worker) / 1e9, MEMORY_LIMIT_BYTES / 1e9),
    ]
