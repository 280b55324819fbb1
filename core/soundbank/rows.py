"""The rows of a sound: their keys, and what lies in them.

All lie in one partition, so that a sound and its places change in one transaction. Each place holds the whole sound: a
page of a search is one read of a range, and never a read a sound.

- ``sound:<id>``: the sound itself; its version is the sound's;
- ``place:<instrument>:<string>:<fret>:<velocity>:<inverted time>:<id>``: where it lies on the neck;
- ``new:<scope>:<inverted time>:<id>`` and ``pitch:<scope>:<cents>:<id>``: newest first, and from low to high, in three
  scopes: all sounds (``*:*``), its instrument's (``<instrument>:*``), its string's (``<instrument>:<string>``);
- ``tag:<tag>:<inverted time>:<id>`` and ``word:<digest>:<inverted time>:<id>``: newest first, for each tag, and each
  word of its style;
- ``family:<family>:<note>:<id>``: what other notes can be made of it, unless it was made of another one itself;
- ``due:<time>:<id>``: when it expires, if it does.

Beside them lie ``made:<fingerprint>``, of all sounds that are made of the same (``core.soundbank.claims``), and
``batch:<batch id>:<index>``, of what a batch made.

A partition takes some 2,000 rows a second (storage's stated target): about two hundred plain sounds.
"""

from __future__ import annotations

import hashlib
import re
import unicodedata
from collections.abc import Iterator
from datetime import datetime

from core.ports import Row
from core.soundbank.sample import Sample
from core.theory.notes import midi_of

PARTITION = "sounds"
MOST_TAGS = 16
"""Of a sound. With all its words, and all its tags changed, its rows still fit one transaction of 100."""
MOST_WORDS = 48
"""Of a style by which its sound is found: the first ones that differ."""

_SHORTEST_WORD = 2
_WORD = re.compile(r"[^\W_]+")
_END_OF_TIME_MS = 10**14
_NOWHERE = "*"


def sound_key(sample_id: str) -> str:
    """The row that holds a sound."""
    return f"sound:{sample_id}"


def made_key(fingerprint: str) -> str:
    """The row that says who makes, or which sound is, what has this fingerprint."""
    return f"made:{fingerprint}"


def batch_key(batch_id: str, index: int) -> str:
    """The row that says which sound is the ``index``-th (0 to 99,999) of a batch."""
    return f"batch:{batch_id}:{index:05}"


def document(sample: Sample) -> str:
    """What every row of a sound holds."""
    return sample.model_dump_json()


def sample_of(row: Row) -> Sample:
    """The sound that lies in one of its rows, without an ``etag``."""
    return Sample.model_validate_json(row.document)


def place_keys(sample: Sample) -> frozenset[str]:
    """Every row of a sound but ``sound:<id>``."""
    return frozenset(f"{place}:{sample.sample_id}" for place in _places(sample))


def span(first: str, last: str | None = None) -> tuple[str, str]:
    """Where the keys start and stop that begin with ``first``, with ``last``, or lie between the two."""
    return f"{first}:", f"{last or first};"  # ";" is the character after ":"


def scope(instrument: str | None, string: int | None) -> str:
    """The sounds that the orders by time and by pitch exist for; a string without its instrument is none."""
    return f"{instrument or _NOWHERE}:{f'{string:02}' if instrument and string else _NOWHERE}"


def words_of(text: str) -> tuple[str, ...]:
    """The words by which a text is found, without case: letters and digits, two at least, each once."""
    folded = unicodedata.normalize("NFKC", text).casefold()
    words = (word for word in _WORD.findall(folded) if len(word) >= _SHORTEST_WORD)
    return tuple(dict.fromkeys(words))[:MOST_WORDS]


def word_digest(word: str) -> str:
    """A word as a key can hold it, whatever its letters and its length."""
    return hashlib.sha256(word.encode()).hexdigest()[:32]


def thousandths(velocity: float) -> str:
    """A velocity as it stands in a place: four digits, 0000 to 1000."""
    return f"{round(velocity * 1000):04}"


def cents_of(frequency_hz: float) -> int:
    """A frequency as it stands in a place: cents above MIDI number 0, no less than 0."""
    return max(round(100 * midi_of(frequency_hz)), 0)


def milliseconds(moment: datetime) -> str:
    """A time as it stands in a place: 14 digits."""
    return f"{_since_1970(moment):014}"


def just_after(moment: datetime) -> str:
    """The first time in a place that is later than ``moment``."""
    return f"{_since_1970(moment) + 1:014}"


def _places(sample: Sample) -> Iterator[str]:
    newest = f"{_END_OF_TIME_MS - _since_1970(sample.created_at):014}"
    position = f"{sample.instrument}:{sample.string:02}:{sample.fret:02}:{thousandths(sample.velocity)}"
    yield f"place:{position}:{newest}"
    for within in (scope(None, None), scope(sample.instrument, None), scope(sample.instrument, sample.string)):
        yield f"new:{within}:{newest}"
        if sample.pitch.frequency_hz is not None:
            yield f"pitch:{within}:{cents_of(sample.pitch.frequency_hz):06}"
    for tag in sample.tags:
        yield f"tag:{tag}:{newest}"
    for word in words_of(sample.style_prompt):
        yield f"word:{word_digest(word)}:{newest}"
    if sample.derived_from is None and not sample.effects:  # others are made of what was played, as it was played
        yield f"family:{sample.family}:{sample.open_pitch + sample.fret:03}"
    if sample.expires_at is not None:
        yield f"due:{milliseconds(sample.expires_at)}"


def _since_1970(moment: datetime) -> int:
    return int(moment.timestamp() * 1000)
