"""Rows drawn together: the same codes as alone, whoever joins, leaves, fails or waits."""

from __future__ import annotations

import itertools
import threading
from collections.abc import Iterator, Sequence
from dataclasses import replace
from functools import cached_property
from typing import Any
from unittest.mock import Mock

import numpy as np
import pytest
import torch
from torch import Tensor

from core.engines.musicgen.batching import Batcher, Pieces, Run
from core.engines.musicgen.decoder import Decoder, Feed
from core.engines.musicgen.model import Conditioning, CrossAttention, LanguageModel, Layer, Norm
from core.engines.musicgen.rows import Drawing, Row
from core.engines.musicgen.sampling import Sampling, guided
from core.errors import EngineFailed, NotFinite

K, V, C, DELAYS = 4, 64, 32, (0, 1, 2, 3)
PLENTY = 10**9


def language_model(cross: bool = True, layers: int = 2, width: int = C) -> LanguageModel:
    generator = torch.Generator().manual_seed(1)

    def weight(*shape: int) -> Tensor:
        return torch.randn(*shape, generator=generator) / shape[-1] ** 0.5

    def norm() -> Norm:
        return Norm(1 + 0.1 * weight(width), 0.1 * weight(width))

    def layer() -> Layer:
        square, wide = (width, width), (4 * width, width)
        attention = (
            CrossAttention(norm(), weight(*square), weight(2 * width, width), weight(*square)) if cross else None
        )
        weights = weight(3 * width, width), weight(*square), attention, norm(), weight(*wide), weight(*wide[::-1])
        return Layer(norm(), *weights)

    return LanguageModel(
        tuple(weight(V + 1, width) for _ in range(K)), tuple(layer() for _ in range(layers)), norm(),
        tuple(3 * weight(V, width) for _ in range(K)), 4, DELAYS,
    )  # fmt: skip


@pytest.fixture(autouse=True)
def one_thread() -> Iterator[None]:
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.fixture(scope="module")
def decoder() -> Decoder:
    return Decoder(language_model())


class Turnstile:
    """Lets the batcher make the steps that a test allows, and notes how many rows each had."""

    def __init__(self) -> None:
        self.rows: list[int] = []
        self._arrived, self._allowed = threading.Semaphore(0), threading.Semaphore(0)

    def __call__(self, rows: int) -> None:
        self._arrived.release()
        assert self._allowed.acquire(timeout=60)
        self.rows.append(rows)

    def allow(self, steps: int = 10**6) -> None:
        self._allowed.release(steps)

    def wait(self, steps: int = 1) -> None:
        """Until the batcher stands before that many further steps, having made those before."""
        for _ in range(steps):
            assert self._arrived.acquire(timeout=60)


class Watched(Batcher):
    """A batcher that says when it was handed rows."""

    def submit(self, rows: Sequence[Drawing]) -> None:
        super().submit(rows)
        if rows:
            self.submitted.release()

    @cached_property
    def submitted(self) -> threading.Semaphore:
        return threading.Semaphore(0)


class Caller(threading.Thread):
    """Somebody else, who has rows of their own drawn."""

    def __init__(self, batcher: Watched, *rows: Row, most_steps: int = 10**6) -> None:
        super().__init__()
        self.steps: list[Pieces] = []
        self.error: EngineFailed | None = None
        self._batcher, self._rows, self._most_steps = batcher, rows, most_steps
        self.start()
        assert batcher.submitted.acquire(timeout=60)

    def run(self) -> None:
        with self._batcher.run() as run:
            for each in self._rows:
                run.add(each)
            try:
                self.steps.extend(itertools.islice(run, self._most_steps))
            except EngineFailed as error:
                self.error = error

    def codes(self) -> list[list[list[int]]]:
        self.join()
        return list(joined([piece for pieces in self.steps for piece in pieces]).values())


def text(seed: int, length: int, width: int = C) -> Conditioning:
    return Conditioning(cross=torch.randn(length, width, generator=torch.Generator().manual_seed(seed)))


