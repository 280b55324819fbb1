"""How fast the ``synth`` engine is, and how much memory it takes."""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Callable

from bench.report import Goal, Section, Table
from core.engines.synth.engine import SynthEngine, synthesise
from core.generation.track import Delivery, StemTrack
from core.ports import StemRequest

STEMS = ("drums", "bass", "guitar", "vocals", "piano", "synth", "other")
STYLES = ("rock", "pop", "jazz", "electronic", "ballad")
SHORT_SECONDS, LONG_SECONDS = 30.0, 600.0
REPEATS = 5
SLOWEST = 300.0
MEMORY_GROWTH = 1.1
_MEMORY_PROGRAM = """
import sys
from bench.memory import peak_bytes
from bench.synth import deliver, request_for
deliver(request_for(sys.argv[1], "rock", float(sys.argv[2])))
print(peak_bytes())
"""


def request_for(stem_type: str, style: str, duration_seconds: float) -> StemRequest:
    """The request that is measured: four chords at 120 bpm, at the default temperature."""
    return StemRequest(stem_type, duration_seconds, 120.0, style, ("C", "G", "Am", "F"), "", 1.0, 42)


def render(request: StemRequest) -> int:
    """Render and drop the blocks; the frames."""
    return sum(block.shape[1] for block in synthesise(request))


def deliver(request: StemRequest) -> int:
    """What a worker does with a stem: render, bring to its level, measure, encode, hash, and read the file; bytes."""
    engine = SynthEngine()
    delivery = Delivery(engine.sample_rate, engine.channels, loudness_lufs=None)
    with StemTrack(request, engine, delivery) as track:
        for piece in engine.render([request], lambda share: None):
            track.add(piece.block)
        track.level()
        return sum(len(piece) for piece in track.pieces())


def seconds_per_cpu_second(work: Callable[[StemRequest], int], request: StemRequest) -> float:
    """Seconds of audio made in one CPU-second: the best of several runs, which other processes disturb least."""
    work(request)
    costs = []
    for _ in range(REPEATS):
        started = time.process_time()
        work(request)
        costs.append(time.process_time() - started)
    return request.duration_seconds / min(costs)


def slowest_style(work: Callable[[StemRequest], int], stem_type: str) -> float:
    """The figure of the style in which the stem costs most."""
    return min(seconds_per_cpu_second(work, request_for(stem_type, style, SHORT_SECONDS)) for style in STYLES)


def peak_mib(stem_type: str, duration_seconds: float) -> float:
    """The most memory a fresh process held while it delivered a stem, interpreter and numpy included."""
    command = [sys.executable, "-c", _MEMORY_PROGRAM, stem_type, str(duration_seconds)]
    return int(subprocess.run(command, check=True, capture_output=True, text=True).stdout) / 2**20


def measure() -> Section:
    """Measure every stem."""
    speeds = {stem: (slowest_style(render, stem), slowest_style(deliver, stem)) for stem in STEMS}
    memory = {stem: (peak_mib(stem, SHORT_SECONDS), peak_mib(stem, LONG_SECONDS)) for stem in STEMS}
    rows = [[stem, *(f"{value:.0f}" for value in (*speeds[stem], *memory[stem]))] for stem in STEMS]
    return Section(
        "The synth engine",
        f"Seconds of audio per CPU-second on one thread: stems of {SHORT_SECONDS:g} s at 120 bpm, each in the slowest "
        f"of {len(STYLES)} styles, best of {REPEATS} runs. Memory is the peak of a whole process.",
        [Table(("stem", "render", "with its file and its levels", "MiB at 30 s", "MiB at 10 min"), rows)],
        [
            Goal(
                f"at least {SLOWEST:g} s of audio a CPU-second for every stem",
                min(rendered for rendered, _ in speeds.values()),
                SLOWEST,
                at_least=True,
            ),
            Goal(
                f"10 minutes take at most {MEMORY_GROWTH:g} times the memory of 30 seconds",
                max(long / short for short, long in memory.values()),
                MEMORY_GROWTH,
            ),
        ],
    )
