import tracemalloc
from pathlib import Path

import numpy as np
import pytest
import torch

from tests.unit.training_runs import DIMENSION, track, tracks
from training.errors import TrainingError
from training.examples import Examples, epoch_order, split
from training.latents import Track
from training.loss import COPY, LatentLoss
from training.schedule import learning_rate

NAMES = [f"track {number}" for number in range(40)]


def some_tracks(count: int) -> list[Track]:
    return [Track(f"{number:064x}", Path(f"{number}.npy"), 100) for number in range(count)]


@pytest.mark.parametrize("count", [2, 3, 10, 100])
@pytest.mark.parametrize("share", [0.01, 0.3, 0.99])
def test_every_track_is_in_one_of_two_sets_and_none_of_these_is_empty(count: int, share: float) -> None:
    there = some_tracks(count)
    training, validation = split(there, share, seed=0)
    assert training
    assert validation
    assert sorted(track.digest for track in training + validation) == [track.digest for track in there]


def test_the_share_is_about_what_was_asked_for() -> None:
    assert 60 <= len(split(some_tracks(300), 0.25, seed=0)[1]) <= 90


def test_a_split_depends_on_the_seed_and_not_on_the_order_of_the_files() -> None:
    there = some_tracks(50)
    assert split(there, 0.2, seed=1) == split(there[::-1], 0.2, seed=1)
    assert split(there, 0.2, seed=1) != split(there, 0.2, seed=2)


def test_a_track_that_is_added_moves_no_other() -> None:
    there = some_tracks(60)
    before, after = split(there[:50], 0.3, seed=0), split(there, 0.3, seed=0)
    assert all(set(old) < set(new) for old, new in zip(before, after, strict=True))


@pytest.mark.parametrize(("count", "left"), [(0, "nothing is"), (1, "one track is")])
def test_one_track_cannot_be_split(count: int, left: str) -> None:
    with pytest.raises(TrainingError, match=f"{left} left of the music, and two tracks are needed"):
        split(some_tracks(count), 0.1, seed=0)


def test_the_target_is_what_lies_between_the_two_tracks(tmp_path: Path) -> None:
    there = track(tmp_path, "a", frames=47)
    examples = Examples([there], segment_frames=10, stride_frames=5)
    assert len(examples) == 4  # from 0, 5, 10 and 15: from 20 on, three segments do not fit

    track1, track2, between = examples.batch([0, 3])
    latents = torch.from_numpy(np.load(there.latents).astype(np.float32)).T
    assert track1.shape == track2.shape == between.shape == (2, DIMENSION, 10)
    for item, start in enumerate((0, 15)):
        assert torch.equal(track1[item], latents[:, start : start + 10])
        assert torch.equal(between[item], latents[:, start + 10 : start + 20])
        assert torch.equal(track2[item], latents[:, start + 20 : start + 30])


def test_of_a_swapped_example_the_tracks_change_places_and_the_target_stays(tmp_path: Path) -> None:
    examples = Examples(tracks(tmp_path, ["a", "b"]), 10, 10)
    plain, swapped = examples.batch([1, 5]), examples.batch([1, 5], [False, True])
    assert all(torch.equal(one[0], other[0]) for one, other in zip(plain, swapped, strict=True))
    assert torch.equal(plain[0][1], swapped[1][1])
    assert torch.equal(plain[1][1], swapped[0][1])
    assert torch.equal(plain[2][1], swapped[2][1])


def test_no_example_reaches_from_one_track_into_the_next(tmp_path: Path) -> None:
    assert len(Examples(tracks(tmp_path, ["a", "b"], frames=29), 10, 1)) == 0
    assert len(Examples(tracks(tmp_path, ["a", "b"], frames=30), 10, 1)) == 2


def test_an_epoch_has_every_example_once_in_an_order_of_its_own() -> None:
    order, swapped = epoch_order(200, seed=1, epoch=4)
    assert sorted(order) == list(range(200))
    assert order != sorted(order)
    assert 70 < sum(swapped) < 130
    assert (order, swapped) == epoch_order(200, seed=1, epoch=4)
    assert order != epoch_order(200, seed=1, epoch=5)[0]
    assert order != epoch_order(200, seed=2, epoch=4)[0]


