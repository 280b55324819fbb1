"""A checkpoint is read without running what it may hold, and what does not fit is named."""

from __future__ import annotations

import errno
import io
import os
import pickle
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any

import pytest
import torch

from core.engines.digests import replacing
from core.engines.encodec.cascade import CascadeShape
from core.engines.encodec.checkpoint import load_cascade, read_checkpoint, save_cascade
from core.errors import EngineUnavailable, WeightsMismatch
from tests.demucs_models import one_thread  # noqa: F401 - a fixture that works by being here
from tests.encodec_models import TINY_SHAPE, cascade, checkpoint

if TYPE_CHECKING:
    from torch import Tensor

State = dict[str, "Tensor"]


def state(shape: CascadeShape = TINY_SHAPE) -> State:
    return dict(cascade(shape).state_dict())


def save(path: Path, values: Any, args: Any = None) -> Path:
    """Write a file as another program would."""
    torch.save({"model_state_dict": values, "args": args if args is not None else {"nhead": TINY_SHAPE.heads}}, path)
    return path


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "best_model.pt"


def refusal(source: Path | bytes, error: type[EngineUnavailable] = WeightsMismatch, **options: Any) -> str:
    with pytest.raises(error) as caught:
        load_cascade(source, **options)
    assert type(caught.value) is error
    return str(caught.value)


# What is saved is what is loaded


@pytest.mark.parametrize("stages", [1, 2, 3])
def test_a_model_comes_back_as_it_was_saved(path: Path, stages: int) -> None:
    shape = CascadeShape(encoding_dim=16, heads=4, layers=3, stages=stages, dropout=0.25)
    model = cascade(shape)
    save_cascade(path, model, epoch=7)
    loaded = load_cascade(path, 16)
    assert loaded.shape == shape
    assert list(loaded.state_dict()) == list(model.state_dict())
    assert all(torch.equal(values, loaded.state_dict()[name]) for name, values in model.state_dict().items())
    tracks = torch.randn(2, 1, 16, 20)
    assert torch.equal(loaded.eval()(*tracks), model(*tracks))
    assert torch.allclose(loaded.fold()(*tracks), model(*tracks), atol=1e-6)


def test_it_is_loaded_from_bytes_as_from_a_file(path: Path) -> None:
    checkpoint(path)
    assert load_cascade(path.read_bytes()).shape == load_cascade(path).shape == TINY_SHAPE


def test_a_file_has_the_documented_shape(path: Path) -> None:
    checkpoint(path, CascadeShape(encoding_dim=16, heads=2, layers=1, stages=3, dropout=0.2))
    saved = torch.load(path, weights_only=True)
    assert saved.keys() == {"model_state_dict", "args", "epoch", "val_loss"}
    assert saved["args"] == {
        "encoding_dim": 16, "nhead": 2, "num_layers": 1, "num_transformer_layers": 3, "dropout": 0.2,
    }  # fmt: skip
    assert read_checkpoint(path)["epoch"] == 3


def test_a_loaded_model_can_be_trained_on_and_saved_again(path: Path) -> None:
    model = load_cascade(checkpoint(path)).train()
    model(*torch.randn(2, 1, 16, 10)).square().mean().backward()
    assert all(parameter.grad is not None for parameter in model.parameters())
    save_cascade(path, model)
    assert load_cascade(path).shape == TINY_SHAPE


def test_a_folded_model_is_not_saved_and_what_was_there_stays(path: Path) -> None:
    checkpoint(path)
    before = path.read_bytes()
    with pytest.raises(ValueError, match="folded"):
        save_cascade(path, cascade().fold())
    assert path.read_bytes() == before


def test_a_file_that_cannot_be_written_leaves_the_one_before(path: Path) -> None:
    checkpoint(path)
    before = path.read_bytes()
    with pytest.raises(Exception, match="pickle"):
        save_cascade(path, cascade(), more=lambda: None)
    assert path.read_bytes() == before
    assert list(path.parent.iterdir()) == [path]


