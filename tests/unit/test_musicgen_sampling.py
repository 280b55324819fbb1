"""Codes are drawn and laid out the way audiocraft does it; ``tests/parity`` compares whole generations."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from core.engines.musicgen.delays import DelayedCodes
from core.engines.musicgen.sampling import Sampling, draw, guided, noise

K, V = 4, 64
NONE = 99


def logits(rows: int, seed: int = 0) -> torch.Tensor:
    return torch.randn(rows, K, V, generator=torch.Generator().manual_seed(seed)) * 3


def noises(*seeds: int) -> list[torch.Tensor | None]:
    return [noise(torch.Generator().manual_seed(seed), K, V) for seed in seeds]


# Drawing


def test_without_limits_a_row_draws_what_torch_multinomial_draws_from_the_same_seed() -> None:
    rows = logits(3)
    drawn = draw(rows, [Sampling(0.7, top_k=0)] * 3, noises(5, 6, 7))
    for row, codes, seed in zip(rows, drawn, (5, 6, 7), strict=True):
        generator = torch.Generator().manual_seed(seed)
        assert torch.equal(codes, torch.multinomial((row / 0.7).softmax(-1), 1, generator=generator)[:, 0])


def test_a_generator_goes_on_from_draw_to_draw() -> None:
    ours, theirs = (torch.Generator().manual_seed(3) for _ in range(2))
    probabilities = logits(1).softmax(-1)
    for _ in range(5):
        drawn = draw(logits(1), [Sampling(top_k=0)], [noise(ours, K, V)])
        assert torch.equal(drawn[0], torch.multinomial(probabilities[0], 1, generator=theirs)[:, 0])


def test_rows_with_different_settings_draw_together_what_each_draws_alone() -> None:
    settings = [Sampling(1.0, 10), Sampling(0.5, 0, 0.8), Sampling(0.0), Sampling(1.0, 10), Sampling(2.0, 0)]
    rows, drawn = logits(5), noises(*range(5))
    together = draw(rows, settings, drawn)
    for index in range(5):
        alone = draw(rows[index : index + 1], settings[index : index + 1], drawn[index : index + 1])
        assert torch.equal(together[index], alone[0])


def test_next_to_no_temperature_takes_the_most_likely_too() -> None:
    logits = torch.tensor([[[1.0, 30.0, 2.0]]])
    assert draw(logits, [Sampling(temperature=1e-39)], [noise(torch.Generator(), 1, 3)]).tolist() == [[1]]


def test_temperature_zero_takes_the_most_likely_and_needs_no_noise() -> None:
    rows = logits(2)
    assert torch.equal(draw(rows, [Sampling(0.0)] * 2, [None, None]), rows.argmax(-1))


@pytest.mark.parametrize("limit", [Sampling(5.0, top_k=3), Sampling(5.0, top_k=0, top_p=0.2)])
def test_only_the_most_likely_are_drawn_from(limit: Sampling) -> None:
    row = logits(1)
    probabilities = (row / limit.temperature).softmax(-1)
    likely = probabilities.sort(-1, descending=True).values
    seen = torch.stack([draw(row, [limit], noises(seed))[0] for seed in range(300)])
    chances = probabilities[0].gather(-1, seen.T)
    if limit.top_p:
        before = (probabilities[0][..., None] * (probabilities[0][..., None] > chances[:, None])).sum(1)
        assert (before <= limit.top_p + 1e-6).all()
    else:
        assert (chances >= likely[0, :, 2:3]).all()
    assert all(len(codes.unique()) > 2 for codes in seen.T)


def test_a_top_k_beyond_the_vocabulary_is_no_limit() -> None:
    row, drawn = logits(1), noises(1)
    assert torch.equal(draw(row, [Sampling(top_k=10 * V)], drawn), draw(row, [Sampling(top_k=0)], drawn))


# Guidance


def test_guidance_leads_from_the_null_condition_past_the_condition() -> None:
    lanes = logits(2)
    led = guided(lanes, [Sampling(guidance_scale=2.5)])
    assert torch.equal(led[0], lanes[1] + (lanes[0] - lanes[1]) * 2.5)


def test_a_row_without_guidance_has_one_lane_and_keeps_its_logits() -> None:
    lanes = logits(5)
    led = guided(lanes, [Sampling(guidance_scale=1), Sampling(guidance_scale=3), Sampling(guidance_scale=2)])
    assert torch.equal(led[0], lanes[0])
    assert torch.equal(led[1], lanes[2] + (lanes[1] - lanes[2]) * 3)
    assert torch.equal(led[2], lanes[4] + (lanes[3] - lanes[4]) * 2)


# The delay pattern


def drawn(step: int, codebooks: int) -> NDArray[np.int64]:
    return 100 * step + np.arange(codebooks)


def test_each_codebook_lags_by_its_delay_and_empty_places_hold_none() -> None:
    codes = DelayedCodes(np.zeros((3, 0), np.int64), 2, (0, 1, 2), NONE)
    while not codes.finished:
        codes.put(drawn(codes.known, 3))
    assert codes.steps(0, codes.count).tolist() == [
        [NONE, 100, 200, NONE, NONE],
        [NONE, NONE, 201, 301, NONE],
        [NONE, NONE, NONE, 302, 402],
    ]
    assert codes.take().tolist() == [[100, 200], [201, 301], [302, 402]]


def test_a_prompt_stays_and_is_not_taken() -> None:
    prompt = np.array([[1, 2, 3], [4, 5, 6]])
    codes = DelayedCodes(prompt, 5, (0, 1), NONE)
    assert codes.known == 4
    assert codes.steps(0, 4).tolist() == [[NONE, 1, 2, 3], [NONE, NONE, 4, 5]]
    codes.put(drawn(4, 2))
    assert codes.steps(4, 5).tolist() == [[400], [6]]


@given(st.integers(1, 12), st.integers(0, 11), st.sampled_from([(0,), (0, 1, 2, 3), (0, 0, 1, 1, 2, 2, 3, 3), (0, 5)]))
def test_a_frame_is_taken_once_and_as_soon_as_its_last_codebook_is_there(
    frames: int, prompt_frames: int, delays: tuple[int, ...]
) -> None:
    prompt_frames = min(prompt_frames, frames - 1)
    prompt = np.zeros((len(delays), prompt_frames), np.int64)
    codes, taken = DelayedCodes(prompt, frames, delays, NONE), []
    while not codes.finished:
        step = codes.known
        codes.put(drawn(step, len(delays)))
        taken.append(codes.take())
        assert prompt_frames + sum(each.shape[1] for each in taken) == max(prompt_frames, step - max(delays))
    whole = np.concatenate(taken, axis=1)
    assert whole.shape == (len(delays), frames - prompt_frames)
    for frame, column in enumerate(whole.T, prompt_frames):
        assert column.tolist() == [
            100 * (1 + frame + delay) + codebook for codebook, delay in enumerate(delays)
        ]  # fmt: skip
