"""A bridge goes from track 1 through what the model makes to track 2, segment by segment."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
import torch

from core.engines.compute import Compute
from core.engines.encodec.bridger import EncodecBridger
from core.engines.encodec.cascade import CascadeShape
from core.engines.encodec.codec_files import load_codec
from core.engines.encodec.segments import Crossfade, SegmentReader, segment_starts
from core.errors import CancelRequested, EngineFailed, NotFinite
from core.ports import Pair, Track
from tests.demucs_models import one_thread  # noqa: F401 - a fixture that works by being here
from tests.encodec_models import FRAME_LENGTH, cascade, codec_folder, sound

if TYPE_CHECKING:
    from torch import Tensor

    from core.engines.encodec.codec import Codec
    from core.ports import Block, StemBlock

CPU = Compute("cpu", "float32", 0)
SEGMENT_SECONDS = 0.5
ROUNDING = 1e-4
"""Largest difference between rows computed alone and together, where samples reach 3; measured 2e-6."""

ALL = (0.0, 0.2, 0.5, 0.75, 1.0)


def pair(first: Block, second: Block, *ratios: float, fade: float = 0.1, cut: int = 1000) -> Pair:
    channels, frames = first.shape
    return Pair(track(first, cut), track(second, cut), 24000, channels, frames, ratios, fade)


def track(samples: Block, cut: int) -> Track:
    return Track(lambda: (samples[:, start : start + cut] for start in range(0, samples.shape[1], cut)))


def noise(seconds: float, seed: int, channels: int = 1) -> Block:
    made: Block = sound(seconds, seed, channels).numpy()
    return made


def bridged(bridger: EncodecBridger, wanted: Pair, step: Callable[[float], None] = float) -> StemBlock:
    return np.concatenate(list(bridger.bridge(wanted, step)), axis=2)


@pytest.fixture(scope="module")
def codec(tmp_path_factory: pytest.TempPathFactory) -> Codec:
    return load_codec(codec_folder(tmp_path_factory.mktemp("codec")))


@pytest.fixture(scope="module")
def bridger(codec: Codec) -> EncodecBridger:
    return EncodecBridger(codec, cascade().fold(), CPU, "abc", segment_seconds=SEGMENT_SECONDS)


class Lossless:
    """A codec whose latents are the samples themselves, a frame below the other; it counts its rows."""

    sample_rate, frame_length, dimension = 24000, FRAME_LENGTH, FRAME_LENGTH

    def __init__(self) -> None:
        self.encoded: list[int] = []
        self.decoded: list[int] = []

    def encode(self, samples: Tensor) -> Tensor:
        self.encoded.append(len(samples))
        missing = -samples.shape[2] % FRAME_LENGTH
        return torch.nn.functional.pad(samples, (0, missing))[:, 0].unflatten(1, (-1, FRAME_LENGTH)).mT

    def quantise(self, latents: Tensor) -> Tensor:
        return latents

    def decode(self, latents: Tensor) -> Tensor:
        self.decoded.append(len(latents))
        return latents.mT.flatten(1)[:, None]


class Product(torch.nn.Module):
    """In the model's place: a third track that is neither of the two."""

    def __init__(self) -> None:
        super().__init__()
        self.rows: list[int] = []

    def forward(self, first: Tensor, second: Tensor) -> Tensor:
        self.rows.append(len(first))
        return first * second


def plain(codec: Any = None, model: Any = None, most_rows: int = 1) -> EncodecBridger:
    return EncodecBridger(codec or Lossless(), model or Product(), CPU, "abc", most_rows, SEGMENT_SECONDS)


# The way from one track to the other


@pytest.mark.parametrize("seconds", [0.003, 0.31, 0.5, 0.51, 0.9, 2.345])
def test_it_leads_straight_from_track_1_to_the_model_and_on_to_track_2(seconds: float) -> None:
    first, second = noise(seconds, 1), noise(seconds, 2)
    made = bridged(plain(), pair(first, second, *ALL))
    middle = first * second
    expected = [first, 0.6 * first + 0.4 * middle, middle, 0.5 * middle + 0.5 * second, second]
    assert made.shape == (5, 1, first.shape[1])
    assert made.dtype == np.float32
    assert np.abs(made - np.stack(expected)).max() < 1e-6  # whatever was cut and faded is whole again


def test_in_the_middle_is_what_the_model_makes_of_both(codec: Codec) -> None:
    model = cascade().fold()
    first, second = noise(0.4, 1), noise(0.4, 2)
    made = bridged(EncodecBridger(codec, model, CPU, "abc"), pair(first, second, 0.5))
    with torch.inference_mode():
        latents = model(*(codec.encode(torch.from_numpy(each)[None]) for each in (first, second)))
        expected = codec.decode(codec.quantise(latents))[..., : first.shape[1]]
    assert np.array_equal(made, expected.numpy())