# The tensors tell the shape


def test_the_stages_that_are_there_count_and_not_what_the_arguments_say(path: Path) -> None:
    args = {"encoding_dim": 99, "nhead": 2, "num_layers": 12, "num_transformer_layers": 3, "dropout": 0.1}
    assert load_cascade(save(path, state(), args)).shape == TINY_SHAPE


@pytest.mark.parametrize("args", [{}, "no dictionary"])
def test_without_arguments_the_known_defaults_hold(path: Path, args: Any) -> None:
    shape = replace(TINY_SHAPE, heads=8)
    assert load_cascade(save(path, state(shape), args)).shape == shape


def test_half_precision_is_taken_and_computed_with_in_float32(path: Path) -> None:
    model = load_cascade(save(path, {name: values.half() for name, values in state().items()}))
    assert {values.dtype for values in model.state_dict().values()} == {torch.float32}


@pytest.mark.parametrize(
    "args", [{"nhead": 3}, {"nhead": 0}, {"nhead": "eight"}, {"dropout": 2, "nhead": 2}, {"dropout": None, "nhead": 2}]
)
def test_arguments_that_cannot_be_are_named(path: Path, args: dict[str, Any]) -> None:
    told = refusal(save(path, state(), args))
    assert "nhead" in told or "dropout" in told


# What does not fit


def test_tensors_that_are_too_many_or_too_few_are_named(path: Path) -> None:
    values = state()
    del values["cascade_stages.1.post_norm.bias"]
    values["creative_agent.weight"] = torch.zeros(3)
    told = refusal(save(path, values))
    assert str(path) in told
    assert "missing: cascade_stages.1.post_norm.bias; unexpected: creative_agent.weight" in told


def test_another_shape_is_told_with_the_one_that_is_needed(path: Path) -> None:
    values = state()
    values["cascade_stages.0.input_norm.weight"] = torch.zeros(16)
    assert "cascade_stages.0.input_norm.weight is [16], [32] is needed" in refusal(save(path, values))


def test_of_many_differences_five_are_named_and_the_others_counted(path: Path) -> None:
    values = state() | {f"creative_agent.{index}": torch.zeros(1) for index in range(12)}
    told = refusal(save(path, values))
    assert "creative_agent.4 and 7 more" in told
    assert "creative_agent.5" not in told


def test_a_model_for_another_codec_is_refused(path: Path) -> None:
    told = refusal(checkpoint(path), dimension=128)
    assert "encoding_dim is 16" in told
    assert "128" in told


def test_what_a_trainer_keeps_beside_the_model_does_not_matter(path: Path) -> None:
    torch.save({"model_state_dict": state(), "args": {"nhead": 2}, "discriminator": {"a": torch.zeros(2)}}, path)
    assert load_cascade(path).shape == TINY_SHAPE


@pytest.mark.parametrize("values", [None, 3, {}, {"a": 3}, {3: torch.zeros(1)}])
def test_without_tensors_by_their_names_it_is_no_checkpoint(path: Path, values: Any) -> None:
    refusal(save(path, values))


def test_a_file_without_a_model_tells_what_it_has(path: Path) -> None:
    torch.save({"state": {}, "epoch": 3}, path)
    assert "no model_state_dict" in refusal(path)
    assert "epoch, state" in refusal(path)
    torch.save([1, 2], path)
    assert "a list" in refusal(path)


def test_whole_numbers_are_no_weights(path: Path) -> None:
    values = {name: values.long() for name, values in state().items()}
    assert "torch.int64" in refusal(save(path, values))


@pytest.mark.parametrize("number", [float("nan"), float("inf")])
def test_weights_that_are_no_numbers_are_named(path: Path, number: float) -> None:
    values = state()
    values["cascade_stages.0.output_proj.bias"][3] = number
    told = refusal(save(path, values), EngineUnavailable)
    assert "cascade_stages.0.output_proj.bias" in told
    assert "put a whole copy in its place" in told


# What a file may hold otherwise


