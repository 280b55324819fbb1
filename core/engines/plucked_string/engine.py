"""The ``plucked_string`` engine: the default one for single notes, which needs neither weights nor a GPU."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, nullcontext

from core.engines.catalogue import PLUCKED_STRING
from core.engines.plucked_string.playing import play
from core.engines.synth.oscillators import SAMPLE_RATE
from core.errors import ModelNotFound
from core.ports import NoteRenderer, NoteRequest, Take


class PluckedStringEngine:
    """Plays the notes of guitars, bass and ukulele.

    An extended Karplus–Strong string (Karplus and Strong 1983; Jaffe and Smith 1983), that is a digital waveguide with
    pick position, stiffness, losses, body and pickup; not as a loop of delays, but as the sum of that loop's modes,
    which is the same string, in tune to any precision and far quicker in numpy (``modes`` says why).

    Deterministic: a request and its seed give the same samples. (Another processor or release of numpy may round a last
    bit otherwise.) It is engine and renderer in one, for it keeps nothing between two notes.
    """

    info = PLUCKED_STRING
    sample_rate = SAMPLE_RATE
    channels = PLUCKED_STRING.default.channels
    weights: str | None = None
    compute: str | None = None

    def load(self, model: str | None, wait: Callable[[], None]) -> AbstractContextManager[NoteRenderer]:
        """Itself; there is nothing to load. Raises ``ModelNotFound`` for any name but its own."""
        if model not in (None, self.info.default.name):
            raise ModelNotFound(
                f"the plucked_string engine computes its strings and has no model {model!r}: leave it out"
            )
        return nullcontext(self)

    def loaded(self) -> dict[str, str | None]:
        return {self.info.default.name: None}

    def render(self, notes: Sequence[NoteRequest], step: Callable[[float], None]) -> Iterator[Take]:
        """Yield the notes in order."""
        for index, note in enumerate(notes):
            yield Take(index, play(note))
            step((index + 1) / len(notes))
