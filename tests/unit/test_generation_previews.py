"""What can be heard of a stem while it is being made."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pytest

from core.generation.previews import PreviewTrack
from core.generation.track import Delivery
from core.jobs.model import Preview

if TYPE_CHECKING:
    from core.ports import Block

RATE = 1000


class Stored:
    """In the place of ``PreviewFiles``: keeps what it is given."""

    def __init__(self) -> None:
        self.previews: list[Preview] = []
        self.blocks: list[Block] = []

    def store(self, preview: Preview, block: Block, delivery: Delivery) -> None:
        self.previews.append(preview)
        self.blocks.append(block)


def cut(samples: Block, block_frames: int) -> Stored:
    stored = Stored()
    track = PreviewTrack(stored, "bass", Delivery(RATE, 1, None))  # type: ignore[arg-type] - stands in for the files
    for start in range(0, samples.shape[1], block_frames):
        track.add(samples[:, start : start + block_frames])
    track.finish()
    return stored


@pytest.mark.parametrize("block_frames", [7, 2000, 5001])
def test_parts_of_two_seconds_follow_each_other_without_a_gap(block_frames: int) -> None:
    samples = np.arange(7001, dtype=np.float32)[np.newaxis]
    stored = cut(samples, block_frames)
    assert [block.shape[1] for block in stored.blocks] == [2000, 2000, 2000, 1001]
    assert np.array_equal(np.concatenate(stored.blocks, axis=1), samples)
    assert [preview.parts for preview in stored.previews] == [1, 2, 3, 4]
    assert [preview.ready_seconds for preview in stored.previews] == [2.0, 4.0, 6.0, 7.001]


def test_a_stem_of_whole_parts_has_no_empty_one_at_its_end() -> None:
    assert [block.shape[1] for block in cut(np.zeros((1, 4000), np.float32), 900).blocks] == [2000, 2000]


def test_a_preview_knows_its_files_by_name() -> None:
    preview = Preview(stem_type="bass", part_seconds=2.0, parts=2, ready_seconds=4.0)
    assert preview.file_name(1) == "bass.preview-0001.wav"
    assert preview.holds("bass.preview-0001.wav")
    for other in ("bass.preview-0002.wav", "bass.preview-1.wav", "drums.preview-0000.wav", "bass.preview-{part}.wav"):
        assert not preview.holds(other)
