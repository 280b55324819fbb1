"""Which of the sources a client wants, and what else is made of them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from core.errors import FieldError, InvalidRequest
from core.separation.request import SeparationOptions

if TYPE_CHECKING:
    import numpy as np

    from core.ports import Block, StemBlock

RESIDUAL = "residual"


def check_stems(options: SeparationOptions, available: tuple[str, ...], engine: str) -> None:
    """Raise ``InvalidRequest`` if a stem is asked for that is not ``available``."""
    for pointer, asked in (("/stems", options.stems or ()), ("/two_stems", (options.two_stems,))):
        for stem in asked:
            if stem is not None and stem not in available:
                detail = f"{engine} has no stem {stem!r}; it has {', '.join(available)}"
                raise InvalidRequest([FieldError(pointer, detail)])


def wanted_sources(options: SeparationOptions) -> tuple[str, ...] | None:
    """The sources that an engine must make; ``None`` for all. The residual takes every one of them."""
    if options.residual:
        return None
    return (options.two_stems,) if options.two_stems else options.stems


@dataclass(frozen=True)
class Selection:
    """What is delivered, out of a separator's ``sources``.

    Attributes:
        names: the stems, in the order of ``pick``'s axis 0.
        complete: whether the model means its sources to add up to the mixture.
    """

    sources: tuple[str, ...]
    complete: bool
    names: tuple[str, ...]
    rest_of: str | None = None

    @classmethod
    def of(cls, options: SeparationOptions, sources: tuple[str, ...], complete: bool) -> Selection:
        """What ``options`` ask for. ``complete`` is whether the sources are meant to add up to the mixture."""
        if options.two_stems:
            names: tuple[str, ...] = (options.two_stems, f"no_{options.two_stems}")
        else:
            names = options.stems or sources
        if options.residual:
            names = (*names, RESIDUAL)
        return cls(sources, complete or options.two_stems is not None, names, options.two_stems)

    def pick(self, stems: StemBlock, mixture: Block) -> tuple[StemBlock, Block | None]:
        """What is delivered of a piece, ``[K, C, T]``, and the piece's residual ``[C, T]``.

        The residual is what the stems leave of the mixture; ``None`` where sources are missing, and it cannot be told.
        """
        import numpy as np

        made = dict(zip(self.sources, stems, strict=True))
        if self.rest_of:
            made = {self.rest_of: made[self.rest_of], f"no_{self.rest_of}": mixture - made[self.rest_of]}
        residual = self._residual(made, mixture) if self.complete else None
        if residual is not None:
            made[RESIDUAL] = residual
        return np.stack([made[name] for name in self.names]), residual

    def _residual(self, made: dict[str, np.ndarray], mixture: Block) -> Block:
        residual = mixture.copy()
        for samples in made.values():
            residual -= samples
        return residual
