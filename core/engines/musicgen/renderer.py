"""A loaded MusicGen that turns requests into stems."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import TYPE_CHECKING

from core.engines.musicgen.stems import Stem, encode_prompt
from core.ports import Piece, StemRequest

if TYPE_CHECKING:
    from core.engines.musicgen.batching import Batcher
    from core.engines.musicgen.model import Codes, MusicModel


class MusicGenRenderer:
    """A ``Renderer``. The stems of all requests that are rendered at the same time are rows of one batch."""

    def __init__(self, model: MusicModel, batcher: Batcher, compute: str) -> None:
        """Take over a model, whose language model the batcher has; ``compute`` as ``Renderer`` says."""
        self.sample_rate, self.channels = model.codec.sample_rate, model.codec.channels
        self.weights: str | None = model.digest
        self.compute: str | None = compute
        self.follows_melody = model.follows_melody
        self._codec, self._conditioner, self._window_seconds = model.codec, model.conditioner, model.window_seconds
        self._batcher = batcher

    def render(self, requests: Sequence[StemRequest], step: Callable[[float], None]) -> Iterator[Piece]:
        """Yield the stems side by side, each in blocks of about half a second that are decoded while sampling goes on.

        ``step`` is called after every step of the model and every block. See ``Renderer``.

        Raises:
            EngineFailed: a stem does not fit into memory; the model broke.
            NotFinite: the model computed something that is not a number.
        """
        stems = []
        prompts: dict[int, Codes] = {}
        for request in requests:
            heard = id(request.audio_prompt)  # stems of one request go on from the same recording
            if heard not in prompts:
                prompts[heard] = encode_prompt(request.audio_prompt, self._codec, self._window_seconds)
            stems.append(Stem(request, prompts[heard], self._conditioner, self._codec, self._window_seconds))
            step(0)
        with self._batcher.run() as run:
            places = {}
            for place, stem in enumerate(stems):
                places[run.add(stem.row())] = place
                step(0)
            for made in run:
                for row, codes in made:
                    if following := stems[places[row]].take(codes):
                        places[run.add(following)] = places[row]
                self._tell(stems, step)
                for row, _ in made:
                    for block in stems[places[row]].blocks():
                        if block.shape[1]:
                            yield Piece(places[row], block)
                        self._tell(stems, step)

    def close(self) -> None:
        """Leave the memory to another model: called when nobody holds this one."""
        self._batcher.close()

    def _tell(self, stems: Sequence[Stem], step: Callable[[float], None]) -> None:
        step(sum(stem.made for stem in stems) / sum(stem.frames for stem in stems))
