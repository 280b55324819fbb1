"""Small trainings for the tests: tracks of latents that nobody had to play, a tiny cascade, a display to look at."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from core.engines.compute import Compute
from core.engines.encodec.cascade import Cascade, CascadeShape
from training.examples import Examples
from training.latents import Track
from training.loss import LatentLoss
from training.recipe import Recipe
from training.state import Standing
from training.stopping import Stopping
from training.trainer import Trainer

DIMENSION, SEGMENT_FRAMES = 4, 10
SHAPE = CascadeShape(encoding_dim=DIMENSION, heads=2, layers=1, stages=2, dropout=0.1)
RECIPE = Recipe(epochs=3, batch=2, accumulate=2, learning_rate=0.01, precision="float32", device="cpu", seed=3)


@pytest.fixture(autouse=True, scope="module")
def one_thread_and_the_same_bits() -> Iterator[None]:
    """For the modules that import it: small models on several threads mostly wait for each other."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    torch.use_deterministic_algorithms(True)
    yield
    torch.use_deterministic_algorithms(False)
    torch.set_num_threads(threads)


class Shown:
    """A display that keeps what it is told; it breaks off after so many steps."""

    def __init__(self, breaks_after: int | None = None) -> None:
        self.lines: list[str] = []
        self.begun: list[tuple[str, int, int]] = []
        self.steps = 0
        self._breaks_after = breaks_after

    def begin(self, stage: str, steps: int, done: int = 0) -> None:
        self.begun.append((stage, steps, done))

    def advance(self, note: str = "") -> None:
        self.steps += 1
        if self.steps == self._breaks_after:
            raise PowerCut

    def line(self, text: str) -> None:
        self.lines.append(text)


class PowerCut(BaseException):
    """What nobody has time to handle."""


def track(folder: Path, name: str, frames: int = 60, dimension: int = DIMENSION) -> Track:
    """Latents that swing slowly, with noise, from the name alone."""
    seed = int.from_bytes(hashlib.sha256(name.encode()).digest()[:4], "big")
    draw = np.random.default_rng(seed)
    swing = np.sin(np.arange(frames)[:, None] / 7 + draw.uniform(0, 6, dimension))
    path = folder / f"{name}.npy"
    np.save(path, (swing + 0.3 * draw.standard_normal((frames, dimension)) + 0.5).astype(np.float16))
    return Track(hashlib.sha256(name.encode()).hexdigest(), path, frames)


def tracks(folder: Path, names: Sequence[str], frames: int = 60) -> list[Track]:
    folder.mkdir(parents=True, exist_ok=True)
    return [track(folder, name, frames) for name in names]


def trainer(folder: Path, recipe: Recipe = RECIPE, out: str = "out", **options: Any) -> Trainer:
    """A trainer that begins with the same weights each time, over three tracks and one to validate with."""
    torch.manual_seed(recipe.seed)
    training, validation = tracks(folder / "music", ("a", "b", "c")), tracks(folder / "music", ("d",))
    sets = (Examples(training, SEGMENT_FRAMES, 5), Examples(validation, SEGMENT_FRAMES, SEGMENT_FRAMES))
    compute = Compute(recipe.device, recipe.precision, 0)
    data = {"music": ["a", "b", "c", "d"], **options.pop("data", {})}
    cascade = Cascade(options.pop("shape", SHAPE))
    with torch.no_grad():
        for _ in range(options.pop("settled", 0)):  # the spectral norms get to know their weights
            cascade(*torch.zeros(2, 1, DIMENSION, 3))
    return Trainer(cascade, LatentLoss(training), *sets, recipe, compute, folder / out, data, **options)


def run(trainer: Trainer, shown: Shown | None = None, stopping: Stopping | None = None) -> Standing:
    trainer.run(shown or Shown(), stopping or Stopping(), lambda standing: None)
    return trainer.standing


def same(one: Any, other: Any) -> bool:
    """Whether two contents of files are the same, tensors bit for bit."""
    if isinstance(one, torch.Tensor):
        return isinstance(other, torch.Tensor) and one.dtype == other.dtype and torch.equal(one, other)
    if isinstance(one, dict):
        return one.keys() == other.keys() and all(same(one[key], other[key]) for key in one)
    if isinstance(one, list | tuple):
        return len(one) == len(other) and all(map(same, one, other))
    return bool(one == other)