def row(seed: int, frames: int = 12, prompt_frames: int = 0, scale: float = 3.0, width: int = C) -> Row:
    """A row of its own text, as long as its seed says."""
    prompt = np.random.default_rng(seed).integers(0, V, (K, prompt_frames))
    sampling = Sampling(top_k=20, guidance_scale=scale)
    null = Conditioning(cross=torch.zeros(1, width))
    return Row(text(seed, 2 + seed % 5, width), null, prompt, frames, sampling, torch.Generator().manual_seed(seed))


def joined(pieces: Pieces) -> dict[int, list[list[int]]]:
    indices = dict.fromkeys(index for index, _ in pieces)
    return {
        each: np.concatenate([codes for index, codes in pieces if index == each], axis=1).tolist() for each in indices
    }


def finish(run: Run) -> dict[int, list[list[int]]]:
    return joined([piece for pieces in run for piece in pieces])


def drawn(decoder: Decoder, *rows: Row, memory_bytes: int = PLENTY) -> list[list[list[int]]]:
    with Batcher(decoder, memory_bytes).run() as run:
        for each in rows:
            run.add(each)
        codes = finish(run)
    return [codes[index] for index in range(len(rows))]


def alone(decoder: Decoder, *rows: Row) -> list[list[list[int]]]:
    return [drawn(decoder, each)[0] for each in rows]


MIXED = [(3, 12, 0, 3.0), (4, 20, 5, 3.0), (5, 12, 0, 1.0), (6, 9, 8, 2.0), (7, 12, 0, 3.0), (8, 90, 80, 3.0)]


def mixed() -> list[Row]:
    return [row(*arguments) for arguments in MIXED]


def test_rows_of_any_length_prompt_and_guidance_draw_together_what_each_draws_alone(decoder: Decoder) -> None:
    together = drawn(decoder, *mixed())
    assert together == alone(decoder, *mixed())
    assert [len(codes[0]) for codes in together] == [frames - prompt for _, frames, prompt, _ in MIXED]


@pytest.fixture(scope="module", params=["float32", "bfloat16", "int8"])
def wide(request: pytest.FixtureRequest) -> Decoder:
    """Wide enough for sums to be rounded otherwise beside other rows, unless care is taken."""
    return Decoder(language_model(width=1024), request.param)


def test_in_every_precision_a_lane_has_the_same_logits_whoever_is_beside_it(wide: Decoder) -> None:
    steps = torch.randint(0, V, (K, 6), generator=torch.Generator().manual_seed(1))

    def logits(lanes: Sequence[Conditioning], others: int = 0) -> Tensor:
        """Of the first lane, after each step; ``others`` are in caches of their own."""
        with torch.inference_mode():
            caches = [wide.cache(lanes, 6), *(wide.cache([text(seed, 9, 1024)], 6) for seed in range(others))]
            made = []
            for step in wide.embed(steps[None]).split(1, dim=1):
                feeds = [Feed(cache, step.expand(cache.lanes, -1, -1)) for cache in caches]
                made.append(wide.logits(feeds)[0])
                for cache in caches:
                    cache.position += 1
            return torch.stack(made)

    mine = text(3, 7, 1024)
    alone = logits([mine])
    assert torch.equal(alone, logits([mine, text(4, 3, 1024)]))
    assert torch.equal(alone, logits([mine, text(4, 40, 1024)]))
    assert torch.equal(alone, logits([mine], others=7))
    assert torch.equal(alone, logits([mine, *(text(seed, 5, 1024) for seed in range(40))], others=30))


def test_in_every_precision_rows_are_drawn_together_from_the_logits_of_each_alone(
    wide: Decoder, monkeypatch: pytest.MonkeyPatch
) -> None:
    from core.engines.musicgen import batching

    def watched(*arguments: object) -> Tensor:
        logits = guided(*arguments)  # type: ignore[arg-type] # they are passed on as they are
        seen.update(row.numpy().tobytes() for row in logits)
        return logits

    def made(rows: Sequence[Row], breaking: Breaking | None = None) -> set[bytes]:
        seen.clear()
        with Batcher(wide, PLENTY, breaking).run() as run:
            for each in rows:
                run.add(each)
            finish(run)
        return seen.copy()

    def rows() -> list[Row]:
        return [row(*arguments, width=1024) for arguments in MIXED]

    seen: set[bytes] = set()
    monkeypatch.setattr(batching, "guided", watched)
    alone = set().union(*(made([each]) for each in rows()))
    assert made(rows()) == alone
    assert made(rows(), Breaking(MemoryError(), 2, after_steps=13)) == alone


