from contextlib import closing

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from core.audio.blocks import even
from core.engines.morph.alignment import Alignment, paired, regular
from core.engines.morph.endless import endless
from core.ports import Track
from tests.unit.morph_pairs import Audio, beats_at, cut, noise


def aligned(beats1: tuple[float, ...], beats2: tuple[float, ...], seconds: float = 60.0) -> Alignment:
    return Alignment.of(Track(lambda: iter(()), beats1), Track(lambda: iter(()), beats2), seconds)


# Beats


def test_a_missed_beat_is_filled_in() -> None:
    beats = beats_at(120, 10)
    np.testing.assert_allclose(regular((*beats[:7], *beats[9:])), beats)


def test_a_beat_heard_twice_counts_once() -> None:
    beats = beats_at(120, 10)
    np.testing.assert_allclose(regular(tuple(sorted((*beats, 4.01, 9.5)))), beats)


@pytest.mark.parametrize("beats", [(), (3.0,), (0.0, 0.01, 0.02), (0.0, 30.0)])
def test_what_is_no_beat_is_none(beats: tuple[float, ...]) -> None:
    assert len(regular(beats)) == 0


@pytest.mark.parametrize(("tempo1", "tempo2"), [(120, 110), (70, 140), (140, 70), (60, 178), (240, 61), (100, 140)])
def test_the_tempos_of_paired_beats_are_as_near_as_halving_brings_them(tempo1: float, tempo2: float) -> None:
    first, second = paired(np.array(beats_at(tempo1, 60)), np.array(beats_at(tempo2, 60)))
    assert 2**-0.5 <= np.diff(first).mean() / np.diff(second).mean() <= 2**0.5


@pytest.mark.parametrize("stride", [1, 2, 4])
@pytest.mark.parametrize("late_seconds", [0.1, 0.7, 3.3])
def test_the_beats_that_meet_first_are_nearest_in_time(stride: int, late_seconds: float) -> None:
    slow, fast = np.array(beats_at(60, 60)), np.array(beats_at(60 * stride, 60, late_seconds))
    for first, second in (paired(slow, fast), paired(fast, slow)[::-1]):
        assert abs(first[0] - second[0]) <= 0.5 / stride + 1e-9
        assert min(first[0], second[0]) <= late_seconds + 1


# Time


@pytest.mark.parametrize("beats", [((), beats_at(100, 60)), (beats_at(100, 60), ()), (beats_at(100, 60), (2.0,))])
def test_without_beats_in_both_time_runs_as_it_is(beats: tuple[tuple[float, ...], tuple[float, ...]]) -> None:
    for time in aligned(*beats).maps(0.3):
        assert time.identity
        np.testing.assert_allclose(time(np.linspace(-1, 70, 50)), np.linspace(-1, 70, 50), atol=1e-6)


def test_at_either_end_time_is_that_of_the_track_itself() -> None:
    alignment = aligned(beats_at(120, 60, 0.2), beats_at(111, 60, 0.4))
    assert alignment.maps(0.0)[0].identity
    assert not alignment.maps(0.0)[1].identity
    assert alignment.maps(1.0)[1].identity
    assert not alignment.maps(1.0)[0].identity


def test_halfway_the_tempo_lies_between() -> None:
    time1, time2 = aligned(beats_at(120, 60), beats_at(100, 60)).maps(0.5)
    np.testing.assert_allclose(np.diff(time1.bridge), 0.55)
    np.testing.assert_allclose(time1(np.array([5.5])), 5.0)
    np.testing.assert_allclose(time2(np.array([5.5])), 6.0)


def test_the_beats_go_on_together_after_one_track_has_none_left() -> None:
    time1, time2 = aligned(beats_at(120, 60), beats_at(110, 60)).maps(0.0)
    beats = np.arange(0, 60, 0.5)
    np.testing.assert_allclose(time1(beats) / 0.5, np.arange(120))
    np.testing.assert_allclose(time2(beats) * 110 / 60, np.arange(120), atol=1e-6)


