import signal
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch

from core.engines.encodec.checkpoint import load_cascade, read_checkpoint
from tests.unit.training_runs import (
    DIMENSION,
    RECIPE,
    SHAPE,
    PowerCut,
    Shown,
    one_thread_and_the_same_bits,
    run,
    same,
    trainer,
)
from training.errors import TrainingError, TrainingStopped
from training.stopping import Stopping

__all__ = ["one_thread_and_the_same_bits"]

FILES = ("last.pt", "best_model.pt")


def contents(folder: Path) -> list[dict[str, Any]]:
    return [read_checkpoint(folder / name) for name in FILES]


@pytest.fixture(scope="module")
def uninterrupted(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("uninterrupted")
    run(trainer(folder))
    return folder / "out"


def steps_in_all() -> int:
    return RECIPE.epochs * 6  # 21 examples, four a step


def test_a_training_takes_every_example_of_every_epoch_once(tmp_path: Path) -> None:
    shown, small = Shown(), trainer(tmp_path)
    standing = run(small, shown)
    assert shown.begun == [("training", steps_in_all(), 0)]
    assert shown.steps == steps_in_all()
    assert [epoch.step for epoch in standing.history] == [6, 12, 18]
    assert [epoch.epoch for epoch in standing.history] == [1, 2, 3]


@pytest.mark.parametrize("cut_after", [1, 5, 6, 7, 17, 18])
@pytest.mark.parametrize("save_steps", [1, 4, 100])
def test_a_run_that_was_killed_goes_on_to_the_same_bits(
    tmp_path: Path, uninterrupted: Path, cut_after: int, save_steps: int
) -> None:
    with pytest.raises(PowerCut):
        run(trainer(tmp_path, save_steps=save_steps), Shown(breaks_after=cut_after))
    torch.manual_seed(99)  # what else drew from the generator in between does not matter
    torch.rand(5)
    shown = Shown()
    run(trainer(tmp_path, save_steps=save_steps), shown)
    lost = shown.steps - (steps_in_all() - cut_after)
    assert 0 <= lost <= min(save_steps - 1, 6)
    assert same(contents(tmp_path / "out"), contents(uninterrupted))


def test_a_run_that_is_killed_again_and_again_gets_to_the_same_end(tmp_path: Path, uninterrupted: Path) -> None:
    for _ in range(4):
        with pytest.raises(PowerCut):
            run(trainer(tmp_path, save_steps=1), Shown(breaks_after=4))
    run(trainer(tmp_path, save_steps=1))
    assert same(contents(tmp_path / "out"), contents(uninterrupted))


def test_bits_do_change_with_what_a_snapshot_holds(tmp_path: Path, uninterrupted: Path) -> None:
    with pytest.raises(PowerCut):
        run(trainer(tmp_path, save_steps=1), Shown(breaks_after=5))
    content = torch.load(tmp_path / "out" / "last.pt", weights_only=True)
    torch.manual_seed(99)
    torch.save({**content, "generator": torch.get_rng_state()}, tmp_path / "out" / "last.pt")
    run(trainer(tmp_path, save_steps=1))
    assert not same(contents(tmp_path / "out"), contents(uninterrupted))


def test_what_a_kill_left_half_written_is_removed_by_the_next_run(tmp_path: Path) -> None:
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / ".partial-last").write_bytes(b"half a snapshot")
    run(trainer(tmp_path))
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == sorted(FILES)


def test_a_signal_lets_the_step_end_and_keeps_it(tmp_path: Path, uninterrupted: Path) -> None:
    class Signalled(Shown):
        def advance(self, note: str = "") -> None:
            super().advance(note)
            if self.steps == 8:
                signal.raise_signal(signal.SIGTERM)

    shown = Signalled()
    with Stopping() as stopping, pytest.raises(TrainingStopped):
        run(trainer(tmp_path), shown, stopping)
    assert shown.steps == 9  # the one after the signal: it came when the eighth was over
    goes_on = Shown()
    run(trainer(tmp_path), goes_on)
    assert goes_on.steps == steps_in_all() - shown.steps
    assert same(contents(tmp_path / "out"), contents(uninterrupted))


