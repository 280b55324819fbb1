"""How fast an analysis is, how much memory it takes, and how right it is."""

from __future__ import annotations

import os
import subprocess
import sys
import warnings
from collections.abc import Callable, Sequence
from itertools import product

import numpy as np

from bench.looped_blobs import Listener, LoopedBlobs
from bench.report import Goal, Section, Table
from core.analysis.analysing import analyse
from core.analysis.attempt import Attempt
from core.analysis.listening import Voice
from core.analysis.material import Material
from core.analysis.planner import AnalysisPlanner
from core.analysis.request import AnalysisOptions
from core.analysis.result import Analysis
from core.audio.stream import AudioInfo
from core.bootstrap import build, memory_storage
from core.jobs.model import Job
from core.jobs.planning import JobPlanner
from core.settings import Settings
from tests.music import SAMPLE_RATE, Music, band, guitar, harte

SPEED_SECONDS = 180.0
MEMORY_MINUTES = (1, 20, 60)
REPEATS = 3
SLOWEST = 30.0
FEWEST_BEATS, FEWEST_GUITAR_CHORDS, FEWEST_BAND_CHORDS, FEWEST_KEYS = 0.9, 0.95, 0.85, 0.9
TEMPOS = (60, 75, 90, 105, 120, 135, 150, 165, 180)
STYLES = ("pop", "rock", "jazz", "ballad", "electronic")
PROGRESSIONS = {
    "C:major": ("C", "G", "Am", "F"),
    "G:major": ("G", "C", "D", "G"),
    "A:minor": ("Am", "F", "C", "G"),
    "E:minor": ("Em", "Am", "B", "Em"),
    "D:major": ("D", "A", "Bm", "G"),
    "Eb:major": ("Eb", "Bb", "Cm", "Ab"),
}
_PROGRAM = """
import sys, time
from bench.analysis import whole_job
from bench.memory import peak_bytes
whole_job(5.0)
started = time.process_time()
whole_job(float(sys.argv[1]))
print(time.process_time() - started, peak_bytes())
"""


def job_for(blobs: LoopedBlobs, duration_seconds: float) -> Job:
    """The job that analyses the blobs' file."""
    services = build(Settings.read({}), memory_storage())
    planner = AnalysisPlanner(JobPlanner(services.engines, services.clock, services.settings))
    material = Material.of(blobs.source, AudioInfo("wav", "pcm_s16le", SAMPLE_RATE, 2, duration_seconds))
    return planner.plan(AnalysisOptions(), [material], job_id="bench", fingerprint="bench")


def whole_job(duration_seconds: float) -> None:
    """Read, decode, hear and write the files, all that a worker does."""
    blobs = LoopedBlobs(duration_seconds)
    job = job_for(blobs, duration_seconds)
    Attempt(blobs, 2 * duration_seconds, job, Listener()).run()  # type: ignore[arg-type] # all that an attempt asks of them


def cost(duration_seconds: float) -> tuple[float, float]:
    """CPU seconds on one core and peak memory in MiB of a whole job, in a process of its own."""
    command = [sys.executable, "-c", _PROGRAM, str(duration_seconds)]
    environ = os.environ | {"OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"}
    printed = subprocess.run(command, check=True, capture_output=True, text=True, env=environ).stdout.split()
    return float(printed[0]), int(printed[1]) / 2**20


def heard(music: Music) -> Analysis:
    """The analysis of ``music``."""
    return analyse([Voice(lambda: (block for block in (music.samples,)), SAMPLE_RATE, 2)], lambda seconds: None)


def beat_score(music: Music, found: Analysis) -> float:
    """F-measure within 70 ms."""
    import mir_eval

    truth, times = np.array(music.beats), np.array([beat.time_seconds for beat in found.beats])
    return float(mir_eval.beat.f_measure(mir_eval.beat.trim_beats(truth), mir_eval.beat.trim_beats(times)))