def test_the_loss_is_the_distance_and_the_difference_in_movement(tmp_path: Path) -> None:
    loss = LatentLoss(tracks(tmp_path, NAMES[:3]))
    draw = np.random.default_rng(0)
    made, target = (draw.standard_normal((2, DIMENSION, 50)).astype(np.float32) * scale for scale in (1, 3))
    distance = np.mean((made - target) ** 2)
    movement = np.mean((made.std(axis=2) - target.std(axis=2)) ** 2)
    expected = (distance + movement) / loss.variance
    assert float(loss(torch.from_numpy(made), torch.from_numpy(target))) == pytest.approx(expected, rel=1e-4)
    assert float(loss(torch.from_numpy(target), torch.from_numpy(target))) == 0


def test_the_length_of_a_track_costs_the_loss_no_memory(tmp_path: Path) -> None:
    (long,) = tracks(tmp_path, ["long"], frames=200_000)
    tracemalloc.start()
    try:
        loss = LatentLoss([long])
        _, peak_bytes = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    latents = long.open().astype(np.float64)
    assert loss.mean == pytest.approx(latents.mean(axis=0), rel=1e-6)
    assert loss.variance == pytest.approx(latents.var(axis=0).mean(), rel=1e-9)
    assert peak_bytes < latents.nbytes / 10


def test_what_does_not_move_has_a_finite_gradient(tmp_path: Path) -> None:
    made = torch.zeros(1, DIMENSION, 20, requires_grad=True)
    LatentLoss(tracks(tmp_path, NAMES[:3]))(made, torch.ones(1, DIMENSION, 20)).backward()
    assert made.grad is not None
    assert made.grad.isfinite().all()


def test_guesses_among_unrelated_latents_cost_what_probability_says(tmp_path: Path) -> None:
    noise = np.random.default_rng(0).standard_normal((30_000, DIMENSION)) * 3 + 5
    np.save(tmp_path / "noise.npy", noise.astype(np.float16))
    there = [Track("0", tmp_path / "noise.npy", len(noise))]
    loss = LatentLoss(there)
    assert loss.variance == pytest.approx(9, rel=0.03)
    assert loss.mean == pytest.approx(5, abs=0.1)
    baselines = loss.baselines([Examples(there, 10_000, 1).batch([0])])
    assert baselines == pytest.approx(
        {COPY: 2, "the mean of both tracks": 1.5 + (1 - 0.5**0.5) ** 2, "the mean of all music": 2}, rel=0.03
    )


def test_baselines_do_not_depend_on_the_batches(tmp_path: Path) -> None:
    there = tracks(tmp_path, ["a", "b", "c"])
    examples, loss = Examples(there, 10, 7), LatentLoss(there)
    whole = loss.baselines([examples.batch(range(len(examples)))])
    assert loss.baselines(examples.batch([index]) for index in range(len(examples))) == pytest.approx(whole)


def test_music_that_is_all_silence_has_a_loss_all_the_same(tmp_path: Path) -> None:
    np.save(tmp_path / "silence.npy", np.zeros((40, DIMENSION), np.float16))
    loss = LatentLoss([Track("0", tmp_path / "silence.npy", 40)])
    assert float(loss(torch.zeros(1, DIMENSION, 5), torch.zeros(1, DIMENSION, 5))) == 0


def test_the_learning_rate_rises_evenly_and_falls_as_half_a_cosine() -> None:
    rates = [learning_rate(step, 1000, 100, 0.5) for step in range(1000)]
    assert rates[:100] == pytest.approx(np.linspace(0.005, 0.5, 100))
    assert rates[100] == 0.5
    assert rates[550] == pytest.approx(0.5 * 0.505)
    assert rates[100:] == sorted(rates[100:], reverse=True)
    assert rates[-1] == pytest.approx(0.005, rel=0.01)


def test_a_short_training_warms_up_for_a_tenth_of_it_at_most() -> None:
    assert learning_rate(2, 30, 500, 0.5) == 0.5
    assert learning_rate(0, 1, 500, 0.5) == 0.5
