"""A small bridge engine: a real one in everything but its music, so that tests see what is done with any."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from typing import TYPE_CHECKING, Any

import numpy as np

from core.audio.blocks import closable
from core.engines.registry import EngineRegistry
from core.ports import EngineInfo, ModelInfo, Pair
from core.settings import Settings
from core.storage.memory import MemoryBlobs

if TYPE_CHECKING:
    from core.ports import StemBlock

TOY_BRIDGE = EngineInfo(
    name="toy",
    version="1",
    tasks=("bridge",),
    hardware="cpu",
    licence="MIT",
    models=(
        ModelInfo(
            name="toy",
            loader="numpy",
            sample_rate=None,
            channels=2,
            longest_seconds=None,
            stems=(),
            commercial_use=True,
            seconds_per_audio_second=0.01,
        ),
    ),
)


class ToyBridge:
    """Engine and bridger in one: a mix by the ratio. What happens meanwhile can be changed.

    Attributes:
        pairs: what was bridged.
        before_load: called when it is loaded.
        after_block: called with the number of blocks of this run.
        spoil: changes each block.
    """

    info = TOY_BRIDGE
    sample_rate = None
    weights: str | None = None
    compute: str | None = None

    def __init__(self, segment_seconds: float | None = None) -> None:
        self.segment_seconds = segment_seconds
        self.pairs: list[Pair] = []
        self.before_load: Callable[[], None] = lambda: None
        self.after_block: Callable[[int], None] = lambda blocks: None
        self.spoil: Callable[[StemBlock], StemBlock] = lambda block: block

    @contextmanager
    def load(self, model: str | None, wait: Callable[[], None]) -> Iterator[ToyBridge]:
        self.before_load()
        yield self

    def loaded(self) -> dict[str, str | None]:
        return {}

    def bridge(self, pair: Pair, step: Callable[[float], None]) -> Iterator[StemBlock]:
        self.pairs.append(pair)
        first, second = (self._whole(pair, track.blocks) for track in (pair.track1, pair.track2))
        ratios = np.array(pair.ratios, np.float32)[:, None, None]
        for count, start in enumerate(range(0, pair.frames, pair.sample_rate), 1):
            part = slice(start, start + pair.sample_rate)
            yield self.spoil((1 - ratios) * first[:, part] + ratios * second[:, part])
            self.after_block(count)
            step(min(count * pair.sample_rate / pair.frames, 1.0))

    def _whole(self, pair: Pair, blocks: Callable[[], Iterator[Any]]) -> Any:
        with closing(closable(blocks())) as pieces:
            whole = np.concatenate(list(pieces), axis=1)
        assert whole.shape == (pair.channels, pair.frames)
        return whole


class ToyBridges:
    """The real engines, and the toy."""

    def __init__(self, toy: ToyBridge | None = None) -> None:
        self.toy = toy or ToyBridge()
        self._real = EngineRegistry(Settings.read({}), MemoryBlobs())

    def __getattr__(self, name: str) -> Any:
        return getattr(self._real, name)

    def catalogue(self) -> list[EngineInfo]:
        return [*self._real.catalogue(), TOY_BRIDGE]

    def bridge(self, name: str) -> Any:
        return self.toy if name == TOY_BRIDGE.name else self._real.bridge(name)