def test_a_second_signal_is_handled_as_it_always_was() -> None:
    def interrupt(number: int, frame: object) -> None:
        raise KeyboardInterrupt

    before = signal.signal(signal.SIGINT, interrupt)  # a shell has its background processes ignore it
    try:
        with Stopping() as stopping:
            signal.raise_signal(signal.SIGINT)
            assert stopping.asked
            with pytest.raises(KeyboardInterrupt):
                signal.raise_signal(signal.SIGINT)
        assert signal.getsignal(signal.SIGINT) is interrupt
    finally:
        signal.signal(signal.SIGINT, before)


def test_a_run_that_is_over_is_not_gone_on_with(tmp_path: Path) -> None:
    standing = run(trainer(tmp_path))
    shown, again = Shown(), trainer(tmp_path)
    assert run(again, shown) == standing
    assert shown.steps == 0
    assert shown.lines == ["this training is over already"]


@pytest.mark.parametrize(
    ("change", "named"),
    [
        ({"seed": 4}, r"--seed 3 \(now 4\)"),
        ({"epochs": 5, "batch": 1}, r"--epochs 3 \(now 5\), --batch 2 \(now 1\)"),
        ({"learning_rate": 0.02}, r"--learning-rate 0.01 \(now 0.02\)"),
    ],
)
def test_a_run_with_other_options_is_refused_and_they_are_named(
    tmp_path: Path, change: dict[str, Any], named: str
) -> None:
    run(trainer(tmp_path, replace(RECIPE, epochs=3)))
    with pytest.raises(TrainingError, match=named):
        run(trainer(tmp_path, replace(RECIPE, **change)))


def test_a_run_with_other_music_is_refused(tmp_path: Path) -> None:
    run(trainer(tmp_path))
    with pytest.raises(TrainingError, match="another music"):
        run(trainer(tmp_path, data={"music": ["e"]}))


@pytest.mark.parametrize("content", [b"", b"no file of torch's", None])
def test_a_snapshot_that_is_none_is_refused(tmp_path: Path, content: bytes | None) -> None:
    path = tmp_path / "out" / "last.pt"
    path.parent.mkdir()
    path.write_bytes(content) if content is not None else torch.save({"model": {}}, path)
    with pytest.raises(TrainingError, match="remove it to begin anew"):
        run(trainer(tmp_path))


def gradients(folder: Path, batch: int, accumulate: int) -> list[torch.Tensor]:
    """What AdamW keeps of the first step's gradients, without dropout and with spectral norms that have settled."""
    shape, out = replace(SHAPE, dropout=0.0), f"{batch} by {accumulate}"
    recipe = replace(RECIPE, batch=batch, accumulate=accumulate, dropout=0.0)
    with pytest.raises(PowerCut):
        run(trainer(folder, recipe, out, shape=shape, settled=500, save_steps=1), Shown(breaks_after=1))
    kept = read_checkpoint(folder / out / "last.pt")["optimiser"]["state"]
    return [kept[number]["exp_avg"] for number in sorted(kept)]


@pytest.mark.parametrize(("batch", "accumulate"), [(3, 4), (5, 5), (2, 11)])
def test_batches_that_are_accumulated_make_the_step_of_one_large_batch(
    tmp_path: Path, batch: int, accumulate: int
) -> None:
    examples = min(batch * accumulate, 21)  # the last batch may be smaller
    whole, parts = gradients(tmp_path, examples, 1), gradients(tmp_path, batch, accumulate)
    other = gradients(tmp_path, examples - 2, 1)
    close = [torch.allclose(one, part, rtol=1e-4, atol=1e-7) for one, part in zip(whole, parts, strict=True)]
    assert all(close)
    assert any(not torch.allclose(one, part, rtol=1e-2) for one, part in zip(whole, other, strict=True))