def test_before_the_beats_begin_nothing_is_stretched() -> None:
    for time in aligned(beats_at(120, 60, 5.0), beats_at(110, 60, 10.1)).maps(0.5):
        np.testing.assert_allclose(np.diff(time(np.linspace(0, 4, 9))), 0.5)
        assert -0.3 < time(np.array([0.0]))[0] < 0.3


@settings(max_examples=60, deadline=None)
@given(
    beats=st.tuples(*[st.lists(st.floats(0, 30), max_size=40).map(lambda values: tuple(sorted(values)))] * 2),
    crossover=st.floats(0, 1),
)
def test_time_never_runs_backwards_whatever_the_beats(
    beats: tuple[tuple[float, ...], tuple[float, ...]], crossover: float
) -> None:
    alignment = aligned(*beats, 30.0)
    assert 0.1 <= alignment.beat_seconds <= 1.5
    for time in alignment.maps(crossover):
        moments = time(np.linspace(-1, 31, 400))
        assert np.isfinite(moments).all()
        assert (np.diff(moments) >= 0).all()


# What is heard again


def test_whole_bars_are_repeated() -> None:
    repeats = aligned(beats_at(120, 60), beats_at(50, 60)).repeats1
    assert repeats.loop_seconds == pytest.approx(8.0)
    assert repeats.lead_seconds == pytest.approx(0.5)
    slow = aligned(beats_at(24, 60), beats_at(25, 60)).repeats1
    assert slow.loop_seconds == pytest.approx(7.5)
    few = aligned((1.0, 1.6, 2.2), beats_at(100, 60)).repeats1
    assert few.loop_seconds == pytest.approx(1.2)


def first_frames(samples: Audio, frames: int, lead: int, loop: int, fade: int, block_frames: int = 5000) -> Audio:
    with closing(endless(cut(samples, block_frames), lead, loop, fade)) as blocks:
        return next(even(blocks, frames))


def test_a_track_goes_on_with_its_last_bars_again_and_again() -> None:
    samples = noise(2, 50000)
    heard = first_frames(samples, 200000, lead=0, loop=30000, fade=100)
    np.testing.assert_array_equal(heard[:, :49900], samples[:, :49900])
    for start in (50000, 80000, 110000, 140000):
        np.testing.assert_array_equal(heard[:, start : start + 29900], samples[:, 20000:49900])


def test_a_track_that_must_begin_earlier_begins_with_its_first_beat() -> None:
    samples = noise(1, 50000)
    heard = first_frames(samples, 60000, lead=10000, loop=0, fade=100)
    np.testing.assert_array_equal(heard[:, :10000], samples[:, :10000])
    np.testing.assert_array_equal(heard[:, 10100:], samples[:, 100:])


def test_without_a_loop_silence_follows() -> None:
    samples = noise(2, 30000)
    heard = first_frames(samples, 100000, lead=0, loop=0, fade=100)
    np.testing.assert_array_equal(heard[:, :30000], samples)
    assert not heard[:, 30000:].any()


def test_no_seam_clicks() -> None:
    frames = np.arange(44100)
    wave = np.sin(2 * np.pi * 100 * frames / 44100).astype(np.float32)[np.newaxis]
    heard = first_frames(wave, 150000, lead=3000, loop=20000, fade=441)
    assert np.abs(np.diff(heard)).max() < 1.2 * np.abs(np.diff(wave)).max()


@settings(max_examples=80, deadline=None)
@given(
    length=st.integers(1, 400), lead=st.integers(0, 500), loop=st.integers(0, 500), fade=st.integers(0, 50),
    block_frames=st.integers(1, 500),
)  # fmt: skip
def test_a_track_of_any_length_never_ends_and_depends_on_no_cut(
    length: int, lead: int, loop: int, fade: int, block_frames: int
) -> None:
    samples = noise(1, length)
    heard = first_frames(samples, 3000, lead, loop, fade, block_frames)
    assert np.abs(heard).max() <= np.abs(samples).max() * 1.000001
    np.testing.assert_array_equal(heard, first_frames(samples, 3000, lead, loop, fade, length))
    if loop:
        assert heard[:, -length - 1 :].any()