def chord_score(music: Music, found: Analysis) -> float:
    """Weighted overlap of major and minor chords."""
    import mir_eval

    true_spans = np.round([[start, end] for start, end, _ in music.chords], 6)  # mir_eval minds the last bit
    true_labels = [harte(symbol) for _, _, symbol in music.chords]
    spans = np.array([[chord.start_seconds, chord.end_seconds] for chord in found.chords])
    labels = [chord.label for chord in found.chords]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return float(mir_eval.chord.evaluate(true_spans, true_labels, spans, labels)["majmin"])


def key_score(key: str, found: Analysis) -> float:
    """1 for the key, 0.5 for a fifth above, 0.3 for the relative and 0.2 for the parallel one."""
    import mir_eval

    if found.key.tonic is None:
        return 0.0
    name = key.replace(":", " ")
    return float(mir_eval.key.weighted_score(name, f"{found.key.tonic} {found.key.mode}"))


def conditions() -> dict[str, Callable[[Music], Music]]:
    """What happens to the music on its way."""
    return {
        "clean": lambda music: music,
        "noise 20 dB below": lambda music: music.with_noise(20),
        "30 cents sharp": lambda music: music.detuned(30),
    }


def accuracy() -> dict[str, dict[str, list[float]]]:
    """Scores by what is measured and by condition."""
    scores: dict[str, dict[str, list[float]]] = {}
    for (name, changed), (index, tempo) in product(conditions().items(), enumerate(TEMPOS)):
        key, chords = list(PROGRESSIONS.items())[index % len(PROGRESSIONS)]
        played = changed(guitar(chords, tempo, bars=8))
        mixed = changed(band(chords, tempo, seconds=32 * 60 / tempo, style=STYLES[index % len(STYLES)]))
        for kind, music in (("guitar", played), ("band", mixed)):
            found = heard(music)
            for what, score in (
                ("beats", beat_score(music, found)),
                ("chords", chord_score(music, found)),
                ("key", key_score(key, found)),
            ):
                scores.setdefault(f"{what}, {kind}", {}).setdefault(name, []).append(score)
    return scores


def mean(scores: Sequence[float]) -> float:
    """Their mean."""
    return float(np.mean(scores))


def measure() -> Section:
    """Measure speed, memory and accuracy."""
    speed = min(cost(SPEED_SECONDS)[0] for _ in range(REPEATS))
    memory = {minutes: cost(60.0 * minutes)[1] for minutes in MEMORY_MINUTES}
    scores = accuracy()
    means = {what: mean([score for group in found.values() for score in group]) for what, found in scores.items()}
    return Section(
        "Analysis",
        f"A whole job, from a WAV file of {SPEED_SECONDS:g} s in stereo to its four files, in CPU time on one core, "
        f"best of {REPEATS} runs; and what it finds, measured with mir_eval on music whose beats, chords and keys are "
        f"known: {len(TEMPOS)} tempos from {TEMPOS[0]} to {TEMPOS[-1]}, {len(PROGRESSIONS)} progressions, "
        f"{len(STYLES)} styles.",
        [
            Table(
                ("mean score", *conditions(), "lowest"),
                [
                    [what, *(f"{mean(group):.3f}" for group in found.values()), f"{min(map(min, found.values())):.3f}"]
                    for what, found in scores.items()
                ],
            ),
            Table(("a job of", "MiB"), [[f"{at} min", f"{mib:.0f}"] for at, mib in memory.items()]),
        ],
        [
            Goal("at least 30 times as fast as real time on one core", SPEED_SECONDS / speed, SLOWEST, at_least=True),
            Goal("beats, F-measure on guitar", means["beats, guitar"], FEWEST_BEATS, at_least=True),
            Goal("beats, F-measure on a band", means["beats, band"], FEWEST_BEATS, at_least=True),
            Goal(
                "chords, majmin on a clean guitar",
                mean(scores["chords, guitar"]["clean"]),
                FEWEST_GUITAR_CHORDS,
                at_least=True,
            ),
            Goal("chords, majmin on a band with drums", means["chords, band"], FEWEST_BAND_CHORDS, at_least=True),
            Goal("keys, weighted score", (means["key, guitar"] + means["key, band"]) / 2, FEWEST_KEYS, at_least=True),
        ],
    )
