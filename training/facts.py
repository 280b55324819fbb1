"""What is known of a training before its first step, and what its files are called."""

from __future__ import annotations

from dataclasses import dataclass

from core.engines.encodec.cascade import CascadeShape
from training.recipe import Recipe

HISTORY, PLOT, CARD = "history.json", "loss.png", "README.md"


@dataclass(frozen=True)
class Facts:
    """The facts that the card, the plot and ``history.json`` tell.

    Attributes:
        tracks: in the training set and in the validation set.
        seconds: of music in each.
        examples: in each.
        codec_digest: SHA-256 of the codec's weights.
        variance: of the training set's latents: the unit of the loss.
        baselines: the validation loss of guesses that need no model.
        compute: in what and on what it was trained.
        parameters: of the model.
    """

    recipe: Recipe
    shape: CascadeShape
    tracks: tuple[int, int]
    seconds: tuple[float, float]
    examples: tuple[int, int]
    codec_digest: str
    variance: float
    baselines: dict[str, float]
    compute: str
    parameters: int