def test_steps_that_keep_their_shapes_draw_the_same(decoder: Decoder) -> None:
    static = Decoder(language_model(), static=True)
    assert drawn(static, *mixed()) == drawn(decoder, *mixed())


def test_a_melody_before_the_sequence_shifts_it_and_changes_nobody_else() -> None:
    decoder = Decoder(language_model(cross=False))

    def led(seed: int, length: int) -> Row:
        prefix = Conditioning(prefix=torch.randn(length, C, generator=torch.Generator().manual_seed(seed)))
        return replace(row(seed), conditioning=prefix, null=Conditioning(prefix=torch.zeros(1, C)))

    rows = lambda: [led(1, 5), led(2, 5), led(3, 100), led(4, 7)]  # noqa: E731 - each with a fresh generator
    together = drawn(decoder, *rows())
    assert together == alone(decoder, *rows())
    assert together[0] != together[1]


def test_a_row_joins_at_the_next_step_and_draws_the_same(decoder: Decoder) -> None:
    turnstile = Turnstile()
    batcher = Watched(decoder, PLENTY, turnstile)
    first = Caller(batcher, row(3, frames=30))
    turnstile.allow(5)
    turnstile.wait(6)
    second = Caller(batcher, row(4))
    turnstile.allow()
    assert first.codes() + second.codes() == alone(decoder, row(3, frames=30), row(4))
    assert turnstile.rows == [1] * 6 + [2] * 15 + [1] * 12


def test_rows_may_be_added_while_others_are_iterated_over(decoder: Decoder) -> None:
    with Batcher(decoder, PLENTY).run() as run:
        assert run.add(row(3)) == 0
        pieces: Pieces = []
        for step in run:
            pieces += step
            if len(pieces) == 1:
                assert run.add(row(4)) == 1
    assert list(joined(pieces).values()) == alone(decoder, row(3), row(4))


def test_frames_come_as_soon_as_all_their_codebooks_are_there(decoder: Decoder) -> None:
    with Batcher(decoder, PLENTY).run() as run:
        run.add(row(3, frames=5))
        counts = [sum(codes.shape[1] for _, codes in pieces) for pieces in run]
    assert counts == [0] * max(DELAYS) + [1] * 5


def test_a_long_prompt_is_read_in_parts_while_others_go_on(decoder: Decoder) -> None:
    batcher = Batcher(decoder, PLENTY)
    with batcher.run() as run:
        run.add(row(3, frames=30))
        run.add(row(4, frames=210, prompt_frames=200))
        steps = list(run)
    first = next(number for number, pieces in enumerate(steps) if any(index == 1 for index, _ in pieces))
    earlier = [piece for pieces in steps[:first] for piece in pieces]
    assert first >= 200 * 2 / 64
    assert len(earlier) >= 5
    assert list(joined([piece for pieces in steps for piece in pieces]).values()) == alone(
        decoder, row(3, frames=30), row(4, frames=210, prompt_frames=200)
    )


def test_rows_beyond_the_memory_wait_their_turn_first_come_first_served(decoder: Decoder) -> None:
    turnstile = Turnstile()
    turnstile.allow()
    batcher = Batcher(decoder, 4 * decoder.cache_bytes(1, 12 + 4), turnstile)
    with batcher.run() as run:
        for seed in range(5):
            run.add(row(seed))
        pieces = [piece for step in run for piece in step]
    assert list(joined(pieces)) == [0, 1, 2, 3, 4]
    assert list(joined(pieces).values()) == alone(decoder, *(row(seed) for seed in range(5)))
    assert turnstile.rows == [2] * 30 + [1] * 15


