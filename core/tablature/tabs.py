"""Tabs, from the request to what is drawn of them."""

from __future__ import annotations

from dataclasses import dataclass

from core.errors import FieldError, InvalidRequest
from core.tablature.arrangement import arranged
from core.tablature.request import TabRequest
from core.tablature.score import Score
from core.theory.chords import Chord
from core.theory.hand_movement import UnplayableChord, progression_shapes
from core.theory.voicings import Shape


@dataclass(frozen=True)
class Tab:
    """A progression on an instrument: how each chord is held, and what is played.

    Attributes:
        chords: as they were asked for.
        shapes: one for each chord.
        score: one bar for each chord.
    """

    chords: tuple[Chord, ...]
    shapes: tuple[Shape, ...]
    score: Score


MOST_DIFFERENT = 120
"""Chords in one tab: each costs a search for its shapes, up to 0.1 s on the oddest tunings; a song has a dozen."""


def make_tab(request: TabRequest) -> Tab:
    """Find shapes for the chords, and play them in the pattern.

    Raises ``InvalidRequest`` for a tuning that there is not, for what is no chord, for too many
    different ones, and for one that no hand can hold.
    """
    neck = request.neck()
    chords = request.progression()
    if (different := len({chord.symbol for chord in chords})) > MOST_DIFFERENT:
        detail = f"must be at most {MOST_DIFFERENT} different ones, not {different}"
        raise InvalidRequest([FieldError("/chords", detail)])
    try:
        shapes = progression_shapes(chords, neck, request.level)
        bars = arranged(chords, shapes, neck, request.pattern)
    except UnplayableChord as error:
        raise InvalidRequest([FieldError(f"/chords/{error.index}", str(error))]) from None
    score = Score(request.instrument_name, neck, bars, request.tempo_bpm)
    return Tab(tuple(chords), tuple(shapes), score)
