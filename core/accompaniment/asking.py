"""What is asked for where an accompaniment goes with chords, and with no audio."""

from __future__ import annotations

from core.accompaniment.request import LONGEST_CHORDS_SECONDS, AccompanimentRequest
from core.errors import FieldError, InvalidRequest
from core.jobs.model import Model
from core.theory.keys import parse_key

_USUAL_BEATS_PER_BAR = 4


class ChordsAsked(Model):
    """What is to be played from chords alone.

    Attributes:
        symbols: one a bar, repeated to the end.
    """

    symbols: tuple[str, ...]
    tempo_bpm: float
    beats_per_bar: int
    duration_seconds: float
    key: str | None = None


def chords_asked(request: AccompanimentRequest) -> ChordsAsked:
    """What a request with chords asks for. Raises ``InvalidRequest``."""
    symbols = request.symbols()
    assert request.tempo_bpm is not None  # check_origin saw to it
    beats_per_bar = request.beats_per_bar or _USUAL_BEATS_PER_BAR
    bars = request.bars or len(symbols)
    seconds = request.duration_seconds or bars * beats_per_bar * 60 / request.tempo_bpm
    if not 0.5 <= seconds <= LONGEST_CHORDS_SECONDS:
        pointer = "/bars" if request.bars else "/chords"
        lasts = f"{bars} {'bar lasts' if bars == 1 else 'bars last'} {seconds:.1f} seconds at this tempo"
        detail = f"{lasts}; 0.5 to {LONGEST_CHORDS_SECONDS} can be made"
        raise InvalidRequest([FieldError(pointer, detail)])
    return ChordsAsked(
        symbols=symbols, tempo_bpm=request.tempo_bpm, beats_per_bar=beats_per_bar, duration_seconds=seconds,
        key=parse_key(request.key).name if request.key else None,
    )  # fmt: skip
