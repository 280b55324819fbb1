"""How far what was made is from what really lies between, and how far guesses are that need no model.

    loss = ( mean of (made - target)²  +  mean of (s(made) - s(target))² ) / σ²

The first mean is over B, D and T, the second over B and D; s is the standard deviation of a channel over its segment,
and σ² the mean over D of the channels' variances over the whole training set.

The squared Euclidean distance is the measure by which the codec's own quantiser finds its nearest code (Défossez et
al., "High Fidelity Neural Audio Compression" (2022), section 3.2), so every channel counts by its own spread and none
is stretched. Alone it draws a model to the mean of all that could follow, which hardly moves and is no music; the
second term asks for as much movement as there is in the target. Among latents that know nothing of each other both ways
out cost the same, 2: a copy has all the movement and twice the distance of a flat mean, which has no movement.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from training.examples import Batch
from training.latents import Track

FORMULA = "(mean((made - target)²) + mean((s(made) - s(target))²)) / σ²"

COPY = "a copy of track 1"
"""The baseline that the model has to fall below to be of any use."""

_LEAST_VARIANCE = 1e-12  # of music that is all silence, which the loss must not be divided by
_PIECE_FRAMES = 4096  # of latents are looked at in one go: a track's length costs no memory
_LEAST_MOVEMENT = 1e-6  # times σ², added to the variance of a channel: where nothing moves, a root has no slope


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
        made, target = made.float(), target.float()
        distance = (made - target).square().mean()
        movement = (self._movement(made) - self._movement(target)).square().mean()
        return (distance + movement) / self.variance

    def baselines(self, batches: Iterable[Batch]) -> dict[str, float]:
        """The loss of guesses that need no model, each over all of these examples."""
        mean = torch.from_numpy(self.mean)[None, :, None]
        guesses: dict[str, Callable[[Tensor, Tensor], Tensor]] = {
            COPY: lambda track1, _: track1,
            "the mean of both tracks": lambda track1, track2: (track1 + track2) / 2,
            "the mean of all music": lambda track1, _: mean.expand_as(track1),
        }
        totals, count = dict.fromkeys(guesses, 0.0), 0
        for track1, track2, target in batches:
            count += len(target)
            for name, guess in guesses.items():
                totals[name] += float(self(guess(track1, track2), target)) * len(target)
        return {name: total / count for name, total in totals.items()}

    def _movement(self, latents: Tensor) -> Tensor:
        """The standard deviation of each channel over time, ``[B, D]``."""
        return (latents.var(dim=-1, correction=0) + _LEAST_MOVEMENT * self.variance).sqrt()


def _moments(tracks: Sequence[Track]) -> tuple[NDArray[np.float32], float]:
    """The mean of each channel, and the mean of the channels' variances, summed in float64 piece by piece."""
    frames = 0
    total, squares = np.zeros((2, 1))  # of each channel, as many as there are
    for track in tracks:
        latents = track.open()
        for start in range(0, len(latents), _PIECE_FRAMES):
            piece = latents[start : start + _PIECE_FRAMES].astype(np.float64)
            frames, total, squares = frames + len(piece), total + piece.sum(axis=0), squares + (piece**2).sum(axis=0)
    mean = total / frames
    variance = float(np.mean(squares / frames - mean**2))
    return mean.astype(np.float32), max(variance, _LEAST_VARIANCE)
