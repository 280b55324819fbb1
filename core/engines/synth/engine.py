"""The ``synth`` engine: the default one, which needs neither weights nor a GPU."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, nullcontext
from typing import TYPE_CHECKING

from core.audio.waveform import fade_edges
from core.engines.catalogue import SYNTH
from core.engines.synth.mixing import SoundCache, mix
from core.engines.synth.oscillators import SAMPLE_RATE, frames_of
from core.engines.synth.score import Score, random_stream
from core.engines.synth.voices import Colour, voice_for
from core.errors import ModelNotFound
from core.ports import Piece, Renderer, StemRequest

if TYPE_CHECKING:
    from core.ports import Block

FADE_SECONDS = 0.1
EDGE_SECONDS = 0.005
"""The fade of a stem that follows a timeline: its first beat is to be heard with that of the music it goes with."""
_COLOUR_STREAM = 3


def synthesise(request: StemRequest) -> Iterator[Block]:
    """Yield a stem in blocks ``[2, T]`` of at most 65,536 frames, within ±1, faded in and out in 100 ms.

    With a timeline its beats and chords are followed, and the fades take 5 ms. The description is not read. An empty
    progression plays C G Am F.

    Raises:
        ChordError, ValueError: at the call, not at the first block, if the request makes no sense.
    """
    score = Score(request)
    rng = random_stream(request, _COLOUR_STREAM)
    voice = SoundCache(voice_for(request.stem_type, score.style, Colour.drawn(rng), rng))
    blocks = mix(score.bars(), voice, score.total_frames)
    fade_seconds = FADE_SECONDS if request.timeline is None else EDGE_SECONDS
    return fade_edges(blocks, score.total_frames, frames_of(fade_seconds))


class SynthEngine:
    """Synthesises seven kinds of stem that follow the tempo, the chords and the style of the request.

    Deterministic: a request and its seed give the same samples. (Another processor or release of numpy may round a
    sine's last bit otherwise.) It is engine and renderer in one, for it keeps nothing between two renders.
    """

    info = SYNTH
    sample_rate = SAMPLE_RATE
    channels = SYNTH.default.channels
    weights: str | None = None
    compute: str | None = None
    follows_melody = False

    def load(self, model: str | None, wait: Callable[[], None]) -> AbstractContextManager[Renderer]:
        """Itself; there is nothing to load. Raises ``ModelNotFound`` for any name but its own."""
        if model not in (None, self.info.default.name):
            raise ModelNotFound(f"the synth engine plays by rules and has no model {model!r}: leave it out")
        return nullcontext(self)

    def loaded(self) -> dict[str, str | None]:
        return {self.info.default.name: None}

    def render(self, requests: Sequence[StemRequest], step: Callable[[float], None]) -> Iterator[Piece]:
        """Yield the stems one after the other. Raises what ``synthesise`` raises, at the call."""
        return self._pieces([synthesise(request) for request in requests], requests, step)

    def _pieces(
        self, stems: list[Iterator[Block]], requests: Sequence[StemRequest], step: Callable[[float], None]
    ) -> Iterator[Piece]:
        total = sum(request.duration_seconds for request in requests) * self.sample_rate
        done = 0
        for index, blocks in enumerate(stems):
            for block in blocks:
                done += block.shape[1]
                yield Piece(index, block)
                step(min(done / total, 1.0))
