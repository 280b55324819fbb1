"""What came of a training: ``history.json``, the plot and the card."""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path

from core.engines.digests import replacing
from training.card import model_card
from training.facts import CARD, HISTORY, PLOT, Facts
from training.state import Epoch, Standing


def write_report(out: Path, facts: Facts, standing: Standing) -> None:
    """Write ``history.json``, ``loss.png`` and ``README.md`` into ``out``, each whole or not at all."""
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
