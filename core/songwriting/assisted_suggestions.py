"""Suggestions from the assistant: its chords and reasons, judged by the built-in model."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated

from pydantic import BaseModel

from core.assistant.plain_text import Sentence
from core.assistant.service import Assistant, NoAnswer, Outcome, Question
from core.songwriting.assistance import chord_from
from core.theory.chords import QUALITIES, Chord
from core.theory.statistics import Style
from core.theory.suggestions import MOST_SUGGESTIONS, Suggestions, with_proposals
from core.validation import NOT_EMPTY, at_most

_INSTRUCTION = (
    "You help people without musical training to write songs. You get the chords of a song so far, a chord a bar, with "
    "its key and style. Say which chords could come next, the best first: at most as many as `limit` says, none of "
    "them twice. Write each chord as a symbol such as C, F#m7, Bbmaj7 or D/F#; of qualities there are "
    f"{', '.join(filter(None, QUALITIES.values()))}. Give each a reason: one sentence of plain English without markup, "
    "at most 200 characters long, that a beginner understands."
)


class _Proposal(BaseModel):
    chord: str
    reason: Sentence


class _Proposals(BaseModel):
    suggestions: Annotated[tuple[_Proposal, ...], *at_most(MOST_SUGGESTIONS), NOT_EMPTY[0]]


def with_assistant(
    found: Suggestions, chords: Sequence[Chord], style: Style, limit: int, assistant: Assistant
) -> Outcome[Suggestions]:
    """``found`` with the assistant's chords in its own order, if it gives any that can be used."""

    def use(answer: _Proposals) -> Suggestions:
        proposals = [
            (chord_from(each.chord, found.key, f"suggestions/{index}/chord"), each.reason)
            for index, each in enumerate(answer.suggestions[:limit])
        ]
        if len({(chord.root, chord.intervals, chord.bass) for chord, _ in proposals}) < len(proposals):
            raise NoAnswer("gave an answer that does not fit: it names a chord twice")
        return with_proposals(found, proposals, style)

    question = Question(
        _INSTRUCTION,
        {"chords": [chord.symbol for chord in chords], "key": found.key.name, "style": style, "limit": limit},
        _Proposals,
    )
    return assistant.ask(question, use)
