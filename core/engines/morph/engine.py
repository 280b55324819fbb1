"""The ``morph`` engine: the default one for bridges, which needs neither weights nor a GPU."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, ExitStack, closing, nullcontext
from itertools import groupby
from typing import TYPE_CHECKING

import numpy as np

from core.audio.blocks import closable
from core.engines.catalogue import MORPH
from core.engines.morph.alignment import Alignment
from core.engines.morph.passage import Passage, Weights
from core.errors import ModelNotFound
from core.ports import Bridger, Pair

if TYPE_CHECKING:
    from core.ports import StemBlock


class MorphEngine:
    """Gives track 1 the timbre and the dynamics of track 2, and then lets it go over into that, beat upon beat."""

    info = MORPH

    def load(self, model: str | None, wait: Callable[[], None]) -> AbstractContextManager[Bridger]:
        """The one bridger there is; there is nothing to load. Raises ``ModelNotFound`` for any name but its own."""
        if model not in (None, self.info.default.name):
            raise ModelNotFound(f"the morph engine works by rules and has no model {model!r}: leave it out")
        return nullcontext(MorphBridger())

    def loaded(self) -> dict[str, str | None]:
        return {}


class MorphBridger:
    """Makes every bridge in one go, from spectra that are 12 ms apart; it keeps nothing between two runs.

    - Ratios from 0 to 0.5 move the envelope: the power in bands of frequency, smoothed over two beats. The bridge has
      track 1's notes, rhythm, stereo image and tempo, and at 0.5 track 2's timbre and dynamics (``envelope``).
    - Ratios from 0.5 to 1 move all the rest: the beats, and so the tempo, go over from where they fall in track 1 to
      where they fall in track 2, either track is stretched to them (``alignment``, ``phases``), and their spectra are
      interpolated at equal power (``passage``).

    Deterministic: the same tracks give the same samples, however they are cut into blocks, whatever other ratios there
    are. (Another processor or release of numpy may round a last bit otherwise.)
    """

    sample_rate: int | None = None
    weights: str | None = None
    compute: str | None = None
    segment_seconds: float | None = None

    def bridge(self, pair: Pair, step: Callable[[float], None]) -> Iterator[StemBlock]:
        """Yield ``[R, C, T]`` in blocks of at most 0.9 s; ``step`` comes before each.

        Ratios up to 0.5 are made together; above, each reads and stretches both tracks on its own. No sample is more
        than 8.5 dB above the largest one that either track has within a beat of it. Raises ``NotFinite``.
        """
        ratios = sorted(pair.ratios)
        places = [ratios.index(ratio) for ratio in pair.ratios]
        done = 0
        with ExitStack() as stack:
            passages = [stack.enter_context(closing(closable(passage.blocks()))) for passage in _passages(pair, ratios)]
            for blocks in zip(*passages, strict=True):
                block = np.concatenate(blocks)[places]
                done += block.shape[2]
                step(done / pair.frames)
                if block.size:
                    yield block


def _passages(pair: Pair, ratios: list[float]) -> Iterator[Passage]:
    """One for all ratios, in rising order, that have the same crossover."""
    alignment = Alignment.of(pair.track1, pair.track2, pair.frames / pair.sample_rate)
    for crossover, weights in groupby(map(Weights.of, ratios), key=lambda weight: weight.crossover):
        yield Passage(pair, alignment, crossover, [weight.envelope for weight in weights])