def test_at_the_ends_are_the_tracks_as_the_codec_has_them(bridger: EncodecBridger, codec: Codec) -> None:
    tracks = [noise(0.4, seed) for seed in (1, 2)]
    made = bridged(bridger, pair(*tracks, 1.0, 0.0))
    for each, samples in zip(made[::-1], tracks, strict=True):
        with torch.inference_mode():
            expected = codec.decode(codec.quantise(codec.encode(torch.from_numpy(samples)[None])))
        assert np.array_equal(each, expected[0].numpy())


def test_a_track_does_not_depend_on_the_ratios_beside_it(bridger: EncodecBridger) -> None:
    first, second = noise(1.2, 1), noise(1.2, 2)
    together = bridged(bridger, pair(first, second, *ALL))
    for ratio, made in zip(ALL, together, strict=True):
        assert np.array_equal(bridged(bridger, pair(first, second, ratio))[0], made)


def test_ratios_make_tracks_that_differ(bridger: EncodecBridger) -> None:
    made = bridged(bridger, pair(noise(0.7, 1), noise(0.7, 2), *ALL))
    for one, other in pairwise(made):
        assert np.abs(one - other).max() > 0.05


def test_each_side_of_stereo_is_bridged_for_itself(bridger: EncodecBridger) -> None:
    first, second = noise(1.2, 1, channels=2), noise(1.2, 2, channels=2)
    stereo = bridged(bridger, pair(first, second, 0.3, 0.6))
    for side in (slice(0, 1), slice(1, 2)):
        assert np.array_equal(stereo[:, side], bridged(bridger, pair(first[side], second[side], 0.3, 0.6)))


@pytest.mark.parametrize("cut", [1, 7777, 10**6])
def test_how_the_tracks_are_cut_into_blocks_does_not_matter(bridger: EncodecBridger, cut: int) -> None:
    first, second = noise(0.6, 1), noise(0.6, 2)
    expected = bridged(bridger, pair(first, second, 0.4))
    assert np.array_equal(bridged(bridger, pair(first, second, 0.4, cut=cut)), expected)


def test_a_single_sample_is_enough(bridger: EncodecBridger) -> None:
    assert bridged(bridger, pair(*np.ones((2, 1, 1), np.float32), *ALL)).shape == (5, 1, 1)


@pytest.mark.parametrize("stages", [1, 2, 3])
def test_a_model_of_any_number_of_stages_makes_a_bridge(codec: Codec, stages: int) -> None:
    model = cascade(CascadeShape(16, heads=2, layers=1, stages=stages)).fold()
    made = bridged(EncodecBridger(codec, model, CPU, "abc"), pair(noise(0.3, 1), noise(0.3, 2), 0.5))
    assert made.std() > 0.05


# Batches


@pytest.mark.parametrize("most_rows", [2, 4, 5, 64])
@pytest.mark.parametrize("channels", [1, 2])
def test_what_else_is_computed_at_once_does_not_matter(codec: Codec, most_rows: int, channels: int) -> None:
    wanted = pair(noise(2.3, 1, channels), noise(2.3, 2, channels), 0.25, 0.5, 0.9)
    alone, together = (
        bridged(EncodecBridger(codec, cascade().fold(), CPU, "abc", rows, SEGMENT_SECONDS), wanted)
        for rows in (1, most_rows)
    )
    assert np.abs(alone - together).max() < ROUNDING


def test_rows_fill_a_batch_and_the_encoder_and_the_model_run_once_whatever_the_ratios() -> None:
    codec, model = Lossless(), Product()
    wanted = pair(noise(1.7, 1, channels=2), noise(1.7, 2, channels=2), *ALL)  # four segments of two channels
    bridged(plain(codec, model, most_rows=8), wanted)
    assert (codec.encoded, model.rows, sum(codec.decoded)) == ([8, 8], [4, 4], 4 * 2 * 5)
    assert max(codec.decoded) == 8


def test_on_a_cpu_each_row_is_computed_for_itself() -> None:
    codec, model = Lossless(), Product()
    bridged(plain(codec, model), pair(noise(0.9, 1), noise(0.9, 2), *ALL))
    assert {*codec.encoded, *model.rows, *codec.decoded} == {1}


