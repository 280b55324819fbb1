"""The ``synth`` engine: the default one, which needs neither weights nor a GPU."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from core.audio.waveform import fade_edges
from core.engines.catalogue import SYNTH
from core.engines.synth.mixing import SoundCache, mix
from core.engines.synth.oscillators import frames_of
from core.engines.synth.score import Score, random_stream
from core.engines.synth.voices import Colour, voice_for
from core.ports import StemRequest

if TYPE_CHECKING:
    from core.ports import Block

FADE_SECONDS = 0.1
_COLOUR_STREAM = 3


class SynthEngine:
    """Synthesises seven kinds of stem that follow the tempo, the chords and the style of the request.

    Deterministic: a request and its seed give the same samples. (Another processor or release of numpy may round a
    sine's last bit otherwise.) It keeps nothing between two renders.
    """

    info = SYNTH

    def render(self, request: StemRequest) -> Iterator[Block]:
        """Yield the stem in blocks ``[2, T]`` of at most 65,536 frames, within ±1, faded in and out in 100 ms.

        The description is not read. An empty progression plays C G Am F.

        Raises:
            ChordError, ValueError: at the call, not at the first block, if the request makes no sense.
        """
        score = Score(request)
        rng = random_stream(request, _COLOUR_STREAM)
        voice = SoundCache(voice_for(request.stem_type, score.style, Colour.drawn(rng), rng))
        blocks = mix(score.bars(), voice, score.total_frames)
        return fade_edges(blocks, score.total_frames, frames_of(FADE_SECONDS))