def test_training_ends_when_validation_has_long_not_been_better(tmp_path: Path) -> None:
    recipe = replace(RECIPE, epochs=50, patience=2, learning_rate=1e-30)  # nothing changes, so nothing gets better
    small = trainer(tmp_path, recipe)
    losses = iter([0.5, 0.4, 0.45, 0.39, 0.39, 0.41, 0.1])
    small.validate = lambda: next(losses)  # type: ignore[method-assign] # a course that is known
    standing = run(small)
    assert [epoch.validation_loss for epoch in standing.history] == [0.5, 0.4, 0.45, 0.39, 0.39, 0.41]
    assert standing.best is standing.history[3]
    assert read_checkpoint(tmp_path / "out" / "best_model.pt")["epoch"] == 4


def test_the_best_model_is_the_one_whose_validation_loss_it_names(tmp_path: Path) -> None:
    small = trainer(tmp_path, replace(RECIPE, epochs=8, learning_rate=0.05))
    standing = run(small)
    best = tmp_path / "out" / "best_model.pt"
    assert standing.best is not None
    assert read_checkpoint(best)["val_loss"] == standing.best.validation_loss
    small.cascade.load_state_dict(load_cascade(best).state_dict())
    assert small.validate() == pytest.approx(standing.best.validation_loss, rel=1e-6)
    assert load_cascade(best, DIMENSION).shape == SHAPE


@pytest.mark.parametrize("precision", ["bfloat16", "float16"])
def test_mixed_precision_trains_weights_of_float32(tmp_path: Path, precision: str) -> None:
    standing = run(trainer(tmp_path, replace(RECIPE, precision=precision)))
    exact = run(trainer(tmp_path, out="exact"))
    weights = read_checkpoint(tmp_path / "out" / "best_model.pt")["model_state_dict"]
    assert {values.dtype for values in weights.values()} == {torch.float32}
    rounded, plain = standing.history[0].validation_loss, exact.history[0].validation_loss
    assert rounded == pytest.approx(plain, rel=0.1)
    assert rounded != plain


def test_float16_goes_on_with_the_same_scale_of_its_gradients(tmp_path: Path) -> None:
    recipe = replace(RECIPE, precision="float16")
    run(trainer(tmp_path, recipe, out="whole"))
    with pytest.raises(PowerCut):
        run(trainer(tmp_path, recipe, save_steps=1), Shown(breaks_after=9))
    run(trainer(tmp_path, recipe))
    assert same(contents(tmp_path / "out"), contents(tmp_path / "whole"))
    assert read_checkpoint(tmp_path / "out" / "last.pt")["scaler"]["scale"] > 0


def test_a_loss_that_is_no_number_ends_the_training(tmp_path: Path) -> None:
    with pytest.raises(TrainingError, match="lower --learning-rate"):
        run(trainer(tmp_path, replace(RECIPE, epochs=30, learning_rate=1e30, gradient_norm=1e30)))


def test_a_validation_loss_that_is_no_number_ends_the_training_and_keeps_no_model(tmp_path: Path) -> None:
    small = trainer(tmp_path)
    small.validate = lambda: float("nan")  # type: ignore[method-assign] # weights that broke in the last step
    with pytest.raises(TrainingError, match="lower --learning-rate"):
        run(small)
    assert not list((tmp_path / "out").glob("*.pt"))


def test_biases_and_norms_do_not_decay(tmp_path: Path) -> None:
    idle = trainer(tmp_path, replace(RECIPE, epochs=1, weight_decay=0.5))
    first = {name: values.detach().clone() for name, values in idle.cascade.named_parameters()}
    for values in idle.cascade.parameters():
        values.register_hook(torch.zeros_like)  # then decay alone changes them
    run(idle)
    for name, values in idle.cascade.named_parameters():
        assert torch.equal(values, first[name]) == (values.ndim == 1), name
