"""The model card that lies beside a checkpoint. It names no file of the music: that may be private."""

from __future__ import annotations

import platform
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict
from importlib.metadata import version

from core.engines.encodec.checkpoint import FILE
from training.facts import PLOT, Facts
from training.loss import COPY, FORMULA
from training.recipe import option
from training.state import Standing

_LIBRARIES = ("torch", "numpy", "av", "soxr")


def model_card(facts: Facts, standing: Standing) -> str:
    """The card as Markdown, of a training that has finished at least one epoch."""
    parts = (_introduction(facts), _results(facts, standing), _data(facts), _training(facts), _limits(), _licence())
    return "\n".join(line for part in parts for line in (*part, ""))


def _introduction(facts: Facts) -> list[str]:
    shape = facts.shape
    return [
        "# A bridge model of Stemworks",
        "",
        f"`{FILE}` is a cascade for the engine `encodec`: from the latents of two tracks it makes those of a third "
        "that lies between them.",
        "",
        *_table(
            ("what", "value"),
            {
                "latents": f"{shape.encoding_dim} channels",
                "stages": shape.stages,
                "layers of each": shape.layers,
                "heads": shape.heads,
                "dropout": shape.dropout,
                "parameters": f"{facts.parameters:,}",
                "codec's weights (SHA-256)": f"`{facts.codec_digest}`",
            },
        ),
    ]


def _results(facts: Facts, standing: Standing) -> list[str]:
    best = standing.best
    assert best is not None
    below = 1 - best.validation_loss / facts.baselines[COPY]
    compared = f"{below:.1%} below" if below >= 0 else f"{-below:.1%} above"
    return [
        "## Results",
        "",
        f"Loss on the validation set: `{FORMULA}`, where s is the standard deviation of a channel over its segment and "
        f"σ² = {facts.variance:.6g} the mean of the channels' variances over the training set.",
        "",
        *_table(
            ("guess", "validation loss"),
            {f"**this model** (epoch {best.epoch} of {len(standing.history)})": f"**{best.validation_loss:.4f}**"}
            | {name: f"{loss:.4f}" for name, loss in facts.baselines.items()},
        ),
        "",
        f"It is {compared} a copy of track 1. Among unrelated latents a copy costs 2, and a flat mean, too.",
        "",
        f"![Loss over the epochs]({PLOT})",
    ]


def _data(facts: Facts) -> list[str]:
    rows = {
        name: (facts.tracks[index], f"{facts.seconds[index] / 3600:.2f}", facts.examples[index])
        for index, name in enumerate(("training", "validation"))
    }
    return [
        "## Data and task",
        "",
        *_table(("set", "tracks", "hours", "examples"), rows),
        "",
        f"Of three segments of {facts.recipe.segment_seconds:g} s in a row of one piece of music, the first and the "
        "third are track 1 and track 2, and the second, which really lies between them, is the target. In training "
        "half of the examples, drawn at random, have track 1 and track 2 exchanged. No track is in both sets.",
    ]


def _training(facts: Facts) -> list[str]:
    libraries = ", ".join(f"{name} {version(name)}" for name in _LIBRARIES)
    return [
        "## Training",
        "",
        f"AdamW, a learning rate that rises and then falls as half a cosine, {facts.compute}; the checkpoint with the "
        "lowest validation loss was kept. The same music, options, versions and machine give the same weights.",
        "",
        *_table(("option", "value"), {f"`{option(name)}`": value for name, value in asdict(facts.recipe).items()}),
        "",
        f"Python {platform.python_version()}, {libraries}.",
    ]


def _limits() -> list[str]:
    return [
        "## Limits",
        "",
        "- It has only ever seen two parts of one piece: the same tempo, key and instruments. Nothing was measured of "
        "two different songs, and nothing is promised for them.",
        "- The loss is a distance between latents. It was not measured how any of it sounds.",
        "- It answers with one of the many things that could lie between, and tends to what they have in common.",
        "- It is at home with segments of the length above and music like that of the training set.",
    ]


def _licence() -> list[str]:
    return [
        "## Licence",
        "",
        "The released weights of EnCodec are CC-BY-NC-4.0: what is made with them is not for commercial use. Whether "
        "this checkpoint may be passed on depends on the rights in the music that it was trained with.",
    ]


def _table(header: Sequence[str], rows: Mapping[str, object]) -> list[str]:
    def line(cells: Iterable[object]) -> str:
        return f"| {' | '.join(map(str, cells))} |"

    filled = (line((name, *value)) if isinstance(value, tuple) else line((name, value)) for name, value in rows.items())
    return [line(header), line("---" for _ in header), *filled]