@pytest.mark.parametrize("precision", ["bfloat16", "float16"])
def test_half_precision_is_the_models_and_not_the_codecs(precision: str) -> None:
    seen: dict[str, set[bool]] = {"codec": set(), "model": set()}

    class Watched(Lossless):
        def encode(self, samples: Tensor) -> Tensor:
            seen["codec"].add(torch.is_autocast_enabled("cpu"))
            return super().encode(samples)

        def decode(self, latents: Tensor) -> Tensor:
            seen["codec"] |= {torch.is_autocast_enabled("cpu"), latents.dtype != torch.float32}
            return super().decode(latents)

    class Halved(Product):
        def forward(self, first: Tensor, second: Tensor) -> Tensor:
            seen["model"].add(torch.is_autocast_enabled("cpu"))
            return super().forward(first, second).to(torch.get_autocast_dtype("cpu"))

    bridger = EncodecBridger(Watched(), Halved(), Compute("cpu", precision, 0), "abc")
    made = bridged(bridger, pair(noise(0.4, 1), noise(0.4, 2), 0.0, 0.5, 1.0))
    assert seen == {"codec": {False}, "model": {True}}
    assert np.array_equal(made[0], noise(0.4, 1))
    assert bridger.compute == f"{precision} on cpu"


@pytest.mark.parametrize("precision", ["bfloat16", "float16"])
def test_half_precision_makes_much_the_same(codec: Codec, precision: str) -> None:
    half, full = (
        EncodecBridger(codec, cascade().fold(), Compute("cpu", each, 0), "abc") for each in (precision, "float32")
    )
    wanted = pair(noise(0.4, 1), noise(0.4, 2), 0.5)
    assert np.corrcoef(bridged(half, wanted).ravel(), bridged(full, wanted).ravel())[0, 1] > 0.9


# As a stream


def test_a_block_comes_as_soon_as_nothing_can_change_it() -> None:
    read: list[int] = []

    def telling(samples: Block) -> Track:
        def blocks() -> Iterator[Block]:
            for start in range(0, samples.shape[1], 1000):
                read.append(start)
                yield samples[:, start : start + 1000]

        return Track(blocks)

    samples = noise(10, 1)
    wanted = replace(pair(samples, samples, 0.0), track1=telling(samples))
    frames = 0
    for block in plain().bridge(wanted, float):
        frames += block.shape[2]
        assert read[-1] <= frames + 0.1 * 24000 + 0.5 * 24000  # a segment and the fade, and no more
    assert frames == samples.shape[1]


def test_progress_rises_to_one_in_steps_of_a_row() -> None:
    told: list[float] = []
    bridged(plain(), pair(noise(0.9, 1), noise(0.9, 2), 0.2, 0.4), told.append)
    assert told == pytest.approx([(index + 1) / 10 for index in range(10)])  # 2 segments: 2 tracks, 1 model, 2 ratios


def test_what_a_step_raises_ends_the_run_and_closes_both_tracks() -> None:
    closed: list[str] = []

    def watched(name: str) -> Track:
        def blocks() -> Iterator[Block]:
            try:
                while True:
                    yield np.zeros((1, 1000), np.float32)
            finally:
                closed.append(name)

        return Track(blocks)

    def stop(share: float) -> None:
        if share > 0.3:
            raise CancelRequested

    wanted = replace(pair(noise(9, 1), noise(9, 1), 0.5), track1=watched("1"), track2=watched("2"))
    with pytest.raises(CancelRequested):
        bridged(plain(), wanted, stop)
    assert sorted(closed) == ["1", "2"]
    closed.clear()
    stream = plain().bridge(wanted, float)
    next(stream)
    stream.close()
    assert sorted(closed) == ["1", "2"]


def test_two_bridges_may_be_made_at_the_same_time(bridger: EncodecBridger) -> None:
    wanted = [pair(noise(1.5, seed), noise(1.5, seed + 1), 0.5) for seed in (1, 5)]
    expected = [bridged(bridger, each) for each in wanted]
    blocks = list(zip(*(bridger.bridge(each, float) for each in wanted), strict=True))  # in turns
    for index in range(2):
        assert np.array_equal(np.concatenate([pair[index] for pair in blocks], axis=2), expected[index])


# What goes wrong


class Broken(Product):
    def __init__(self, error: Exception) -> None:
        super().__init__()
        self.error = error

    def forward(self, first: Tensor, second: Tensor) -> Tensor:
        raise self.error


