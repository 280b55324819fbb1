"""The ``musicgen`` engine's sampling beside audiocraft's own: the same codes, sooner."""

from __future__ import annotations

import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from bench.musicgen_inputs import save_small
from bench.processes import PROJECT
from bench.report import Goal, Section, Table
from core.engines.musicgen.audiocraft_models import load
from core.engines.musicgen.batching import Batcher
from core.engines.musicgen.decoder import Decoder, Feed
from core.engines.musicgen.model import MusicModel
from core.engines.musicgen.rows import Row
from core.engines.musicgen.sampling import Sampling
from tests.musicgen_models import reference

FRAME_RATE = 50
DESCRIPTIONS = ("slow rock drums, dry", "a fast jazz bass", "rock the bass, slow", "drumming as in jazz")
FRAMES, LOGIT_STEPS = 100, 12
SAMPLING = Sampling(temperature=1.0, top_k=250, top_p=0.0, guidance_scale=3.0)
FASTER = {"float32": 4.0, "bfloat16": 8.0, "int8": 15.0}
GUIDANCE = 1.25
MEMORY_BYTES = 2**33
_ENVIRON = {"OMP_NUM_THREADS": "1", "OMP_WAIT_POLICY": "passive", "HF_HUB_OFFLINE": "1"}

Codes = list[list[list[int]]]
"""Of every description."""


@dataclass(frozen=True)
class Figures:
    """What was measured.

    Attributes:
        seconds: CPU time of all four stems, by the way they were made.
        same: the share of audiocraft's codes, by precision.
        errors: of the logits beside float32's, in parts of their standard deviation, by precision.
        tokens: how many of text the descriptions have.
    """

    seconds: dict[str, float]
    same: dict[str, float]
    errors: dict[str, float]
    tokens: list[int]


def measure() -> Section:
    """Measure in a process of its own, on one core."""
    with tempfile.TemporaryDirectory() as folder:
        save_small(Path(folder))
        command = (sys.executable, "-m", "bench.musicgen", folder)
        environ = {**os.environ, **_ENVIRON}
        done = subprocess.run(command, cwd=PROJECT, env=environ, check=True, stdout=subprocess.PIPE, text=True)
    return section(Figures(**json.loads(done.stdout.splitlines()[-1])))


def section(figures: Figures) -> Section:
    """Say it."""
    seconds, steps = figures.seconds, FRAMES + 3
    names = {"audiocraft": "audiocraft, four calls in turn"}
    names |= {each: f"ours, one batch, {each}" for each in FASTER} | {"int8 alone": "ours, int8, without guidance"}
    rows = [
        [
            name, f"{seconds[way]:.1f}", f"{1000 * seconds[way] / steps:.0f}",
            f"{seconds['audiocraft'] / seconds[way]:.1f}", percent(figures.same.get(way)),
            percent(figures.errors.get(way)),
        ]
        for way, name in names.items()
    ]  # fmt: skip
    return Section(
        "MusicGen: sampling",
        f"Four stems of {FRAMES} frames ({FRAMES / FRAME_RATE:g} s), guidance on, from text to codes; MusicGen-small's "
        f"shape (420 M parameters) with random weights, texts of {min(figures.tokens)} to {max(figures.tokens)} tokens "
        "through T5-base; one thread on one core. Each way here is run before audiocraft and after it, and their mean "
        f"taken. Logits are compared over {LOGIT_STEPS} steps of the same codes: the root of the mean square of the "
        "error, beside the standard deviation of float32's.",
        [Table(("", "CPU s", "ms a step", "times as fast", "the same codes", "error of logits"), rows)],
        [
            Goal("float32 draws the codes of audiocraft", figures.same["float32"], 1.0, at_least=True),
            *(
                Goal(
                    f"four stems at least {limit:g} times as fast as audiocraft, in {precision}",
                    seconds["audiocraft"] / seconds[precision], limit, at_least=True,
                )
                for precision, limit in FASTER.items()
            ),
            Goal(f"guidance costs at most {GUIDANCE:g} times as much as none, in int8",
                 seconds["int8"] / seconds["int8 alone"], GUIDANCE),
        ],
        ["A code that differs changes all that follow it: the share of equal codes says little of bfloat16 and int8."],
    )  # fmt: skip


def percent(share: float | None) -> str:
    """For the table."""
    return "" if share is None else f"{100 * share:.3g} %"