def test_a_run_that_waits_is_told_of_the_steps_of_others(decoder: Decoder) -> None:
    turnstile = Turnstile()
    batcher = Watched(decoder, 1, turnstile)
    first = Caller(batcher, row(3, frames=40))
    turnstile.wait()
    second = Caller(batcher, row(4, frames=10))
    turnstile.allow()
    assert first.codes() + second.codes() == alone(decoder, row(3, frames=40), row(4, frames=10))
    assert turnstile.rows == [1] * (43 + 13)
    assert len(second.steps) == 43 + 13


def test_a_row_that_takes_more_than_the_memory_is_drawn_alone(decoder: Decoder) -> None:
    assert drawn(decoder, row(3), row(4), memory_bytes=1) == alone(decoder, row(3), row(4))


def test_a_run_that_is_closed_leaves_at_the_next_step_and_disturbs_nobody(decoder: Decoder) -> None:
    turnstile = Turnstile()
    batcher = Watched(decoder, PLENTY, turnstile)
    staying = Caller(batcher, row(3, frames=40))
    turnstile.wait()
    leaving = Caller(batcher, row(4, frames=1000), most_steps=10)
    turnstile.allow(12)
    leaving.join()
    turnstile.allow()
    assert staying.codes() == alone(decoder, row(3, frames=40))
    assert turnstile.rows[:2] + turnstile.rows[-30:] == [1, 2] + [1] * 30


# Failures


class Breaking:
    """Raises what a test wants while more rows take part than it allows."""

    def __init__(self, error: Exception, most_rows: int, after_steps: int = 0) -> None:
        self.rows: list[int] = []
        self._error, self._most_rows, self._after_steps = error, most_rows, after_steps

    def __call__(self, rows: int) -> None:
        self.rows.append(rows)
        if rows > self._most_rows and len(self.rows) > self._after_steps:
            raise self._error


OUT_OF_MEMORY = [
    torch.OutOfMemoryError("CUDA out of memory"),
    MemoryError(),
    RuntimeError("[enforce fail at alloc_cpu.cpp:117] DefaultCPUAllocator: can't allocate memory"),
]


@pytest.mark.parametrize("error", OUT_OF_MEMORY)
@pytest.mark.parametrize("after_steps", [0, 9])
def test_out_of_memory_halves_the_rows_and_changes_no_code(
    decoder: Decoder, error: Exception, after_steps: int
) -> None:
    breaking = Breaking(error, 2, after_steps)
    with Batcher(decoder, PLENTY, breaking).run() as run:
        for seed in range(5):
            run.add(row(seed))
        codes = finish(run)
    assert [codes[index] for index in range(5)] == alone(decoder, *(row(seed) for seed in range(5)))
    assert breaking.rows[: after_steps + 3] == [5] * (after_steps + 1) + [3, 2]


def test_the_draw_is_the_same_when_a_step_runs_out_of_memory_after_it(
    decoder: Decoder, monkeypatch: pytest.MonkeyPatch
) -> None:
    from core.engines.musicgen import batching

    calls: list[int] = []

    def draw(*arguments: object) -> Tensor:
        drawn = original(*arguments)  # type: ignore[arg-type] # they are passed on as they are
        calls.append(len(drawn))
        if len(calls) == 4:
            raise MemoryError
        return drawn

    original = batching.draw
    monkeypatch.setattr(batching, "draw", draw)
    together = drawn(decoder, row(3), row(4))
    monkeypatch.undo()
    assert together == alone(decoder, row(3), row(4))
    assert calls[:6] == [2, 2, 2, 2, 1, 1]


def test_more_rows_are_drawn_at_once_again_when_the_batch_was_empty(decoder: Decoder) -> None:
    breaking = Breaking(MemoryError(), 2)
    batcher = Batcher(decoder, PLENTY, breaking)
    with batcher.run() as run:
        for seed in range(3):
            run.add(row(seed))
        finish(run)
        for seed in range(3):
            run.add(row(seed))
        finish(run)
    assert breaking.rows.count(3) == 2


