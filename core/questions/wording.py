"""How a job's values read in a sentence.

What a client wrote may hold anything. In a sentence it stands in quotation marks that it cannot close, on one line, cut
to a length, and without characters that nobody sees.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Mapping, Sequence
from datetime import datetime
from string import Formatter
from typing import Any

LONGEST_QUOTE = 120
LONGEST_TEXT = 400
_MOST_LISTED = 16
_QUOTES = {"q": LONGEST_QUOTE, "c": LONGEST_TEXT}


class Wording(Formatter):
    """``str.format`` for values of JSON.

    ``!q`` quotes what a client wrote and ``!c`` a message, ``!t`` takes the full stop away, and ``:share`` makes a
    percentage of 0 to 1.
    """

    def convert_field(self, value: Any, conversion: Any) -> Any:
        """What the letter after the exclamation mark says."""
        if conversion == "t":
            return str(value).strip().rstrip(".")
        if conversion not in _QUOTES:
            return super().convert_field(value, conversion)
        if isinstance(value, list | tuple):
            return [self.convert_field(each, conversion) for each in value]
        return quoted(str(value), _QUOTES[conversion])

    def format_field(self, value: Any, format_spec: str) -> Any:
        """The value in plain words, unless the format says more."""
        if format_spec == "share":
            return f"{number(100 * value, 0)} %"
        if format_spec:
            return super().format_field(value, format_spec)
        return plain(value)


def sentence(template: str, values: Mapping[str, Any]) -> str:
    """``template`` with ``values``, as ``Wording`` has it."""
    return Wording().vformat(template, (), values)


def plain(value: Any) -> str:
    """A value of JSON in words."""
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, datetime):
        return f"{value:%Y-%m-%d %H:%M:%S} UTC"
    if isinstance(value, int | float):
        return number(value)
    if isinstance(value, Sequence) and not isinstance(value, str):
        listed = ", ".join(plain(each) for each in value[:_MOST_LISTED])
        return f"{listed} …" if len(value) > _MOST_LISTED else listed
    return one_line(str(value), LONGEST_TEXT)


def channels(count: Any) -> str:
    """``mono``, ``stereo``, or how many."""
    return {1: "mono", 2: "stereo"}.get(count, f"{count} channels")


def number(value: float, digits: int = 2) -> str:
    """Rounded for reading, without zeros at the end; ``-0`` is ``0``."""
    return str(value) if isinstance(value, int) else f"{round(value, digits) + 0.0:.15g}"


def quoted(text: str, longest: int = LONGEST_QUOTE) -> str:
    """In quotation marks, of which it holds none itself."""
    inside = one_line(text, longest)
    for mark in '"“”„«»':
        inside = inside.replace(mark, "'")
    return f'"{inside}"'


def one_line(text: str, longest: int) -> str:
    """On one line, without control characters and those that turn the direction of reading, and cut."""
    spaced = " ".join(text.split())
    seen = "".join(character for character in spaced if unicodedata.category(character)[0] != "C")
    return seen if len(seen) <= longest else f"{seen[: longest - 1].rstrip()}…"
