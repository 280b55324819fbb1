"""The course of the loss as a picture."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import IO

from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from training.state import Epoch

_COLOURS = ("#888888", "#b07aa1", "#59a14f")
_HEADROOM = 1.15  # of the plot above the highest line that matters


def loss_plot(file: IO[bytes], history: Sequence[Epoch], baselines: Mapping[str, float]) -> None:
    """Write a PNG: both losses over the epochs, the best epoch, and the baselines as levels."""
    figure = Figure(figsize=(9, 5), dpi=120, layout="constrained")
    FigureCanvasAgg(figure)
    axes = figure.add_subplot()
    epochs = [epoch.epoch for epoch in history]
    validation = [epoch.validation_loss for epoch in history]
    axes.plot(epochs, [epoch.train_loss for epoch in history], color="#4e79a7", marker=".", label="training")
    axes.plot(epochs, validation, color="#f28e2b", marker=".", label="validation")
    best = validation.index(min(validation))
    axes.plot(
        epochs[best], validation[best], "*", color="#e15759", markersize=13, label=f"best: {validation[best]:.3f}"
    )
    for (name, loss), colour in zip(baselines.items(), _COLOURS, strict=True):
        axes.axhline(loss, color=colour, linestyle="--", linewidth=1, label=f"{name}: {loss:.3f}")
    axes.set_xlabel("epoch")
    axes.set_ylabel("loss, in units of the training set's variance")
    axes.xaxis.set_major_locator(MaxNLocator(integer=True))
    axes.set_ylim(0, _HEADROOM * max(*baselines.values(), *validation))
    axes.grid(alpha=0.25)
    axes.legend(loc="center left", bbox_to_anchor=(1.0, 0.5), frameon=False)
    figure.savefig(file, format="png", metadata={"Software": None})  # the same run gives the same bytes