def test_a_single_row_that_finds_no_memory_fails_and_the_next_is_drawn(decoder: Decoder) -> None:
    breaking = Breaking(MemoryError(), 0)
    batcher = Batcher(decoder, PLENTY, breaking)
    with batcher.run() as run:
        run.add(row(3))
        with pytest.raises(EngineFailed, match="memory"):
            finish(run)
    assert breaking.rows == [1]


@pytest.mark.parametrize("most_lanes", [2, 4])
def test_rows_that_find_no_memory_for_their_cache_wait_for_others_to_leave(
    decoder: Decoder, monkeypatch: pytest.MonkeyPatch, most_lanes: int
) -> None:
    make = decoder.cache

    def cache(conditionings: Sequence[Conditioning], length: int) -> Any:
        if len(conditionings) > most_lanes:
            raise MemoryError
        return make(conditionings, length)

    expected = alone(decoder, *(row(seed) for seed in range(5)))
    monkeypatch.setattr(decoder, "cache", cache)
    assert drawn(decoder, *(row(seed) for seed in range(5))) == expected


def test_a_row_that_finds_no_memory_for_its_cache_fails_and_the_next_is_drawn(
    decoder: Decoder, monkeypatch: pytest.MonkeyPatch
) -> None:
    batcher = Batcher(decoder, PLENTY)
    with monkeypatch.context() as patch, batcher.run() as run:
        patch.setattr(decoder, "cache", Mock(side_effect=MemoryError))
        run.add(row(3))
        with pytest.raises(EngineFailed, match="memory"):
            finish(run)
    with batcher.run() as run:
        run.add(row(3))
        assert [finish(run)[0]] == alone(decoder, row(3))


def test_a_row_whose_logits_are_not_finite_fails_alone(decoder: Decoder) -> None:
    turnstile = Turnstile()
    batcher = Watched(decoder, PLENTY, turnstile)
    broken = replace(row(4), conditioning=Conditioning(cross=torch.full((3, C), torch.nan)))
    good = Caller(batcher, row(3))
    turnstile.wait()
    bad = Caller(batcher, broken)
    turnstile.allow()
    assert good.codes() == alone(decoder, row(3))
    bad.join()
    assert isinstance(bad.error, NotFinite)
    assert turnstile.rows[:3] == [1, 2, 1]


def test_a_step_that_breaks_fails_its_rows_and_the_next_run_is_served(decoder: Decoder) -> None:
    breaking = Breaking(ValueError("no such kernel"), 1)
    batcher = Batcher(decoder, PLENTY, breaking)
    with batcher.run() as run:
        run.add(row(3))
        run.add(row(4))
        with pytest.raises(EngineFailed, match="no such kernel"):
            finish(run)
    with batcher.run() as run:
        run.add(row(3))
        assert [finish(run)[0]] == alone(decoder, row(3))


def test_closing_the_batcher_fails_what_is_left_and_refuses_more(decoder: Decoder) -> None:
    turnstile = Turnstile()
    batcher = Watched(decoder, PLENTY, turnstile)
    caller = Caller(batcher, row(3, frames=1000))
    turnstile.wait()
    closing = threading.Thread(target=batcher.close)
    closing.start()
    while closing.is_alive():
        turnstile.allow(1)
        closing.join(0.01)
    caller.join()
    assert "unloaded" in str(caller.error)
    with batcher.run() as late:
        late.add(row(3))
        with pytest.raises(EngineFailed, match="unloaded"):
            finish(late)


def test_the_thread_ends_with_the_last_row(decoder: Decoder) -> None:
    def threads() -> list[threading.Thread]:
        return [thread for thread in threading.enumerate() if thread.name == "musicgen-batch"]

    batcher = Batcher(decoder, PLENTY)
    with batcher.run() as run:
        run.add(row(3))
        steps = iter(run)
        next(steps)
        working = threads()
        list(steps)
    assert working
    assert all(thread.daemon for thread in working)
    for thread in working:
        thread.join(timeout=60)
    assert not threads()
