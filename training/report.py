"""What a training is about and what came of it: the facts that the card, the plot and ``history.json`` tell."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from pathlib import Path

from core.engines.digests import replacing
from core.engines.encodec.cascade import CascadeShape
from training.recipe import Recipe
from training.state import Epoch, Standing

HISTORY, PLOT, CARD = "history.json", "loss.png", "README.md"


@dataclass(frozen=True)
class Facts:
    """What is known before the first step.

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


def write_report(out: Path, facts: Facts, standing: Standing) -> None:
    """Write ``history.json``, ``loss.png`` and ``README.md`` into ``out``, each whole or not at all."""
    from training.card import model_card
    from training.plot import loss_plot

    if not standing.history:
        return
    with replacing(out / HISTORY) as file:
        file.write(json.dumps(_history(facts, standing.history), indent=1).encode())
    with replacing(out / PLOT) as file:
        loss_plot(file, standing.history, facts.baselines)
    with replacing(out / CARD) as file:
        file.write(model_card(facts, standing).encode())


def _history(facts: Facts, history: list[Epoch]) -> dict[str, object]:
    return {"baselines": facts.baselines, "epochs": [asdict(epoch) for epoch in history]}