def compare(folder: Path) -> Figures:
    """Draw the same stems in every way."""
    theirs, model = reference(folder), load(folder, _nowhere, "cpu", "")
    batchers = {name: Batcher(Decoder(model.language_model, name), MEMORY_BYTES) for name in FASTER}
    alone = replace(SAMPLING, guidance_scale=1)
    here: dict[str, Callable[[int], Codes]] = {
        **{name: partial(ours, model, batcher, SAMPLING) for name, batcher in batchers.items()},
        "int8 alone": partial(ours, model, batchers["int8"], alone),
    }
    ways = {**here, "audiocraft": partial(audiocraft, theirs)}
    for way in ways.values():
        way(2)
    seconds: dict[str, list[float]] = {name: [] for name in ways}
    codes = {}
    for name in (*here, "audiocraft", *here):
        started = time.process_time()
        codes[name] = np.array(ways[name](FRAMES))
        seconds[name].append(time.process_time() - started)
    return Figures(
        {name: statistics.mean(costs) for name, costs in seconds.items()},
        {name: float((codes[name] == codes["audiocraft"]).mean()) for name in batchers},
        errors(model, {name: batcher.decoder for name, batcher in batchers.items()}, codes["audiocraft"][0]),
        [text_tokens(model, description) for description in DESCRIPTIONS],
    )


def text_tokens(model: MusicModel, description: str) -> int:
    """How many a description has."""
    cross = model.conditioner.condition(description, None).cross
    assert cross is not None
    return len(cross)


def audiocraft(music_gen: Any, frames: int) -> Codes:
    """One call a description, each with its own seed."""
    made: Codes = []
    for seed, description in enumerate(DESCRIPTIONS):
        torch.manual_seed(seed)
        attributes, _ = music_gen._prepare_tokens_and_attributes([description], None)
        codes = music_gen.lm.generate(
            None, attributes, max_gen_len=frames, temp=SAMPLING.temperature, top_k=SAMPLING.top_k,
            cfg_coef=SAMPLING.guidance_scale,
        )  # fmt: skip
        made.append(codes[0].tolist())
    return made


def ours(model: MusicModel, batcher: Batcher, sampling: Sampling, frames: int) -> Codes:
    """All descriptions at once."""
    nothing = np.zeros((batcher.decoder.num_codebooks, 0), np.int64)
    made: list[list[Any]] = [[] for _ in DESCRIPTIONS]
    with batcher.run() as run:
        for seed, description in enumerate(DESCRIPTIONS):
            conditioning, null = model.conditioner.condition(description, None), model.conditioner.null()
            run.add(Row(conditioning, null, nothing, frames, sampling, torch.Generator().manual_seed(seed)))
        for pieces in run:
            for row, codes in pieces:
                made[row].append(codes)
    return [np.concatenate(codes, axis=1).tolist() for codes in made]


def errors(model: MusicModel, decoders: dict[str, Decoder], codes: np.ndarray[Any, Any]) -> dict[str, float]:
    """Each precision's against float32's, for the same codes."""
    exact = logits(model, decoders["float32"], codes)
    return {
        name: float((logits(model, decoder, codes) - exact).square().mean().sqrt() / exact.std())
        for name, decoder in decoders.items()
        if name != "float32"
    }


@torch.inference_mode()
def logits(model: MusicModel, decoder: Decoder, codes: np.ndarray[Any, Any]) -> Tensor:
    """After each of the first frames, undelayed."""
    conditionings = [model.conditioner.condition(DESCRIPTIONS[0], None)]
    cache, made = decoder.cache(conditionings, LOGIT_STEPS), []
    for step in torch.from_numpy(codes[:, :LOGIT_STEPS]).unbind(-1):
        made.append(decoder.logits([Feed(cache, decoder.embed(step[None, :, None]))]))
        cache.position += 1
    return torch.cat(made)


def _nowhere(name: str) -> Path:
    raise FileNotFoundError(name)


def main() -> None:
    """``python -m bench.musicgen FOLDER``: the figures of the model in a folder, as a line of JSON."""
    os.sched_setaffinity(0, {max(os.sched_getaffinity(0))})
    torch.set_num_threads(1)
    print(json.dumps(asdict(compare(Path(sys.argv[1])))))


if __name__ == "__main__":
    main()
