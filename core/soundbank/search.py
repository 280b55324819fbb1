"""Searches among the sounds: one range of rows that has the order that is asked for, read from where a cursor stands.

The range is the narrowest that the query leads to; what it does not settle is decided sound by sound. A page never
costs more reads than its budget, so one whose sounds are few among many may be short, or even empty, and still have a
``next_cursor``: the next page goes on where this one stopped.
"""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, TypeVar

from core.errors import FieldError, InvalidRequest
from core.ports import Row, Table
from core.soundbank.query import SoundQuery, check, fits, highest_cents, lowest_cents
from core.soundbank.rows import PARTITION, sample_of, scope, span, thousandths, word_digest, words_of
from core.soundbank.sample import Sample
from core.validation import fingerprint

T = TypeVar("T", int, float)

MOST_READS = 10
"""Of a page."""
MOST_READS_OF_A_STRING = 2
"""Of a page, where the instrument and the string are given."""

_LARGEST_SCAN = 1000
_DIGEST_BYTES = 12
_HIGHEST_FRET = 99  # that its two digits can hold
_HIGHEST_CENTS = 999_999  # that its six digits can hold


@dataclass(frozen=True)
class SoundPage:
    """Sounds in the order that was asked for, where to go on (``None`` at the end), and how many reads it took."""

    samples: list[Sample]
    next_cursor: str | None
    reads: int


@dataclass(frozen=True)
class _Range:
    """Rows with ``start <= key < stop``; every sound in them fits the fields in ``settles``."""

    start: str
    stop: str
    settles: frozenset[str]


def search(table: Table, query: SoundQuery) -> SoundPage:
    """One page. Raises ``InvalidRequest`` for a query that cannot be meant, or for a cursor that is not of it."""
    check(query)
    within = _range_of(query)
    last = _key_in(query.cursor, query, within) if query.cursor else ""
    unsettled = [(name, value) for name, value in query.asked().items() if name not in within.settles]
    size = _LARGEST_SCAN if unsettled else query.limit + 1
    found: list[Sample] = []
    reads = 0
    while reads < _budget(query) and len(found) < query.limit:
        rows = table.scan(PARTITION, _after(last) if last else within.start, within.stop, size)
        reads += 1
        for key, sample in _fitting(rows, unsettled):
            if len(found) == query.limit:  # one more than the page holds: it starts the next
                return SoundPage(found, _cursor(query, last), reads)
            found.append(sample)
            last = key
        if len(rows) < size:
            return SoundPage(found, None, reads)
        last = rows[-1].key
    return SoundPage(found, _cursor(query, last), reads)


def _fitting(rows: list[Row], unsettled: list[tuple[str, Any]]) -> Iterator[tuple[str, Sample]]:
    for row in rows:
        sample = sample_of(row)
        if fits(sample, unsettled):
            yield row.key, sample


def _budget(query: SoundQuery) -> int:
    return MOST_READS_OF_A_STRING if query.instrument and query.string else MOST_READS


# The range


def _range_of(query: SoundQuery) -> _Range:
    ranges = {"position": _by_position, "newest": _by_time, "pitch": _by_pitch}
    return ranges[query.order](query)


def _by_position(query: SoundQuery) -> _Range:
    """As far into the place on the neck as single values lead, and then a range of the next part."""
    low, high, settles = "place", "place", set[str]()
    for first, last, fields in _parts_of_a_place(query):
        low, high = f"{low}:{first}", f"{high}:{last}"
        settles |= fields
        if first != last:
            break
    return _Range(*span(low, high), frozenset(settles))


def _parts_of_a_place(query: SoundQuery) -> Iterator[tuple[str, str, set[str]]]:
    """The lowest and highest value of each part of a place, and the fields that they settle, until one is open."""
    if query.instrument is None:
        return
    yield query.instrument, query.instrument, {"instrument"}
    if query.string is None:
        return
    yield f"{query.string:02}", f"{query.string:02}", {"string"}
    lowest, highest = _bounds(query.fret, query.fret_min, query.fret_max, 0, _HIGHEST_FRET)
    yield f"{lowest:02}", f"{highest:02}", {"fret", "fret_min", "fret_max"}
    softest, hardest = _bounds(query.velocity, query.velocity_min, query.velocity_max, 0.0, 1.0)
    yield thousandths(softest), thousandths(hardest), set()  # a place rounds it


def _by_time(query: SoundQuery) -> _Range:
    """The sounds of a string, of a tag, of a word, of an instrument, or all: what is likely to be the fewest."""
    in_scope = _Range(*span(f"new:{scope(query.instrument, query.string)}"), _settled_by_scope(query))
    if query.instrument and query.string:
        return in_scope
    if query.tags:
        return _Range(*span(f"tag:{query.tags[0]}"), frozenset({"tags"} if len(query.tags) == 1 else ()))
    if words := words_of(query.text or ""):
        longest = max(words, key=len)
        return _Range(*span(f"word:{word_digest(longest)}"), frozenset({"text"} if len(words) == 1 else ()))
    return in_scope


def _by_pitch(query: SoundQuery) -> _Range:
    prefix = f"pitch:{scope(query.instrument, query.string)}"
    lowest = 0 if query.note_min is None else lowest_cents(query.note_min)
    highest = _HIGHEST_CENTS if query.note_max is None else highest_cents(query.note_max)
    settles = _settled_by_scope(query) | {"note_min", "note_max"}
    return _Range(*span(f"{prefix}:{lowest:06}", f"{prefix}:{highest:06}"), settles)


def _settled_by_scope(query: SoundQuery) -> frozenset[str]:
    return frozenset({"instrument", "string"}) if query.instrument else frozenset()


def _bounds(exact: T | None, least: T | None, most: T | None, lowest: T, highest: T) -> tuple[T, T]:
    if exact is not None:
        return exact, exact
    return lowest if least is None else least, highest if most is None else most


# The cursor: the key of the last row that was passed, under a digest of it and of the query


def _cursor(query: SoundQuery, key: str) -> str:
    content = key.encode()
    asked = fingerprint(query.model_copy(update={"sort": query.order, "limit": 0, "cursor": None}))
    digest = hashlib.sha256(asked.encode() + content).digest()[:_DIGEST_BYTES]
    return base64.urlsafe_b64encode(digest + content).decode()


def _key_in(cursor: str, query: SoundQuery, within: _Range) -> str:
    try:
        key = base64.urlsafe_b64decode(cursor)[_DIGEST_BYTES:].decode()
    except ValueError:
        key = ""
    if cursor != _cursor(query, key) or not within.start <= key < within.stop:
        detail = "not a cursor of this search; pass next_cursor of the page before, with the same fields as there"
        raise InvalidRequest([FieldError("/cursor", detail)])
    return key


def _after(key: str) -> str:
    return f"{key}!"  # "!" sorts before any character of a key that could follow, so this is the next key
