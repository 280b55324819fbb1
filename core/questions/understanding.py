"""Which facts answer a question, by its words alone: no service, no model, the same answer every time.

A question names topics (how it was made, what to change), things (the tempo, the loudness) and scopes (track 2, the
drums). What has all of them answers it best. Where most of its words are unknown, it is about something else.
"""

from __future__ import annotations

import re
import unicodedata
from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from itertools import chain
from typing import TypeVar

from core.questions import vocabulary
from core.questions.fact import Fact, Topic

_APOSTROPHES = re.compile("['\u2019]")
Name = TypeVar("Name", bound=str)

MOST_FACTS = 8
"""In one answer: more nobody reads."""
_ENOUGH = 4  # with what is of the topic, what is not goes beside it up to here


@dataclass(frozen=True)
class Asked:
    """What a question is about, as far as its words are known.

    Attributes:
        unknown: how many of its words say something that is not known here.
        known: how many say something that is.
        beyond: whether it asks for what no record holds.
    """

    topics: frozenset[Topic]
    names: frozenset[str]
    scopes: frozenset[str]
    known: int
    unknown: int
    beyond: bool


@dataclass(frozen=True)
class Understood:
    """The facts that answer, the best first, and the names of what was asked for and is not on record."""

    facts: tuple[Fact, ...]
    missing: tuple[str, ...]


def understood(question: str, facts: Sequence[Fact]) -> Understood:
    """What of ``facts`` answers ``question``; nothing, if that cannot be told."""
    asked = read(question, {fact.scope for fact in facts if fact.scope})
    if asked.unknown > asked.known or (asked.beyond and not asked.names):
        return Understood((), ())
    forward = [fact for fact in facts if not _leads_back(fact, asked)]
    within = [fact for fact in forward if not asked.scopes or _fits(fact, asked)]
    found = _chosen(within, asked)
    if not found and asked.names and asked.scopes & {fact.scope for fact in facts}:
        found = _chosen([fact for fact in forward if fact.scope is None], asked)  # what is true of all is true of each
    return Understood(tuple(found), tuple(_missing(facts, asked)))


def read(question: str, scopes: Collection[str] = ()) -> Asked:
    """What the words of a question say; ``scopes`` are those of the job's own facts."""
    text = normalised(question)
    own = {scope: vocabulary.words_for(normalised(scope)) for scope in scopes}
    topics = _found(vocabulary.topics(), text)
    names = _found(vocabulary.names(), text)
    named = _found(own | dict(vocabulary.scopes()), text)
    rest = text
    for pattern in chain(topics.values(), names.values(), named.values()):
        rest = pattern.sub(" ", rest)
    tracks = {scope for scope in scopes if scope.startswith("track") and vocabulary.all_tracks().search(text)}
    unknown = _telling(rest)
    wanted, things = _directed(frozenset(topics), frozenset(names))
    return Asked(
        topics=wanted,
        names=things,
        scopes=frozenset(named) or frozenset(tracks),
        known=max(_telling(text) - unknown, 1 if topics else 0),
        unknown=unknown,
        beyond=vocabulary.not_held().search(text) is not None,
    )


def _found(patterns: Mapping[Name, re.Pattern[str]], text: str) -> dict[Name, re.Pattern[str]]:
    return {name: pattern for name, pattern in patterns.items() if pattern.search(text)}


def _telling(text: str) -> int:
    """How many words say something of what is asked about."""
    return sum(not word.isdigit() and word not in vocabulary.saying_nothing() for word in re.findall(r"\w+", text))


def normalised(text: str) -> str:
    """In small letters without accents, its words with single spaces between."""
    apart = unicodedata.normalize("NFKD", _APOSTROPHES.sub("", text.casefold()))
    plain = "".join(character for character in apart if not unicodedata.combining(character))
    return " ".join(re.findall(r"[^\W_]+(?:[.][0-9]+)*", plain))


def _directed(topics: frozenset[Topic], names: frozenset[str]) -> tuple[frozenset[Topic], frozenset[str]]:
    """What is to go up or down is the loudness, and advice is wanted, unless something else is named."""
    ways = names & vocabulary.DIRECTIONS.keys()
    if not ways or names - ways - {"loudness"}:
        return topics, names - ways
    return topics | {Topic.ADVICE}, names | {"loudness"}


def _leads_back(fact: Fact, asked: Asked) -> bool:
    """Whether it says how to turn down what is to be turned up, or the other way round."""
    return any(way in asked.names and other in fact.about for way, other in vocabulary.DIRECTIONS.items())


def _fits(fact: Fact, asked: Asked) -> bool:
    """Whether it is about the track or stem that was asked for, or says what went wrong with all of them."""
    return fact.scope in asked.scopes or (
        fact.scope is None and Topic.TROUBLE in asked.topics and Topic.TROUBLE in fact.topics
    )


def _chosen(facts: Sequence[Fact], asked: Asked) -> list[Fact]:
    """At most ``MOST_FACTS``: those of the topic and the things that were named, then those of the things alone."""
    on_topic = [fact for fact in facts if asked.topics.intersection(fact.topics)]
    if asked.names:
        best = _fair([fact for fact in on_topic if fact.about & asked.names], asked)
        others = [fact for fact in facts if fact.about & asked.names and fact not in on_topic]
        room = max((_ENOUGH if best else MOST_FACTS) - len(best), 0)
        named = best + _fair(others, asked)[:room]
        return named or (_fair(on_topic, asked) if Topic.TROUBLE in asked.topics else [])
    if asked.topics:
        return _fair(on_topic, asked)
    return _fair(facts, asked) if asked.scopes else []


def _fair(facts: Sequence[Fact], asked: Asked) -> list[Fact]:
    """At most ``MOST_FACTS``, in their order: those of the topic, of what few others tell, as many of each scope."""
    tell = Counter(name for fact in facts for name in fact.about & asked.names)
    places: Counter[str | None] = Counter()
    ranked = []
    for index, fact in enumerate(facts):
        rarity = sum(1 / tell[name] for name in fact.about & asked.names)
        ranked.append((fact.topics[0] not in asked.topics, -rarity, places[fact.scope], index))
        places[fact.scope] += 1
    return [facts[index] for index in sorted(index for *_, index in sorted(ranked)[:MOST_FACTS])]


def _missing(facts: Sequence[Fact], asked: Asked) -> list[str]:
    """What was named and is nowhere on record; a track or stem that is not there before all that it might have."""
    told = {fact.scope for fact in facts}.union(*(fact.about for fact in facts), vocabulary.DIRECTIONS)
    scopes = sorted(asked.scopes - told)
    return scopes or sorted(asked.names - told)
