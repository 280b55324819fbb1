"""How long a MusicGen takes to load, here and in audiocraft itself: the same files, the same weights."""

from __future__ import annotations

import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from dataclasses import fields, is_dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch

from bench.memory import peak_bytes
from bench.processes import PROJECT
from bench.report import Goal, Section, Table
from core.engines.musicgen.audiocraft_models import language_model, load
from core.engines.musicgen.decoder import Decoder
from core.engines.musicgen.standins import audiocraft_models
from tests.musicgen_models import reference

REPEATS = 3
LARGEST_SHARE = 0.25
PARITY_FRAMES = 50
_DESCRIPTION = "a slow rock drum with a bass"
_ENVIRON = {"OMP_NUM_THREADS": "1", "OMP_WAIT_POLICY": "passive", "HF_HUB_OFFLINE": "1"}


def measure() -> Section:
    """Load in fresh processes, in turn."""
    from bench.musicgen_inputs import save_small

    with tempfile.TemporaryDirectory() as temporary:
        folder = save_small(Path(temporary))
        return section(folder)


def section(folder: Path) -> Section:
    """Measure the model in ``folder``."""
    costs: dict[str, list[dict[str, float]]] = {"audiocraft": [], "here": []}
    for _ in range(REPEATS):
        for way in costs:
            costs[way].append(_in_a_process(folder, way))
    parity = _in_a_process(folder, "parity")
    figures = {
        ("audiocraft", "loaded"): _medians(costs["audiocraft"], ""),
        ("here", "loaded"): _medians(costs["here"], ""),
        ("here", "ready to generate, in float32"): _medians(costs["here"], "ready_"),
    }
    theirs, ours = (figures[way, "loaded"][0] for way in ("audiocraft", "here"))
    return Section(
        "Loading a MusicGen",
        "The shapes of MusicGen-small, 420 M parameters in float16 as released, with its codec and T5; random weights. "
        f"One thread, one core, files in the page cache, imports done; the median of {REPEATS} fresh processes each, "
        "in turn. Once audiocraft has loaded, its weights lie in memory in float32; here they are still the file, and "
        "are laid out for fast products next, once a process: the last line has both.",
        [
            Table(
                ("", "CPU-s", "s", "peak GiB"),
                [[f"{who}: {what}", *(f"{value:.2f}" for value in values)] for (who, what), values in figures.items()],
            )
        ],
        [
            Goal(
                f"loading the checkpoint takes at most {LARGEST_SHARE:g} of audiocraft's CPU time",
                ours / theirs,
                LARGEST_SHARE,
            )
        ],
        [
            f"Parity: {parity['equal']} of {parity['tensors']} tensors of the language model are equal; greatest "
            f"difference of a description's {parity['text_difference']:.1e}, of a second of the codec's samples "
            f"{parity['codec_difference']:.1e}."
        ],
    )


def _medians(costs: list[dict[str, float]], stage: str) -> tuple[float, float, float]:
    cpu, wall, peak = (
        statistics.median(cost[stage + name] for cost in costs) for name in ("cpu_seconds", "wall_seconds", "peak_gib")
    )
    return cpu, wall, peak


def _in_a_process(folder: Path, way: str) -> dict[str, float]:
    command = (sys.executable, "-m", "bench.musicgen_loading", str(folder), way)
    done = subprocess.run(
        command, cwd=PROJECT, env={**os.environ, **_ENVIRON}, check=True, stdout=subprocess.PIPE, text=True
    )
    answer: dict[str, float] = json.loads(done.stdout.splitlines()[-1])
    return answer


def _audiocraft(folder: Path) -> dict[str, float]:
    return _cost("", lambda: reference(folder))[1]


def _here(folder: Path) -> dict[str, float]:
    model, loaded = _cost("", lambda: load(folder, _nowhere, "cpu", ""))
    _, laid_out = _cost("ready_", lambda: Decoder(model.language_model, "float32", "cpu"))
    together = {name: cost + loaded[name.removeprefix("ready_")] for name, cost in laid_out.items()}
    return {**loaded, **together, "ready_peak_gib": laid_out["ready_peak_gib"]}


def _parity(folder: Path) -> dict[str, float]:
    theirs, ours = reference(folder), load(folder, _nowhere, "cpu", "")
    pairs = list(zip(_tensors(ours.language_model), _tensors(language_model(theirs.lm)), strict=True))
    from audiocraft.modules.conditioners import ConditioningAttributes

    provider = theirs.lm.condition_provider
    tokenized = provider.tokenize([ConditioningAttributes(text={"description": _DESCRIPTION})])
    text = provider(tokenized)["description"][0][0].detach()
    codes = np.random.default_rng(0).integers(0, 2048, (4, PARITY_FRAMES))
    decoder = ours.codec.decoder()
    samples = np.concatenate([decoder.push(codes), decoder.finish()], axis=1)
    expected = theirs.compression_model.decode(torch.from_numpy(codes)[None])[0].detach().numpy()
    cross = ours.conditioner.condition(_DESCRIPTION, None).cross
    assert cross is not None
    return {
        "tensors": len(pairs),
        "equal": sum(torch.equal(mine.float(), their.float()) for mine, their in pairs),
        "text_difference": float((cross - text).abs().max()),
        "codec_difference": float(np.abs(samples - expected).max()),
    }


def _cost(stage: str, work: Any) -> tuple[Any, dict[str, float]]:
    cpu, wall = time.process_time(), time.perf_counter()
    result = work()
    return result, {
        f"{stage}cpu_seconds": time.process_time() - cpu,
        f"{stage}wall_seconds": time.perf_counter() - wall,
        f"{stage}peak_gib": peak_bytes() / 2**30,
    }


def _tensors(part: Any) -> Iterator[torch.Tensor]:
    if isinstance(part, torch.Tensor):
        yield part
    elif is_dataclass(part):
        for field in fields(part):
            yield from _tensors(getattr(part, field.name))
    elif isinstance(part, tuple):
        for element in part:
            yield from _tensors(element)


def _nowhere(name: str) -> Path:
    raise FileNotFoundError(name)


def main() -> None:
    """``python -m bench.musicgen_loading FOLDER WAY``: one measurement, as a line of JSON."""
    folder, way = Path(sys.argv[1]), sys.argv[2]
    os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})
    torch.set_num_threads(1)
    audiocraft_models()
    print(json.dumps({"audiocraft": _audiocraft, "here": _here, "parity": _parity}[way](folder)))


if __name__ == "__main__":
    main()
