import tracemalloc
from collections.abc import Iterator
from contextlib import closing

import numpy as np
import pytest

from core.audio.blocks import closable
from core.engines.morph.engine import MorphBridger, MorphEngine
from core.engines.morph.windows import hop_at
from core.errors import CancelRequested, ModelNotFound, NotFinite
from core.ports import Track
from tests.unit.morph_pairs import (
    SAMPLE_RATE,
    Audio,
    beats_at,
    bridged,
    bursts,
    cut,
    level_db,
    noise,
    pair,
    residual_db,
    tones,
    track,
)

BEATS = (beats_at(120, 3, 0.1), beats_at(105, 3, 0.25))
NO_BEATS: tuple[tuple[float, ...], tuple[float, ...]] = ((), ())
THREE_SECONDS = 3 * SAMPLE_RATE
RATIOS = (0.0, 0.2, 0.5, 0.6, 0.75, 1.0)


def sound(channels: int = 1, frames: int = THREE_SECONDS, seed: int = 0) -> Audio:
    """Something with pitch, strokes and noise in it."""
    seconds = frames / SAMPLE_RATE + 0.01
    mix = tones((220 + 60 * seed, 331, 554), seconds) + bursts(np.arange(0.2, seconds, 0.4).tolist(), seconds)
    return mix[:, :frames] * np.float32(0.5) + noise(channels, frames, seed, peak=0.05)


# What it is


def test_it_has_no_model_but_its_own() -> None:
    engine = MorphEngine()
    for name in (None, "morph"):
        with engine.load(name, lambda: None) as bridger:
            assert (bridger.sample_rate, bridger.weights, bridger.compute, bridger.segment_seconds) == (None,) * 4
    with pytest.raises(ModelNotFound):
        engine.load("cascade", lambda: None)
    assert engine.loaded() == {}


# The ends


@pytest.mark.parametrize("channels", [1, 2])
@pytest.mark.parametrize("beats", [BEATS, NO_BEATS], ids=["beats", "no beats"])
def test_the_ends_are_the_tracks(channels: int, beats: tuple[tuple[float, ...], tuple[float, ...]]) -> None:
    first, second = sound(channels), sound(channels, seed=1)
    at_first, at_second = bridged(first, second, (0, 1), *beats)
    assert residual_db(at_first, first) < -120
    assert residual_db(at_second, second) < -120


@pytest.mark.parametrize("frames", [1, 2, 511, 512, 513, 20000, 32767, 70001])
def test_a_bridge_is_as_long_as_the_tracks_are(frames: int) -> None:
    first, second = sound(2, frames), sound(2, frames, seed=1)
    made = bridged(first, second, RATIOS, *BEATS)
    assert made.shape == (len(RATIOS), 2, frames)
    assert made.dtype == np.float32
    assert np.isfinite(made).all()
    assert residual_db(made[0], first) < -120
    assert residual_db(made[-1], second) < -120


@pytest.mark.parametrize("sample_rate", [8000, 11025, 24000, 48000, 96000, 192000])
def test_it_works_at_any_sample_rate(sample_rate: int) -> None:
    first, second = noise(1, sample_rate, seed=1), noise(1, sample_rate, seed=2)
    made = bridged(first, second, RATIOS, beats_at(120, 1), beats_at(111, 1), sample_rate)
    assert residual_db(made[0], first) < -120
    assert residual_db(made[-1], second) < -120
    assert all(abs(level_db(samples) - level_db(first)) < 1.5 for samples in made)
    assert 0.0099 < hop_at(sample_rate) / sample_rate < 0.0136


def test_next_to_the_ends_it_is_next_to_the_tracks() -> None:
    first, second = sound(), sound(seed=1)
    near_first, near_second = bridged(first, second, (0.001, 0.999))
    assert residual_db(near_first, first) < -40
    assert residual_db(near_second, second) < -40


# What a bridge does not depend on


@pytest.mark.parametrize("block_frames", [997, 5000])
def test_how_the_tracks_are_cut_does_not_matter(block_frames: int) -> None:
    first, second = sound(2), sound(2, seed=1)
    whole = bridged(first, second, RATIOS, *BEATS)
    np.testing.assert_array_equal(whole, bridged(first, second, RATIOS, *BEATS, block_frames=block_frames))


def test_ratios_come_in_the_order_they_were_asked_for_and_do_not_touch_each_other() -> None:
    first, second = sound(2), sound(2, seed=1)
    ratios = (0.75, 0.2, 1.0, 0.5)
    together = bridged(first, second, ratios, *BEATS)
    for ratio, samples in zip(ratios, together, strict=True):
        np.testing.assert_array_equal(samples, bridged(first, second, (ratio,), *BEATS)[0])


def test_two_tracks_that_are_one_stay_what_they_are() -> None:
    same = sound(2)
    for samples in bridged(same, same, RATIOS, BEATS[0], BEATS[0]):
        assert residual_db(samples, same) < -110


# Running


class Watched:
    """A track that knows how often it was opened and closed."""

    def __init__(self, samples: Audio, beats: tuple[float, ...]) -> None:
        self.opened = self.closed = 0
        self._samples = samples
        self.track = Track(self._blocks, beats)

    def _blocks(self) -> Iterator[Audio]:
        self.opened += 1
        try:
            yield from cut(self._samples, 10000)
        finally:
            self.closed += 1


