"""A separation is streamed: resumed anywhere, counted in steps, at the mixture's rate and channels."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from core.engines.demucs.windows import SlidingInput
from core.errors import EngineFailed, NotFinite
from core.ports import SeparationSettings
from tests.demucs_models import (
    ONE_HOT,
    SOURCES,
    ArrayMixture,
    engine,
    hybrid,
    hybrid_transformer,
    loaded,
    music,
    noise,
    one_thread,  # noqa: F401 - a fixture that works by being here
    save_bag,
    separated,
)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("models")
    save_bag([hybrid_transformer()], folder / "demucs", "one")
    save_bag([hybrid_transformer(1), hybrid(2)], folder / "demucs", "two")
    save_bag([hybrid_transformer(seed) for seed in range(4)], folder / "demucs", "ft", ONE_HOT)
    save_bag([hybrid(1), hybrid(2)], folder / "demucs", "overlapping", [[1.0, 1, 0, 0], [0, 1, 1, 1]])
    return folder


def load(folder: Path, name: str, **settings: Any) -> Any:
    return loaded(engine(folder), SeparationSettings(name, **settings))


@pytest.mark.parametrize("shifts", [0, 2])
@pytest.mark.parametrize("start", [1, 4799, 4800, 6400, 11111, 19999])
def test_from_any_frame_on_it_is_the_run_from_the_start(folder: Path, shifts: int, start: int) -> None:
    mixture = ArrayMixture(noise(20000))
    separator = load(folder, "two", shifts=shifts)
    resumed, complete = separated(separator, mixture, start), separated(separator, mixture)[..., start:]
    np.testing.assert_allclose(resumed, complete, atol=1e-6)


@pytest.mark.parametrize("name", ["one", "two", "ft"])
@pytest.mark.parametrize("shifts", [0, 3])
@pytest.mark.parametrize("sample_rate", [8000, 11025])
@pytest.mark.parametrize("start", [0, 9500])
def test_as_many_steps_are_made_as_were_announced(
    folder: Path, name: str, shifts: int, sample_rate: int, start: int
) -> None:
    separator = load(folder, name, shifts=shifts, sources=("drums", "vocals"))
    mixture = ArrayMixture(noise(20000), sample_rate)
    steps: list[None] = []
    for _ in separator.separate(mixture, start, lambda: steps.append(None)):
        pass
    assert len(steps) == separator.steps(mixture, start)


def test_steps_are_segments_times_shifts_times_models(folder: Path) -> None:
    mixture = ArrayMixture(noise(4800 * 5))  # five strides of the transformer's, four of the other's (6000)
    assert load(folder, "one").steps(mixture) == 5
    assert load(folder, "two").steps(mixture) == 5 + 4
    assert load(folder, "ft").steps(mixture) == 4 * 5
    assert load(folder, "one").steps(mixture, 4800 * 4 + 1700) == 1


def test_what_step_raises_ends_the_run(folder: Path) -> None:
    def stop() -> None:
        raise KeyboardInterrupt

    blocks = load(folder, "one").separate(ArrayMixture(noise(9000)), 0, stop)
    with pytest.raises(KeyboardInterrupt):
        next(blocks)


def test_models_whose_sources_nobody_wants_are_not_run(folder: Path) -> None:
    mixture = ArrayMixture(noise(9000))
    all_of_them = load(folder, "ft", shifts=2)
    bass = load(folder, "ft", shifts=2, sources=("bass",))
    assert (bass.sources, bass.complete) == (("bass",), False)
    assert bass.steps(mixture) * 3 < all_of_them.steps(mixture)
    np.testing.assert_allclose(separated(bass, mixture)[0], separated(all_of_them, mixture)[1], atol=1e-6)


def test_a_source_is_left_out_if_one_of_its_models_is(folder: Path) -> None:
    separator = load(folder, "overlapping", sources=("drums",))
    assert separator.sources == ("drums",)  # bass needs the second model too
    assert load(folder, "overlapping", sources=("bass",)).complete


@pytest.mark.parametrize("sources", [("drums",), ("theremin",), ()])
def test_a_model_that_makes_all_at_once_yields_all(folder: Path, sources: tuple[str, ...]) -> None:
    separator = load(folder, "one", sources=sources)
    assert (separator.sources, separator.complete) == (tuple(SOURCES), True)


def test_the_seed_draws_the_shifts(folder: Path) -> None:
    mixture = ArrayMixture(noise(9000))
    first, again, other = (separated(load(folder, "one", shifts=1, seed=seed), mixture) for seed in (1, 1, 2))
    np.testing.assert_array_equal(first, again)
    assert np.abs(first - other).max() > 1e-3


def test_a_mono_mixture_gives_the_mean_of_both_channels(folder: Path) -> None:
    mono = ArrayMixture(noise(9000, channels=1))
    stereo = ArrayMixture(np.repeat(mono.samples, 2, axis=0))
    made = separated(load(folder, "one"), mono)
    assert made.shape == (4, 1, 9000)
    np.testing.assert_allclose(made[:, 0], separated(load(folder, "one"), stereo).mean(axis=1), atol=1e-6)


@pytest.mark.parametrize("sample_rate", [8001, 11025, 16000, 44100])
@pytest.mark.parametrize("channels", [1, 2])
def test_another_rate_has_its_exact_length_and_resumes_anywhere(folder: Path, sample_rate: int, channels: int) -> None:
    mixture = ArrayMixture(music(int(3.3 * sample_rate), sample_rate, channels), sample_rate)
    separator = load(folder, "one", shifts=1)
    complete = separated(separator, mixture)
    assert complete.shape == (4, *mixture.samples.shape)
    for start in (1, sample_rate, int(2.5 * sample_rate), mixture.frames - 1):
        np.testing.assert_allclose(separated(separator, mixture, start), complete[..., start:], atol=1e-5)


def test_another_rate_is_not_delayed(folder: Path) -> None:
    at_model_rate = separated(load(folder, "one"), ArrayMixture(music(16000, 8000)))
    at_twice_the_rate = separated(load(folder, "one"), ArrayMixture(music(32000, 16000), 16000))
    likeness = {
        lag: np.vdot(at_twice_the_rate[..., 4000 + lag : 28000 + lag : 2], at_model_rate[..., 2000:14000])
        for lag in range(-4, 5)
    }
    assert max(likeness, key=likeness.__getitem__) == 0


def test_silence_stays_silence(folder: Path) -> None:
    made = separated(load(folder, "two", shifts=1), ArrayMixture(np.zeros((2, 9000), np.float32)))
    assert np.abs(made).max() < 1e-6


def test_samples_that_are_no_numbers_fail_the_job(folder: Path) -> None:
    separator = load(folder, "one")
    for parameter in separator._bag.models[0].parameters():
        torch.nn.init.constant_(parameter, float("nan"))
    with pytest.raises(NotFinite, match="samples that are no numbers, computing in float32"):
        separated(separator, ArrayMixture(noise(9000)))


def test_a_mixture_that_ends_early_fails_the_job(folder: Path) -> None:
    mixture = ArrayMixture(noise(9000))
    mixture.samples = mixture.samples[:, :8000]
    with pytest.raises(EngineFailed, match="the mixture ended at frame 8000 of 9000"):
        mixture.blocks = lambda start=0: iter([mixture.samples[:, start:]])  # type: ignore[method-assign]
        separated(load(folder, "one"), mixture)


def test_only_what_is_still_needed_of_the_mixture_is_held() -> None:
    mixture = ArrayMixture(noise(500_000))
    most = 0
    with SlidingInput(mixture, 0) as frames:
        for start in range(0, 490_000, 5000):
            window = frames.read(start, 10_000)
            np.testing.assert_array_equal(window[:, :100], mixture.samples[:, start : start + 100])
            frames.forget(start + 5000)
            most = max(most, sum(block.shape[1] for block in frames._held))
        assert most < 10_000
        with pytest.raises(ValueError, match="frame 0 was forgotten"):
            frames.read(0, 10)


def test_blocks_come_long_before_the_mixture_was_read(folder: Path) -> None:
    read = []

    class Watched(ArrayMixture):
        def blocks(self, start_frame: int = 0) -> Iterator[Any]:
            for block in super().blocks(start_frame):
                read.append(block.shape[1])
                yield block

    blocks = load(folder, "two", shifts=2).separate(Watched(noise(200_000)), 0, lambda: None)
    next(blocks)
    assert sum(read) < 40_000
    blocks.close()
