"""The training of a cascade: steps, epochs, validation, and a snapshot that a run goes on from bit for bit."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from core.engines.compute import Compute
from core.engines.digests import PARTIAL
from core.engines.encodec.cascade import Cascade
from core.engines.encodec.checkpoint import FILE as BEST_FILE
from core.engines.encodec.checkpoint import save_cascade
from training import state
from training.display import Display
from training.errors import TrainingError, TrainingStopped
from training.examples import Batch, Examples, epoch_order
from training.loss import LatentLoss
from training.recipe import Recipe
from training.schedule import learning_rate
from training.state import Epoch, Snapshot, Standing
from training.stopping import Stopping


class Trainer:
    """Trains one cascade; ``run`` goes on from the last snapshot if there is one.

    Attributes:
        cascade: as it is after the last step.
        standing: how far it has come.
    """

    def __init__(
        self, cascade: Cascade, loss: LatentLoss, training: Examples, validation: Examples, recipe: Recipe,
        compute: Compute, out: Path, data: dict[str, Any], save_steps: int = 100,
    ) -> None:  # fmt: skip
        """Take ``cascade`` to the device; nothing is read or written yet.

        Args:
            out: where ``last.pt`` and ``best_model.pt`` go.
            data: what tells this music and codec from others; a run with other ones is not continued.
            save_steps: steps from one snapshot to the next; there is one at the end of every epoch, too.
        """
        self.standing = Standing()
        self.cascade = cascade.to(compute.device)
        self._loss, self._training, self._validation = loss, training, validation
        self._recipe, self._compute, self._out, self._save_steps = recipe, compute, out, save_steps
        self._data = data
        self._made_by = {"recipe": asdict(recipe), "data": data}
        self._optimiser = torch.optim.AdamW(_groups(cascade, recipe.weight_decay), recipe.learning_rate)
        self._scaler = torch.amp.GradScaler(_kind(compute), enabled=compute.precision == "float16")
        self._snapshot = Snapshot(out / state.FILE, cascade, self._optimiser, self._scaler)

    @property
    def steps_an_epoch(self) -> int:
        return math.ceil(len(self._training) / (self._recipe.batch * self._recipe.accumulate))

    @property
    def is_over(self) -> bool:
        standing = self.standing
        return standing.epoch >= self._recipe.epochs or standing.epochs_since_best >= self._recipe.patience

    def run(self, display: Display, stopping: Stopping, report: Callable[[Standing], None]) -> None:
        """Train until it is over; ``report`` is called at the end of every epoch.

        Raises:
            TrainingError: the snapshot is of another run, or the loss is no number any more.
            TrainingStopped: it was asked to stop; the snapshot holds every step that was taken.
        """
        self._restore(display)
        done = self.standing.epoch * self.steps_an_epoch + self.standing.done
        display.begin("training", self._recipe.epochs * self.steps_an_epoch, done)
        while not self.is_over:
            self._epoch(display, stopping)
            display.line(_told(self.standing))
            report(self.standing)

    def _restore(self, display: Display) -> None:
        for partial in self._out.glob(f"{PARTIAL}*"):  # a kill leaves what was being written
            partial.unlink()
        content = state.read(self._out / state.FILE)
        if content is None:
            return
        known = content["made_by"]
        differences = self._recipe.differences(known["recipe"])
        differences += [f"another {name}" for name, value in self._data.items() if known["data"].get(name) != value]
        if differences:
            raise TrainingError(
                f"{self._out / state.FILE} is of a training with {', '.join(differences)}: "
                f"ask for the same, choose another folder, or remove it to begin anew"
            )
        self.standing = self._snapshot.restore(content)
        place = f"continuing in epoch {self.standing.epoch + 1}, after {self.standing.done} of its steps"
        display.line("this training is over already" if self.is_over else place)

    def _epoch(self, display: Display, stopping: Stopping) -> None:
        standing, recipe = self.standing, self._recipe
        order, swapped = epoch_order(len(self._training), recipe.seed, standing.epoch)
        a_step = recipe.batch * recipe.accumulate
        self.cascade.train()
        while standing.done < self.steps_an_epoch:
            chosen = slice(standing.done * a_step, (standing.done + 1) * a_step)
            self._step(order[chosen], swapped[chosen])
            standing.done += 1
            stop = stopping.asked  # looked at once: what ends the run must also have saved it
            if stop or standing.done % self._save_steps == 0:
                self._snapshot.save(standing, self._made_by)
            display.advance(self._note())
            if stop:
                raise TrainingStopped
        self._close()

    def _step(self, indices: Sequence[int], swapped: Sequence[bool]) -> None:
        """One step of the optimiser, over several batches whose gradients add up to that of their joint mean."""
        rate = self._rate()
        for group in self._optimiser.param_groups:
            group["lr"] = rate
        self._optimiser.zero_grad(set_to_none=True)
        for start in range(0, len(indices), self._recipe.batch):
            few = slice(start, start + self._recipe.batch)
            batch = self._training.batch(indices[few], swapped[few])
            loss = self._measured(batch)
            scaled = self._scaler.scale(loss * (len(batch[0]) / len(indices)))
            scaled.backward()  # type: ignore[no-untyped-call] # torch has no types for it
            self._count(loss.item(), len(batch[0]))
        self._scaler.unscale_(self._optimiser)
        nn.utils.clip_grad_norm_(self.cascade.parameters(), self._recipe.gradient_norm)
        self._scaler.step(self._optimiser)
        self._scaler.update()

    def _measured(self, batch: Batch) -> Tensor:
        track1, track2, target = (part.to(self._compute.device) for part in batch)
        with self._compute.autocast():
            made = self.cascade(track1, track2)
        return self._loss(made, target)

    def _check(self, loss: float) -> None:
        if not math.isfinite(loss):
            raise TrainingError(
                f"the loss is no number any more in epoch {self.standing.epoch + 1}: "
                f"lower --learning-rate, or take --precision float32, and remove {self._out / state.FILE}"
            )

    def _count(self, loss: float, examples: int) -> None:
        self._check(loss)
        self.standing.loss_sum += loss * examples
        self.standing.examples += examples

    def _close(self) -> None:
        """Validate, keep the model if it is the best so far, and go on to the next epoch.

        The snapshot comes last: a run that is killed before it does all of this again, to the same bits.
        """
        standing = self.standing
        step = (standing.epoch + 1) * self.steps_an_epoch
        train_loss, validation_loss = standing.loss_sum / standing.examples, self.validate()
        self._check(validation_loss)  # the last step may have broken the weights
        epoch = Epoch(standing.epoch + 1, step, self._rate(-1), train_loss, validation_loss)
        standing.close(epoch)
        if standing.best is epoch:
            save_cascade(
                self._out / BEST_FILE, self.cascade, epoch=epoch.epoch, val_loss=epoch.validation_loss,
                **self._made_by,
            )  # fmt: skip
        self._snapshot.save(standing, self._made_by)

    def validate(self) -> float:
        """The loss over the validation set, each example once and as it is."""
        self.cascade.eval()
        total = 0.0
        with torch.inference_mode():
            for batch in in_order(self._validation, self._recipe.batch):
                total += float(self._measured(batch)) * len(batch[0])
        return total / len(self._validation)

    def _rate(self, offset: int = 0) -> float:
        recipe = self._recipe
        step = self.standing.epoch * self.steps_an_epoch + self.standing.done + offset
        return learning_rate(step, recipe.epochs * self.steps_an_epoch, recipe.warmup_steps, recipe.learning_rate)

    def _note(self) -> str:
        note = f"epoch {self.standing.epoch + 1}, loss {self.standing.loss_sum / self.standing.examples:.4f}"
        last = self.standing.history[-1:]
        return note + "".join(f", validation {epoch.validation_loss:.4f}" for epoch in last)


def in_order(examples: Examples, batch: int) -> Iterator[Batch]:
    """Yield all examples, each once."""
    for start in range(0, len(examples), batch):
        yield examples.batch(range(start, min(start + batch, len(examples))))


def _told(standing: Standing) -> str:
    """The epoch that is just over, in words."""
    epoch = standing.history[-1]
    best = " (best so far)" if standing.best is epoch else ""
    return f"epoch {epoch.epoch}: loss {epoch.train_loss:.4f}, validation {epoch.validation_loss:.4f}{best}"


def _groups(model: nn.Module, weight_decay: float) -> list[dict[str, Any]]:
    """Matrices decay; biases and the gains of norms do not."""
    parameters = list(model.parameters())
    return [
        {"params": [parameter for parameter in parameters if parameter.ndim > 1], "weight_decay": weight_decay},
        {"params": [parameter for parameter in parameters if parameter.ndim <= 1], "weight_decay": 0.0},
    ]


def _kind(compute: Compute) -> str:
    return compute.device.partition(":")[0]
