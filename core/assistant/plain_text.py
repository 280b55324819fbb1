"""Text from an assistant that may be shown: plain words on one line, and nothing that a page or a terminal acts on."""

from __future__ import annotations

import re
import unicodedata
from typing import Annotated

from pydantic import AfterValidator

LONGEST_SENTENCE = 240
LONGEST_TITLE = 60

_MARKUP = re.compile(r"[<>\[\]{}`*_|\\]|&#?\w+;")
_ADDRESS = re.compile(r"://|@|\bwww\.|\w\.[^\W\d_]{2,}|\b(?:javascript|data|mailto):", re.IGNORECASE)
_NEXT_SENTENCE = re.compile(r"(?<!\b\w)[.!?]\s+[^\W\d_a-z]\w")
"""A stop and then a word with a capital; a single letter before it is an abbreviation, and one after it a chord."""


def _plain(text: str, longest: int) -> str:
    text = text.strip()
    if not any(character.isalnum() for character in text):
        raise ValueError("must say something")
    if len(text) > longest:
        raise ValueError(f"must have at most {longest} characters")
    if any(unicodedata.category(character)[0] == "C" or character in "\u2028\u2029" for character in text):
        raise ValueError("must have no control characters")  # nor those that turn the direction of reading
    if _MARKUP.search(text):
        raise ValueError("must have no markup")
    if _ADDRESS.search(text):
        raise ValueError("must have no addresses")
    return text


def _sentence(text: str) -> str:
    text = _plain(text, LONGEST_SENTENCE)
    if _NEXT_SENTENCE.search(text):
        raise ValueError("must be one sentence")
    return text


def _title(text: str) -> str:
    return _plain(text, LONGEST_TITLE)


Sentence = Annotated[str, AfterValidator(_sentence)]
"""One sentence of at most 240 characters."""
Title = Annotated[str, AfterValidator(_title)]
"""At most 60 characters."""