@pytest.mark.parametrize(
    ("error", "match"),
    [
        (RuntimeError("mat1 and mat2"), "mat1 and mat2"),
        (RuntimeError("CUDA out of memory. Tried"), "not enough memory"),
        (MemoryError(), "not enough memory"),
    ],
)
def test_a_model_that_breaks_is_told_of(error: Exception, match: str) -> None:
    with pytest.raises(EngineFailed, match=match):
        bridged(plain(model=Broken(error)), pair(noise(0.2, 1), noise(0.2, 2), 0.5))


class NoNumbers(Product):
    def forward(self, first: Tensor, second: Tensor) -> Tensor:
        return first / 0 * 0


def test_latents_that_are_no_numbers_are_not_taken_for_those_of_a_codebook(codec: Codec) -> None:
    wanted = pair(noise(0.2, 1), noise(0.2, 2), 0.0, 0.5)
    with pytest.raises(NotFinite, match="float32 on cpu"):
        bridged(plain(codec, NoNumbers()), wanted)


def test_samples_that_are_no_numbers_are_not_handed_out() -> None:
    class Overdriven(Lossless):
        def decode(self, latents: Tensor) -> Tensor:
            return super().decode(latents) / 0

    with pytest.raises(NotFinite, match="float32 on cpu"):
        bridged(plain(Overdriven()), pair(noise(0.2, 1), noise(0.2, 2), 0.0))


def test_a_track_that_ends_too_early_is_told_of() -> None:
    wanted = replace(pair(noise(0.3, 1), noise(0.3, 2), 0.5), frames=9000)
    with pytest.raises(EngineFailed, match="ended at frame 7200, before 9000"):
        bridged(plain(), wanted)


# Segments


@pytest.mark.parametrize(
    ("frames", "starts"),
    [(1, [0]), (100, [0]), (101, [0, 1]), (180, [0, 80]), (181, [0, 80, 81]), (260, [0, 80, 160])],
)
def test_segments_overlap_by_the_fade_and_the_last_ends_with_the_track(frames: int, starts: Sequence[int]) -> None:
    assert segment_starts(frames, 100, 20) == starts


def test_a_fade_is_smooth_and_its_shares_sum_to_one() -> None:
    joined = Crossfade(50)
    ones, zeros = np.ones((1, 100), np.float32), np.zeros((1, 100), np.float32)
    made = np.concatenate([joined.add(0, ones), joined.add(50, zeros), joined.rest()], axis=1)[0]
    assert made.shape == (150,)
    assert made[:50].tolist() == [1] * 50
    assert not made[100:].any()
    assert np.all(np.diff(made) <= 0)
    assert np.abs(np.diff(made)).max() < 0.04
    assert np.allclose(made[50:100] + made[50:100][::-1], 1, atol=1e-6)


def test_of_a_last_segment_that_begins_early_only_the_end_is_heard() -> None:
    joined = Crossfade(10)
    one, two = np.full((1, 100), 1, np.float32), np.full((1, 100), 2, np.float32)
    made = np.concatenate([joined.add(0, one), joined.add(30, two), joined.rest()], axis=1)[0]
    assert made.shape == (130,)
    assert made[:90].tolist() == [1] * 90
    assert made[100:].tolist() == [2] * 30


def test_a_fade_of_half_a_segment_and_more_is_shortened_to_half() -> None:
    first, second = noise(2.2, 1), noise(2.2, 2)
    made = bridged(plain(), pair(first, second, 0.0, fade=8.0))
    assert np.abs(made[0] - first).max() < 1e-6


def test_without_a_fade_segments_still_follow_each_other() -> None:
    first, second = noise(1.2, 1), noise(1.2, 2)
    assert np.abs(bridged(plain(), pair(first, second, 1.0, fade=0.0))[0] - second).max() < 1e-6


def test_a_reader_holds_one_segment_and_a_block() -> None:
    reader = SegmentReader(iter([np.full((1, 10), index, np.float32) for index in range(100)]), 1)
    for start in range(0, 900, 30):
        segment = reader.read(start, 40)
        assert segment[0].tolist() == [index // 10 for index in range(start, start + 40)]
        assert reader._held.shape[1] < 60


def test_its_segments_are_16_seconds_as_its_checkpoints_were_trained(codec: Codec, tmp_path: Path) -> None:
    bridger = EncodecBridger(codec, cascade().fold(), CPU, "abc")
    assert (bridger.sample_rate, bridger.segment_seconds) == (24000, 16.0)
    assert (bridger.weights, bridger.compute) == ("abc", "float32 on cpu")
    first, second = noise(17, 1), noise(17, 2)
    codec_of_its_own = Lossless()
    bridged(EncodecBridger(codec_of_its_own, Product(), CPU, "abc"), pair(first, second, 0.5, fade=1.0))
    assert len(codec_of_its_own.encoded) == 4
