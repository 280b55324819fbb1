"""What an answer says about the assistant."""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import BaseModel, Field, StrictBool

from core.assistant.service import NoAnswer, Outcome
from core.theory.chords import Chord, ChordError
from core.theory.keys import Key
from core.theory.notation import read_chord
from core.validation import default

AskAssistant = Annotated[
    StrictBool,
    default(False),
    Field(description="Also ask the server's assistant, if it has one: what this request holds is sent to it"),
]


class AssistantView(BaseModel):
    """Whether the assistant had a part in the answer; where it had none, the built-in model gave all of it."""

    asked: bool = Field(description="Whether anything of the request was, or may have been, sent to the assistant")
    used: bool = Field(description="Whether its answer is in this one")
    model: str | None = Field(description="The model that was to answer, as the server's settings name it")
    why: str | None = Field(description="Why its answer is not used; null if it is")


def assistant_view(outcome: Outcome[Any]) -> AssistantView:
    """What came of asking."""
    return AssistantView(asked=outcome.asked, used=outcome.result is not None, model=outcome.model, why=outcome.why)


def chord_from(text: str, key: Key, place: str) -> Chord:
    """A chord that the assistant wrote; ``NoAnswer`` names the ``place`` of one that is none, and not what it wrote."""
    try:
        return read_chord(text, key)
    except ChordError:
        raise NoAnswer(f"gave an answer that does not fit: {place} is no chord") from None
