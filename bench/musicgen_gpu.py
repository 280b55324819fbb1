"""``python -m bench.musicgen_gpu``: MusicGen's sampling beside audiocraft's on one NVIDIA card; prints its figures."""

from __future__ import annotations

import contextlib
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from functools import cache, partial
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from bench.musicgen import DESCRIPTIONS, SAMPLING, Codes, audiocraft, ours
from bench.musicgen_inputs import save_small
from bench.report import Section, Table
from core.engines.musicgen.audiocraft_models import load
from core.engines.musicgen.batching import Batcher
from core.engines.musicgen.decoder import Decoder
from core.engines.musicgen.model import MusicModel
from core.engines.musicgen.standins import audiocraft_models
from tests.musicgen_models import melody_without_demucs

FRAMES = 500
REPEATS = 3
DELAY = 3
MEMORY_BYTES = 2**34
COPY_BYTES = 2**32


def best_seconds(work: Callable[[int], Codes]) -> float:
    """Wall time of the fastest of several runs, after a short one that is not counted."""
    work(8)
    times = []
    for _ in range(REPEATS):
        torch.cuda.synchronize()
        started = time.perf_counter()
        work(FRAMES)
        torch.cuda.synchronize()
        times.append(time.perf_counter() - started)
    return min(times)


def bytes_a_second() -> float:
    """What the card's memory reads and writes: of a copy within it."""
    source, target = (torch.empty(COPY_BYTES, dtype=torch.uint8, device="cuda") for _ in range(2))
    times = []
    for _ in range(REPEATS + 1):
        torch.cuda.synchronize()
        started = time.perf_counter()
        target.copy_(source)
        torch.cuda.synchronize()
        times.append(time.perf_counter() - started)
    return 2 * COPY_BYTES / min(times)


def read_bytes(model: MusicModel, decoder: Decoder) -> float:
    """What a step of all descriptions cannot but read, on average: every weight, and the past of every lane."""
    language_model = model.language_model
    weights = sum(tensor.numel() for layer in language_model.layers for tensor in matrices(layer))
    weights += sum(head.numel() for head in language_model.heads)
    lanes = SAMPLING.lanes * len(DESCRIPTIONS)
    return 2 * weights + decoder.cache_bytes(lanes, FRAMES // 2)


def matrices(layer: Any) -> Iterator[Tensor]:
    """Those that a step multiplies by; keys and values of the text are computed once."""
    yield from (layer.attention_in, layer.attention_out, layer.linear1, layer.linear2)
    if layer.cross:
        yield from (layer.cross.query, layer.cross.out)


def theirs(folder: Path, frames: int) -> Codes:
    """audiocraft's own model on the card, which it computes in float16."""
    music_gen = _loaded(folder)
    with music_gen.autocast:
        return audiocraft(music_gen, frames)


@cache
def _loaded(folder: Path) -> Any:
    with contextlib.chdir(folder), melody_without_demucs():
        return audiocraft_models().MusicGen.get_pretrained(str(folder), device="cuda")


def measure() -> Section:
    """Draw four stems in every way, on the first card."""
    with tempfile.TemporaryDirectory() as name:
        folder = save_small(Path(name))
        seconds = {"audiocraft, four calls in turn, float16": best_seconds(partial(theirs, folder))}
        model = load(folder, _nowhere, "cpu", "")
        decoder = Decoder(model.language_model, "float16", "cuda")
        made = partial(ours, model, Batcher(decoder, MEMORY_BYTES), SAMPLING)
        seconds["ours, one batch, float16"] = taken = best_seconds(made)
        exact = Decoder(model.language_model, "float32", "cuda")
        expected = ours(model, Batcher(Decoder(model.language_model), MEMORY_BYTES), SAMPLING, 20)
        same = ours(model, Batcher(exact, MEMORY_BYTES), SAMPLING, 20) == expected
        bound = read_bytes(model, decoder) / bytes_a_second()
    tokens, first = len(DESCRIPTIONS) * FRAMES * decoder.num_codebooks, next(iter(seconds.values()))
    rows = [[way, f"{cost:.2f}", f"{tokens / cost:.0f}", f"{first / cost:.1f}"] for way, cost in seconds.items()]
    share = bound * (FRAMES + DELAY) / taken
    return Section(
        "MusicGen on a GPU",
        f"Four stems of {FRAMES} frames, guidance on; MusicGen-small's shape with random weights, on "
        f"{torch.cuda.get_device_name()}; the fastest of {REPEATS} warm runs.",
        [Table(("", "wall s", "tokens a second", "times as fast"), rows)],
        notes=[
            f"A step takes {1000 * taken / (FRAMES + DELAY):.2f} ms; reading its weights and its past as fast as a "
            f"copy does would take {1000 * bound:.2f} ms, {100 * share:.0f} % of it.",
            f"In float32, the codes of the first 20 frames are {'' if same else 'not '}those of the CPU.",
        ],
    )


def _nowhere(name: str) -> Path:
    raise FileNotFoundError(name)


if __name__ == "__main__":
    if not torch.cuda.is_available():
        sys.exit("torch finds no GPU here: nothing was measured")
    print(measure().markdown())
