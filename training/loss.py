"""How far what was made is from what really lies between, and how far guesses are that need no model.

    loss = mean over B, D and T of (made - target)² / σ²,    σ² = mean over D of the variance of channel d

with σ² taken over the whole training set. The squared Euclidean distance is the measure by which the codec's own
quantiser finds its nearest code (Défossez et al., "High Fidelity Neural Audio Compression" (2022), section 3.2), so
every channel counts by its own spread and none is stretched. Divided by σ², 1 is what it costs to answer every frame
with the mean of all, and 2 what a frame costs on average that was drawn at random.

A squared error alone draws a model towards a flat mean of all that could follow. The cascade cannot go there: it brings
all it makes to the power of its two tracks, so what is left to learn is the direction.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from training.examples import Batch
from training.latents import Track

FORMULA = "mean((made - target)²) / σ²"


class LatentLoss:
    """The loss in units of the training set's variance.

    Attributes:
        mean: of each channel over the training set, ``[D]``.
        variance: σ².
    """

    def __init__(self, tracks: Sequence[Track]) -> None:
        """Measure the latents of the training set."""
        self.mean, self.variance = _moments(tracks)

    def __call__(self, made: Tensor, target: Tensor) -> Tensor:
        """A number, of latents ``[B, D, T]``; computed in float32 whatever they are."""
        return (made.float() - target.float()).square().mean() / self.variance

    def baselines(self, batches: Iterable[Batch]) -> dict[str, float]:
        """The loss of guesses that need no model, each over all of these examples."""
        mean = torch.from_numpy(self.mean)[None, :, None]
        guesses: dict[str, Callable[[Tensor, Tensor], Tensor]] = {
            "a copy of track 1": lambda track1, _: track1,
            "the mean of both tracks": lambda track1, track2: (track1 + track2) / 2,
            "the mean of all music": lambda track1, _: mean.expand_as(track1),
        }
        totals, count = dict.fromkeys(guesses, 0.0), 0
        for track1, track2, target in batches:
            count += len(target)
            for name, guess in guesses.items():
                totals[name] += float(self(guess(track1, track2), target)) * len(target)
        return {name: total / count for name, total in totals.items()}


COPY = "a copy of track 1"
"""The baseline that the model has to fall below to be of any use."""


_LEAST_VARIANCE = 1e-12  # of music that is all silence, which the loss must not be divided by


def _moments(tracks: Sequence[Track]) -> tuple[NDArray[np.float32], float]:
    """The mean of each channel, and the mean of the channels' variances, summed in float64 track by track."""
    frames = sum(track.frames for track in tracks)
    total = np.sum([track.open().sum(axis=0, dtype=np.float64) for track in tracks], axis=0)
    squares = np.sum([np.square(track.open(), dtype=np.float64).sum(axis=0) for track in tracks], axis=0)
    mean = total / frames
    variance = float(np.mean(squares / frames - mean**2))
    return mean.astype(np.float32), max(variance, _LEAST_VARIANCE)
