"""``POST /v1/theory/suggest``, from the request to what is shown."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from typing import Any, Literal

from pydantic import BaseModel, Field

from core.assistant.service import Assistant
from core.errors import FieldError, InvalidRequest
from core.songwriting import assisted_suggestions
from core.songwriting.assistance import AssistantView, assistant_view
from core.songwriting.drawing import draw_progression
from core.songwriting.moods import MOODS, MoodName
from core.songwriting.request import SuggestionRequest
from core.theory.chords import Chord
from core.theory.harmony import Function, roman
from core.theory.key_finding import KeySpan
from core.theory.keys import Key, Mode, key_on, parse_key
from core.theory.notation import ProgressionError, parse_progression
from core.theory.statistics import Style
from core.theory.suggestions import Suggestions, suggest
from core.theory.transposition import Capo, best_capo, simplified

_MOST_FAULTS = 50
_PROGRESSIONS = 3
_DIGITS = 4


class KeyView(BaseModel):
    """A key and how sure it is."""

    name: str
    tonic: str
    mode: Mode
    confidence: float = Field(description="0 to 1; 1 if it was given")


class ChordView(BaseModel):
    """One of the chords that were sent."""

    chord: str
    roman: str
    function: str = Field(description="tonic, predominant, dominant, secondary dominant, borrowed and so on")
    simpler: str = Field(description="Its triad, without slash bass")


class SuggestionView(BaseModel):
    """A chord that could come next."""

    chord: str
    roman: str
    function: str
    probability: float
    reason: str


class ModulationView(BaseModel):
    """Where the key changes."""

    chord_index: int = Field(description="Of the first chord in the new key, from 0")
    from_key: str = Field(description="The name of the key before it")
    key: KeyView = Field(description="The new key; its confidence is that over all of its chords")


class CapoView(BaseModel):
    """The capo that leaves the most open chords on a guitar."""

    fret: int = Field(description="0 is without one")
    shapes: list[str]
    open_chords: int


class ProgressionView(BaseModel):
    """A whole progression, one chord a bar."""

    chords: list[str]
    roman: list[str]


class SuggestionsView(BaseModel):
    """What could come next, the likeliest first, or the assistant's in its own order if those are used.

    ``rest_probability`` is that of all other chords together.
    """

    key: KeyView = Field(description="At the end of the chords, if it changes among them")
    key_alternatives: list[KeyView]
    modulations: list[ModulationView] = Field(
        description="Where the key changes; each chord's numeral is that of the key it stands in"
    )
    style: Style
    form: Literal["", "12-bar blues"]
    chords: list[ChordView]
    capo: CapoView | None
    suggestions: list[SuggestionView]
    rest_probability: float
    mood: MoodName | None = None
    mood_moves: str | None = Field(
        None, description="What is characteristic of the mood; null where it mostly has the other mode than the key"
    )
    progressions: list[ProgressionView] = Field([], description="Drawn in the mood, if one was asked for")
    assistant: AssistantView | None = Field(None, description="null if the request did not ask for it")


def read_chords(entries: tuple[str, ...], key: Key | None) -> list[Chord]:
    """The chords; raises ``InvalidRequest`` that points at each entry of ``/chords`` that is none."""
    try:
        return parse_progression(entries, key)
    except ProgressionError as error:
        faults = [FieldError(f"/chords/{index}", detail) for index, detail in error.faults[:_MOST_FAULTS]]
        if len(error.faults) > _MOST_FAULTS:
            faults.append(FieldError("/chords", f"and {len(error.faults) - _MOST_FAULTS} more are no chords"))
        raise InvalidRequest(faults) from None


def answer(request: SuggestionRequest, assistant: Assistant) -> SuggestionsView:
    """Rank what could come next, ask the assistant if it is to be asked, and draw progressions if a mood is named."""
    key = parse_key(request.key) if request.key else None
    chords = read_chords(request.chords, key)
    if key is None and not chords and request.mood:
        key = key_on(0 if MOODS[request.mood].mode == "major" else 9, MOODS[request.mood].mode)
    found = suggest(chords, request.style, key, request.limit)
    outcome = None
    if request.assistant:
        outcome = assisted_suggestions.with_assistant(found, chords, request.style, request.limit, assistant)
    shown = outcome.result if outcome and outcome.result else found
    return _view(shown, chords, request.style).model_copy(
        update={"assistant": outcome and assistant_view(outcome)} | _drawn(request, found.key)
    )


def _drawn(request: SuggestionRequest, key: Key) -> dict[str, Any]:
    if request.mood is None and request.bars is None:
        return {}
    mood: MoodName = request.mood or ("happy" if key.mode == "major" else "sad")
    moves = MOODS[mood].moves if MOODS[mood].mode == key.mode else None
    return {"mood": mood, "mood_moves": moves, "progressions": _progressions(request, mood, key)}


def progression_view(chords: list[Chord], key: Key) -> ProgressionView:
    """The chords with their numerals."""
    return ProgressionView(chords=[chord.symbol for chord in chords], roman=[roman(chord, key) for chord in chords])


def _progressions(request: SuggestionRequest, mood: MoodName, key: Key) -> list[ProgressionView]:
    bars = request.bars or (12 if request.style == "blues" else 4)
    drawn = [
        progression_view(draw_progression(request.style, MOODS[mood], key, bars, request.random_seed + turn), key)
        for turn in range(_PROGRESSIONS)
    ]
    return [view for index, view in enumerate(drawn) if view not in drawn[:index]]


def _view(found: Suggestions, chords: list[Chord], style: Style) -> SuggestionsView:
    return SuggestionsView(
        key=key_view(found.key, found.confidence),
        key_alternatives=[key_view(each.key, each.confidence) for each in found.alternatives],
        modulations=modulation_views(found.spans),
        style=style,
        form="12-bar blues" if found.form else "",
        chords=[chord_view(chord, function) for chord, function in zip(chords, found.functions, strict=True)],
        capo=capo_view(best_capo(chords)) if chords else None,
        suggestions=[
            SuggestionView(
                chord=each.chord.symbol, roman=each.function.roman, function=each.function.role,
                probability=round(each.probability, _DIGITS), reason=each.reason,
            )
            for each in found.suggestions
        ],
        rest_probability=round(found.rest, _DIGITS),
    )  # fmt: skip


def chord_view(chord: Chord, function: Function) -> ChordView:
    """A chord and what it does."""
    return ChordView(chord=chord.symbol, roman=function.roman, function=function.role, simpler=simplified(chord).symbol)


def modulation_views(spans: Sequence[KeySpan]) -> list[ModulationView]:
    """Where one span's key gives way to the next one's."""
    return [
        ModulationView(chord_index=new.start, from_key=old.key.name, key=key_view(new.key, new.confidence))
        for old, new in pairwise(spans)
    ]


def capo_view(capo: Capo) -> CapoView:
    """Where the capo goes."""
    return CapoView(fret=capo.fret, shapes=list(capo.shapes), open_chords=capo.open_chords)


def key_view(key: Key, confidence: float) -> KeyView:
    """A key and how sure it is."""
    return KeyView(name=key.name, tonic=key.tonic, mode=key.mode, confidence=round(confidence, _DIGITS))
