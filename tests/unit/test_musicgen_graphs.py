"""Steps go on where they cannot be recorded; recording itself takes a GPU."""

from __future__ import annotations

from collections.abc import Sequence
from types import SimpleNamespace
from typing import Any
from unittest.mock import Mock

import pytest
import torch

from core.engines.musicgen.graphs import ReplayedSteps


def sums(feeds: Sequence[Any]) -> torch.Tensor:
    return torch.stack([feed.inputs.sum() for feed in feeds])


def feed(positions: int) -> Any:
    return SimpleNamespace(cache=object(), inputs=torch.ones(2, positions, 4))


def test_where_a_step_cannot_be_recorded_it_is_computed_and_recording_is_not_tried_again(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    record = Mock(side_effect=RuntimeError("CUDA error: operation not permitted when stream is capturing"))
    monkeypatch.setattr(ReplayedSteps, "_record", record)
    steps = ReplayedSteps(sums)
    assert [steps([feed(1)]).tolist(), steps([feed(1), feed(1)]).tolist()] == [[8.0], [8.0, 8.0]]
    assert record.call_count == 1


def test_a_prompt_is_never_recorded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ReplayedSteps, "_record", Mock(side_effect=AssertionError))
    assert ReplayedSteps(sums)([feed(3)]).tolist() == [24.0]


def test_memory_that_runs_out_while_a_step_is_recorded_is_the_batchs_to_handle(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ReplayedSteps, "_record", Mock(side_effect=torch.OutOfMemoryError("CUDA out of memory")))
    with pytest.raises(torch.OutOfMemoryError):
        ReplayedSteps(sums)([feed(1)])
