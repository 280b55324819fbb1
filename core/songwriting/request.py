"""What a client asks for when it looks for chords or a song."""

from __future__ import annotations

from typing import Annotated

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, StringConstraints
from pydantic.config import JsonDict

from core.songwriting.assistance import AskAssistant
from core.songwriting.forms import SectionName
from core.songwriting.moods import MoodName
from core.theory import fields
from core.theory.notation import MOST_CHORDS
from core.theory.statistics import Style
from core.theory.suggestions import MOST_SUGGESTIONS
from core.validation import NOT_EMPTY, Between, at_most, default, words

LONGEST_THEME = 1000


def _theme(text: str) -> str:
    if not any(character.isalnum() for character in text):
        raise ValueError("must say what the song is about, such as summer rain")
    if len(text) > LONGEST_THEME:
        raise ValueError(f"must have at most {LONGEST_THEME} characters, not {len(text)}")
    return text


KeyName = Annotated[fields.KeyName, Field(description="A letter, # or b, and major or minor: C, F#m, Bb major")]
Entries = Annotated[tuple[str, ...], *at_most(MOST_CHORDS), BeforeValidator(words), default(())]
Theme = Annotated[str, StringConstraints(strip_whitespace=True), AfterValidator(_theme)]
Form = Annotated[tuple[SectionName, ...], *at_most(12), BeforeValidator(words), *NOT_EMPTY]
Seed = Annotated[int, Between(-(2**53), 2**53, "")]

_EXAMPLE: JsonDict = {"chords": ["C", "G", "Am"], "style": "pop"}
_MOOD_EXAMPLE: JsonDict = {"mood": "nostalgic", "style": "folk", "key": "G", "bars": 8, "random_seed": 7}
_SONG_EXAMPLE: JsonDict = {"theme": "summer rain", "style": "pop"}


class SuggestionRequest(BaseModel):
    """The body of ``POST /v1/theory/suggest``."""

    model_config = ConfigDict(frozen=True, extra="forbid", json_schema_extra={"examples": [_EXAMPLE, _MOOD_EXAMPLE]})

    chords: Entries = Field(
        (),
        description="What is there so far, a chord a bar: symbols, or with a key Nashville numbers or roman numerals",
    )
    key: KeyName | None = Field(None, description="Found from the chords if left out; C major without any chords")
    style: Annotated[Style, default("pop")] = "pop"
    limit: Annotated[int, Between(1, MOST_SUGGESTIONS, "suggestions"), default(8)] = 8
    mood: MoodName | None = Field(None, description="Also draws whole progressions in this mood")
    bars: Annotated[int, Between(2, 32, "bars")] | None = Field(
        None, description="Of each progression that is drawn; 4 if left out, in blues 12"
    )
    random_seed: Annotated[Seed, default(0)] = Field(0, description="Decides which progressions are drawn")
    assistant: AskAssistant = False


class SongRequest(BaseModel):
    """The body of ``POST /v1/theory/songs``; what is left out follows from the theme."""

    model_config = ConfigDict(frozen=True, extra="forbid", json_schema_extra={"examples": [_SONG_EXAMPLE]})

    theme: Theme = Field(description="What the song is about, in any words")
    key: KeyName | None = None
    tempo_bpm: Annotated[float, Between(30, 300, "beats a minute")] | None = None
    style: Annotated[Style, default("pop")] = "pop"
    mood: MoodName | None = None
    form: Form | None = Field(None, description="The sections in order; the style's usual ones if left out")
    random_seed: Seed | None = Field(
        None, description="The same theme and seed give the same song; from the theme if left out"
    )
    assistant: AskAssistant = False


class ThemeRequest(BaseModel):
    """The body of ``POST /instructions``; what it does not know it passes over, as the first service did."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    theme: Theme
