"""Chords and keys as fields of requests."""

from __future__ import annotations

from typing import Annotated

from pydantic import AfterValidator, BeforeValidator

from core.theory.keys import parse_key
from core.theory.notation import MOST_CHORDS
from core.validation import NOT_EMPTY, at_most, words


def _key_name(text: str) -> str:
    parse_key(text)
    return text


def chord_list(value: object) -> object:
    """A list of chords, or a text of them: pydantic would tell a client who sends something else about tuples."""
    if not isinstance(value, str | list | tuple):
        raise ValueError('must be a list of chords, such as ["C", "G", "Am"], or a text with blanks between them')
    return words(value)


Chords = Annotated[tuple[str, ...], *at_most(MOST_CHORDS), BeforeValidator(chord_list), *NOT_EMPTY]
KeyName = Annotated[str, AfterValidator(_key_name)]