def watched_pair() -> tuple[Watched, Watched]:
    return Watched(noise(1, 5 * THREE_SECONDS, 1), BEATS[0]), Watched(noise(1, 5 * THREE_SECONDS, 2), BEATS[1])


def test_progress_is_told_more_than_once_a_second_and_ends_at_1() -> None:
    shares: list[float] = []
    samples = noise(1, 10 * SAMPLE_RATE)
    bridged(samples, samples, (0.5, 0.75), step=shares.append)
    assert shares == sorted(shares)
    assert shares[-1] == 1
    assert max(np.diff([0, *shares])) < 0.1


def test_what_the_step_raises_ends_the_run_and_closes_the_tracks() -> None:
    def cancelled(share: float) -> None:
        if share > 0.3:
            raise CancelRequested

    watched = watched_pair()
    made = MorphBridger().bridge(
        pair(watched[0].track, watched[1].track, RATIOS, 5 * THREE_SECONDS, 1, SAMPLE_RATE), cancelled
    )
    with pytest.raises(CancelRequested):
        list(made)
    assert all(each.opened == each.closed > 0 for each in watched)


def test_closing_the_iterator_closes_the_tracks() -> None:
    watched = watched_pair()
    made = MorphBridger().bridge(
        pair(watched[0].track, watched[1].track, RATIOS, 5 * THREE_SECONDS, 1, SAMPLE_RATE), lambda share: None
    )
    with closing(closable(made)) as blocks:
        next(blocks)
    assert all(each.opened == each.closed > 0 for each in watched)


def test_an_error_of_a_track_comes_through() -> None:
    def broken() -> Iterator[Audio]:
        yield noise(1, 10000)
        raise OSError("the disk is gone")

    made = MorphBridger().bridge(
        pair(Track(broken), track(noise(1, THREE_SECONDS)), (0.75,), THREE_SECONDS, 1, SAMPLE_RATE), lambda share: None
    )
    with pytest.raises(OSError, match="the disk is gone"):
        list(made)


def peak_memory(seconds: int) -> int:
    """What a run over so long a pair holds at most, at a low rate, where a minute takes little time."""
    sample_rate = 8000
    loop = noise(1, 20 * sample_rate)

    def blocks() -> Iterator[Audio]:
        for _ in range(seconds // 20):
            yield from cut(loop, 4000)

    tracks = Track(blocks, beats_at(120, seconds)), Track(blocks, beats_at(100, seconds))
    tracemalloc.start()
    try:
        for _ in MorphBridger().bridge(pair(*tracks, (0.75,), seconds * sample_rate, 1, sample_rate), lambda _: None):
            pass
        return tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()


def test_memory_does_not_grow_with_the_length() -> None:
    short, long = peak_memory(20), peak_memory(200)
    print(f"{short / 1e6:.2f} MB for 20 s, {long / 1e6:.2f} MB for 200")
    assert long < 1.25 * short


# Sounds that nobody plays


HOSTILE_FRAMES = SAMPLE_RATE
HOSTILE = {
    "silence": np.zeros((1, HOSTILE_FRAMES), np.float32),
    "direct current": np.ones((1, HOSTILE_FRAMES), np.float32),
    "square": np.sign(tones((220,), 1)),
    "clicks": np.where(np.arange(HOSTILE_FRAMES) % 22050 == 99, 1, 0).astype(np.float32)[np.newaxis],
    "noise": noise(1, HOSTILE_FRAMES, peak=1),
    "whisper": tones((440,), 1) * np.float32(1e-5),
    "denormal": np.full((1, HOSTILE_FRAMES), 1e-42, np.float32),
    "shout": noise(1, HOSTILE_FRAMES, peak=1e6),
}


@pytest.mark.parametrize("name1", HOSTILE)
@pytest.mark.parametrize("name2", HOSTILE)
def test_no_bridge_is_much_louder_than_the_louder_track(name1: str, name2: str) -> None:
    first, second = HOSTILE[name1], HOSTILE[name2]
    made = bridged(first, second, (0.5, 0.75), *BEATS)
    assert np.isfinite(made).all()
    assert np.abs(made).max() <= 2.7 * max(np.abs(first).max(), np.abs(second).max())  # 8.5 dB


@pytest.mark.filterwarnings("ignore::RuntimeWarning")  # numpy's own, of what is refused
@pytest.mark.parametrize("value", [np.nan, np.inf, 1e30])
def test_samples_that_are_no_numbers_are_refused(value: float) -> None:
    bad = sound()
    bad[0, 50000] = value
    with pytest.raises(NotFinite):
        bridged(bad, sound(seed=1), (0.5,))


def test_silence_is_not_lifted() -> None:
    faint = noise(1, THREE_SECONDS, peak=1e-5)
    made = bridged(faint, noise(1, THREE_SECONDS, seed=1), (0.5,))
    assert level_db(made) < level_db(faint) + 1


def test_where_track_2_is_silent_the_bridge_is_too() -> None:
    first, second = sound(), sound(seed=1)
    second[:, THREE_SECONDS // 2 :] = 0
    made = bridged(first, second, (0.5,))[0]
    later = slice(THREE_SECONDS // 2 + SAMPLE_RATE // 2, None)
    assert level_db(made[:, later]) < level_db(first[:, later]) - 40