class Trap:
    """Makes a file when it is unpickled."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> Any:
        return os.mkdir, (str(self.path),)


@pytest.mark.parametrize("place", ["model_state_dict", "args", "anything"])
def test_code_in_a_checkpoint_is_refused_and_not_run(path: Path, tmp_path: Path, place: str) -> None:
    sprung = tmp_path / "sprung"
    torch.save({"model_state_dict": state(), "args": {}} | {place: Trap(sprung)}, path)
    for source in (path, path.read_bytes()):
        told = refusal(source, EngineUnavailable)
        assert "mkdir" in told
        assert "might run code: put one in its place" in told
    assert not sprung.exists()
    with path.open("rb") as file:
        torch.load(file, weights_only=False)
    assert sprung.exists()  # it was a trap indeed


def test_a_plain_pickle_is_refused_and_not_run(path: Path, tmp_path: Path) -> None:
    path.write_bytes(pickle.dumps(Trap(tmp_path / "sprung"), protocol=2))
    refusal(path, EngineUnavailable)
    assert not (tmp_path / "sprung").exists()


@pytest.mark.parametrize("content", [b"", b"hello, world\n" * 99, b"PK\x03\x04" + bytes(999), b"RIFF" + bytes(99)])
def test_what_is_no_file_of_torchs_is_told_as_such(path: Path, content: bytes) -> None:
    path.write_bytes(content)
    assert str(path) in refusal(path, EngineUnavailable)
    told = refusal(content, EngineUnavailable)
    assert "the checkpoint" in told
    assert "in its place" in told


@pytest.mark.parametrize("share", [0.1, 0.5, 0.99])
def test_a_truncated_file_is_refused(path: Path, share: float) -> None:
    content = checkpoint(path).read_bytes()
    path.write_bytes(content[: int(share * len(content))])
    refusal(path, EngineUnavailable)


def test_a_file_that_is_not_there_is_told(path: Path) -> None:
    assert str(path) in refusal(path, EngineUnavailable)


def test_loading_draws_no_random_numbers(path: Path) -> None:
    checkpoint(path)
    torch.manual_seed(5)
    load_cascade(path)
    drawn = torch.rand(1)
    torch.manual_seed(5)
    assert torch.equal(drawn, torch.rand(1))


def test_what_takes_the_place_of_a_checkpoint_is_on_the_disk_before(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = checkpoint(tmp_path / "best_model.pt")
    first = path.read_bytes()
    synced: list[tuple[int, bool]] = []
    monkeypatch.setattr(
        os, "fsync", lambda number: synced.append((os.fstat(number).st_size, path.read_bytes() == first))
    )
    checkpoint(path, seed=1)
    assert path.read_bytes() != first
    assert synced == [(path.stat().st_size, True)]


class FullDisk(io.BytesIO):
    def __init__(self, capacity_bytes: int) -> None:
        super().__init__()
        self._left = capacity_bytes

    def write(self, content: Any) -> int:
        self._left -= len(content)
        if self._left < 0:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        return super().write(content)


@pytest.mark.parametrize("capacity_bytes", [0, 2_000, 20_000])
def test_a_full_disk_is_told_as_one_and_what_was_there_stays(
    path: Path, monkeypatch: pytest.MonkeyPatch, capacity_bytes: int
) -> None:
    first = checkpoint(path).read_bytes()

    @contextmanager
    def full(target: Path) -> Iterator[IO[bytes]]:
        with replacing(target):
            yield FullDisk(capacity_bytes)

    monkeypatch.setattr("core.engines.encodec.checkpoint.replacing", full)
    with pytest.raises(OSError, match="No space left on device") as told:
        checkpoint(path, seed=1)
    assert told.value.filename == str(path)
    assert path.read_bytes() == first
    assert list(path.parent.iterdir()) == [path]


def test_everybody_may_read_a_checkpoint(tmp_path: Path) -> None:
    assert checkpoint(tmp_path / "best_model.pt").stat().st_mode & 0o777 == 0o644
