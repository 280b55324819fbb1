"""What a training is to do: everything that decides how the model comes out. Light to import: the help shows it."""

from __future__ import annotations

import argparse
import math
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, field, fields
from typing import Any

PRECISIONS = ("auto", "float32", "bfloat16", "float16")


def _setting(default: Any, help: str, **limits: Any) -> Any:
    return field(default=default, metadata={"help": help, **limits})


@dataclass(frozen=True)
class Recipe:
    """The settings of a training; a run is continued with the same ones alone.

    Each field is an option of the command line; its metadata has the help and the limits.
    """

    segment_seconds: float = _setting(16.0, "length of track 1, of track 2 and of what lies between them", above=0)
    validation_share: float = _setting(0.1, "share of the tracks that is kept for validation", above=0, below=1)
    epochs: int = _setting(100, "most passes over the training set", least=1)
    patience: int = _setting(10, "epochs without a lower validation loss after which the training ends", least=1)
    batch: int = _setting(4, "examples that are computed at once", least=1)
    accumulate: int = _setting(2, "batches whose gradients make one step of the optimiser", least=1)
    learning_rate: float = _setting(3e-4, "highest learning rate, which the warm-up ends at", above=0)
    warmup_steps: int = _setting(500, "steps in which the learning rate rises; a tenth of all at most", least=0)
    weight_decay: float = _setting(0.01, "AdamW's decay of weights; biases and norms have none", least=0)
    gradient_norm: float = _setting(1.0, "longest gradient; a longer one is shortened to it", above=0)
    heads: int = _setting(8, "heads of attention", least=1)
    layers: int = _setting(4, "layers of each stage's transformer", least=1)
    stages: int = _setting(2, "stages of the cascade; from 2 on it looks at both tracks", least=2)
    dropout: float = _setting(0.1, "share of activations left out in training", least=0, below=1)
    precision: str = _setting("auto", "of products; auto is bfloat16 on a GPU that has it, else float32", of=PRECISIONS)
    device: str = _setting("auto", "auto, cpu, cuda or cuda:1; auto takes a GPU where there is one")
    seed: int = _setting(
        0, "draws the first weights, the split, the order of the examples and the dropout", least=0, below=2**63
    )

    def differences(self, other: dict[str, Any]) -> list[str]:
        """What is not as it is in ``other``, each as the option that would make it so."""
        mine = asdict(self)
        return [
            f"{option(name)} {other.get(name)} (now {value})"
            for name, value in mine.items()
            if name not in other or other[name] != value
        ]


def option(name: str) -> str:
    """The option of a field."""
    return f"--{name.replace('_', '-')}"


def add_options(parser: argparse._ArgumentGroup) -> None:
    """Give ``parser`` an option for every setting of a recipe."""
    for setting in fields(Recipe):
        parser.add_argument(
            option(setting.name),
            type=within(type(setting.default), setting.metadata),
            choices=setting.metadata.get("of"),
            default=setting.default,
            metavar=type(setting.default).__name__.upper() if "of" not in setting.metadata else None,
            help=f"{setting.metadata['help']} (default %(default)s)",
        )


def recipe_of(arguments: argparse.Namespace) -> Recipe:
    """The recipe that the command line asks for."""
    return Recipe(**{setting.name: getattr(arguments, setting.name) for setting in fields(Recipe)})


def within(kind: type, limits: Mapping[str, Any]) -> Callable[[str], Any]:
    """Reads a value of ``kind`` and holds it against its limits."""
    checks: tuple[tuple[str, str, Callable[[Any, Any], bool]], ...] = (
        ("least", "at least", lambda value, limit: value >= limit),
        ("above", "above", lambda value, limit: value > limit),
        ("below", "below", lambda value, limit: value < limit),
    )

    def read(text: str) -> Any:
        try:
            value = kind(text)
        except ValueError:
            raise argparse.ArgumentTypeError(f"{text!r} is no {'whole number' if kind is int else 'number'}") from None
        if kind is float and not math.isfinite(value):
            raise argparse.ArgumentTypeError(f"{text} is not finite")
        for key, words, holds in checks:
            if key in limits and not holds(value, limits[key]):
                raise argparse.ArgumentTypeError(f"{text} is not {words} {limits[key]}")
        return value

    return read
