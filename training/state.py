"""Where a training stands: all that its next step depends on, in one file that is written whole or not at all.

The order of the examples is not among it: it follows from the seed and the epoch. Nothing here draws from Python's or
numpy's global generators.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import torch

from core.engines.encodec.checkpoint import read_checkpoint, write_checkpoint
from core.errors import EngineUnavailable, WeightsMismatch
from training.errors import TrainingError

FILE = "last.pt"


@dataclass(frozen=True)
class Epoch:
    """What came of an epoch; losses are means over its examples."""

    epoch: int
    step: int
    learning_rate: float
    train_loss: float
    validation_loss: float


@dataclass
class Standing:
    """How far a training has come.

    Attributes:
        epoch: the one under way, from 0.
        done: steps of it that are taken.
        loss_sum: of its examples so far.
        examples: how many those were.
        history: the epochs that are over.
    """

    epoch: int = 0
    done: int = 0
    loss_sum: float = 0.0
    examples: int = 0
    history: list[Epoch] = field(default_factory=list)

    @property
    def best(self) -> Epoch | None:
        """The first epoch with the lowest validation loss."""
        return min(self.history, key=lambda epoch: epoch.validation_loss, default=None)

    @property
    def epochs_since_best(self) -> int:
        """How many epochs have not been better."""
        return self.history[-1].epoch - self.best.epoch if self.best else 0

    def close(self, epoch: Epoch) -> None:
        """Go on to the next epoch."""
        self.history.append(epoch)
        self.epoch, self.done, self.loss_sum, self.examples = self.epoch + 1, 0, 0.0, 0


class Snapshot:
    """Saves and restores a model, its optimiser, its scaler, the generators and the standing together."""

    def __init__(
        self, path: Path, model: torch.nn.Module, optimiser: torch.optim.Optimizer, scaler: torch.amp.GradScaler
    ) -> None:
        self._path = path
        self._parts: dict[str, Any] = {"model": model, "optimiser": optimiser, "scaler": scaler}

    def save(self, standing: Standing, made_by: dict[str, Any]) -> None:
        """Write all of it; ``made_by`` tells what the run was asked to do."""
        content = {name: part.state_dict() for name, part in self._parts.items()}
        content |= {
            "standing": asdict(standing),
            "made_by": made_by,
            "generator": torch.get_rng_state(),
            "cuda_generators": torch.cuda.get_rng_state_all() if torch.cuda.is_available() else [],
        }
        write_checkpoint(self._path, content)

    def restore(self, content: dict[str, Any]) -> Standing:
        """Put everything back as ``read`` found it."""
        for name, part in self._parts.items():
            part.load_state_dict(content[name])
        torch.set_rng_state(content["generator"])
        if content["cuda_generators"] and torch.cuda.is_available():
            torch.cuda.set_rng_state_all(content["cuda_generators"])
        known = content["standing"]
        return Standing(**{**known, "history": [Epoch(**epoch) for epoch in known["history"]]})


def read(path: Path) -> dict[str, Any] | None:
    """What was saved; ``None`` if nothing was. Raises ``TrainingError`` for a file that is no such thing."""
    if not path.exists():
        return None
    try:
        content = read_checkpoint(path)
    except (EngineUnavailable, WeightsMismatch) as error:
        raise TrainingError(f"{error.detail}, or remove it to begin anew") from error
    if not {"model", "optimiser", "scaler", "standing", "made_by", "generator", "cuda_generators"} <= set(content):
        raise TrainingError(f"{path} is not where a training stood: remove it to begin anew")
    return content
