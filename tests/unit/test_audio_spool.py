import tracemalloc

import numpy as np
import pytest
from numpy.typing import NDArray

from core.audio.spool import Spool
from core.audio.waveform import gain_for_peak, peak


def some_blocks(lengths: list[int]) -> list[NDArray[np.float32]]:
    rng = np.random.default_rng(0)
    return [rng.uniform(-0.5, 0.5, (2, length)).astype(np.float32) for length in lengths]


@pytest.mark.parametrize("memory_limit_bytes", [1, 2**30], ids=["on disk", "in memory"])
def test_gives_the_blocks_back_at_one_gain(memory_limit_bytes: int) -> None:
    blocks = some_blocks([1000, 1, 0, 65536])
    with Spool(2, memory_limit_bytes) as spool:
        for block in blocks:
            spool.append(block)
        assert spool.frames == 66537
        assert spool.peak == max(peak(block) for block in blocks)
        back = np.concatenate(list(spool.blocks(0.5)), axis=1)
    np.testing.assert_array_equal(back, np.concatenate(blocks, axis=1) * np.float32(0.5))


def test_brings_a_stem_to_its_peak() -> None:
    with Spool(2) as spool:
        for block in some_blocks([100, 100]):
            spool.append(block)
        levelled = list(spool.blocks(gain_for_peak(spool.peak, 0.8)))
    assert max(peak(block) for block in levelled) == pytest.approx(0.8, abs=1e-6)


def test_can_be_read_twice_and_added_to_in_between() -> None:
    first, second = some_blocks([10, 20])
    with Spool(2) as spool:
        spool.append(first)
        assert len(list(spool.blocks())) == 1
        spool.append(second[:, ::-1])  # a view that is not contiguous
        for _ in range(2):
            np.testing.assert_array_equal(list(spool.blocks())[1], second[:, ::-1])


def test_empty_is_silent() -> None:
    with Spool(2) as spool:
        assert (spool.peak, spool.frames, list(spool.blocks())) == (0, 0, [])


@pytest.mark.parametrize("block", [np.zeros((1, 5)), np.full((2, 5), np.nan), np.full((2, 5), np.inf)])
def test_refuses_what_no_file_should_hold(block: NDArray[np.float64]) -> None:
    with Spool(2) as spool:
        with pytest.raises(ValueError, match="a block must be finite"):
            spool.append(block.astype(np.float32))
        assert spool.frames == 0


def test_closes_its_file_even_when_the_work_fails() -> None:
    with pytest.raises(RuntimeError), Spool(2) as spool:
        spool.append(np.ones((2, 5), np.float32))
        raise RuntimeError
    with pytest.raises(ValueError, match="closed"):
        next(spool.blocks())
    spool.close()


def test_memory_stays_flat() -> None:
    block = np.ones((2, 65536), np.float32)

    def heap_peak(blocks: int) -> int:
        tracemalloc.start()
        with Spool(2, 2**20) as spool:
            for _ in range(blocks):
                spool.append(block)
            for _ in spool.blocks():
                pass
        heap = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        return heap

    assert heap_peak(200) < 1.1 * heap_peak(20)
