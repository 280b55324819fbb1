"""Which key a progression is in, and where it changes.

The posterior of Bayes' rule over the twenty-four keys, as in Temperley and de Clercq (2013, *Statistical analysis of
harmony and melody in rock music*), who found keys from the distribution of chord roots. Every key is as likely before
the first chord; the likelihood is that of the first chord and of the changes in ``core.theory.statistics``. The first
chord may open the song, or be one from anywhere within it: half of its chance is that of either.

A change of key is a change of state in a hidden Markov model over the same keys, decoded after Viterbi (1967); Raphael
and Stoddard (2004, *Functional harmonic analysis using probabilistic models*) found keys so. The first chord in a new
key is judged as the first of a song is, each other as what follows the chord before it. A chord of both keys is a
pivot: it counts to the key in which it is likelier.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from itertools import groupby, pairwise
from operator import mul

from core.theory.chords import Chord
from core.theory.harmony import function_of
from core.theory.key_decoding import KEYS, Row, decoded
from core.theory.keys import Key, Mode, fifths_of, key_on
from core.theory.statistics import Distribution, Style, chord_model, state_of
from core.theory.transposition import parts

_MODES: tuple[Mode, ...] = ("major", "minor")
_LAST_CHORDS = 32
"""Of a long progression the end counts: what comes next depends on where the song is by now."""
_OUTSIDE = 1 / 3
"""How much less a chord from outside a key is worth than its count there: an estimate of our own. The counted songs
mark a key only where it stays for long, and what passes through another one is counted as chords of the first."""
_OF_THE_KEY = frozenset({"tonic", "predominant", "dominant", "secondary dominant"})


@dataclass(frozen=True)
class FoundKey:
    """A key and how sure it is.

    Attributes:
        key: spelled as the chords are.
        confidence: its posterior probability, 0 to 1.
    """

    key: Key
    confidence: float


@dataclass(frozen=True)
class KeySpan:
    """A part of a progression in one key.

    Attributes:
        start, end: indices of its first chord and of the chord after its last.
        key: spelled as its chords are.
        confidence: the mean of the key's posterior probability over the span's chord changes, 0 to 1.
    """

    start: int
    end: int
    key: Key
    confidence: float


@dataclass(frozen=True)
class KeyReading:
    """The keys of a progression.

    Attributes:
        spans: one after the other, without gaps; one alone where the key stays.
        ranked: all twenty-four keys by how likely the progression is to be there at its end. The first of them is the
            last span's.
    """

    spans: tuple[KeySpan, ...]
    ranked: tuple[FoundKey, ...]


def find_keys(chords: Sequence[Chord], style: Style) -> list[FoundKey]:
    """All twenty-four keys, the likeliest first, as if the last chords had but one; ``chords`` holds at least one."""
    recent = chords[-_LAST_CHORDS:]
    keys = [key_on(tonic, mode) for tonic in range(12) for mode in _MODES]
    logs = {key: _log_likelihood(recent, key, style) for key in keys}
    highest = max(logs.values())
    total = math.fsum(math.exp(value - highest) for value in logs.values())

    def rank(key: Key) -> tuple[float, int, str]:
        return -logs[key], (key.pitch_class - chords[0].root) % 12, key.mode

    return [FoundKey(_as_spelled(key, recent), math.exp(logs[key] - highest) / total) for key in sorted(keys, key=rank)]


def key_spans(chords: Sequence[Chord], style: Style = "pop") -> tuple[KeySpan, ...]:
    """The parts of a progression that are each in one key; none without chords."""
    return read_keys(chords, style).spans if chords else ()


def read_keys(chords: Sequence[Chord], style: Style) -> KeyReading:
    """The keys of ``chords``, which holds at least one."""
    starts = _changes(chords, style)
    keys = [key_on(chords[0].root + above, mode) for above, mode in KEYS]
    path, posteriors = decoded(*_likelihoods([chords[start] for start in starts], keys, style))
    spans = []
    for which, run in groupby(range(len(path)), path.__getitem__):
        found = list(run)
        start, end = starts[found[0]], [*starts, len(chords)][found[-1] + 1]
        confidence = math.fsum(posteriors[index][which] for index in found) / len(found)
        spans.append(KeySpan(start, end, _as_spelled(keys[which], chords[start:end]), confidence))
    if len(spans) == 1:
        return _one_key(chords, find_keys(chords, style))
    end_chords = chords[spans[-1].start :]
    ranked = sorted(range(len(keys)), key=lambda which: -posteriors[-1][which])
    found_keys = (FoundKey(_as_spelled(keys[which], end_chords), posteriors[-1][which]) for which in ranked)
    return KeyReading(tuple(spans), tuple(found_keys))


def _one_key(chords: Sequence[Chord], ranked: Sequence[FoundKey]) -> KeyReading:
    return KeyReading((KeySpan(0, len(chords), ranked[0].key, ranked[0].confidence),), tuple(ranked))


def _log_likelihood(chords: Sequence[Chord], key: Key, style: Style) -> float:
    model = chord_model(style, key.mode)
    states = [state_of(chord, key, style) for chord in chords]
    first = (model.starts[states[0]] + model.frequencies[states[0]]) / 2
    terms = [math.log(first)]
    terms += [math.log(model.after(one)[other]) for one, other in pairwise(states) if one != other]
    return math.fsum(terms)


def _changes(chords: Sequence[Chord], style: Style) -> list[int]:
    """The indices of the chords that are another one than the chord before, as far as the model tells them apart."""
    states = [state_of(chord, Key("C"), style) for chord in chords]
    return [0] + [index for index in range(1, len(states)) if states[index] != states[index - 1]]


def _likelihoods(chords: Sequence[Chord], keys: Sequence[Key], style: Style) -> tuple[list[Row], list[Row]]:
    """Of each chord in each key, as the first chord there and as the next one after the chord before it."""
    opening, going_on = zip(*(_likelihoods_in(key, chords, style) for key in keys), strict=True)
    return [list(row) for row in zip(*opening, strict=True)], [list(row) for row in zip(*going_on, strict=True)]


def _likelihoods_in(key: Key, chords: Sequence[Chord], style: Style) -> tuple[Row, Row]:
    model = chord_model(style, key.mode)
    states = [state_of(chord, key, style) for chord in chords]
    weights = [_weight(chord, key, style) for chord in chords]
    opening = [(model.starts[state] + model.frequencies[state]) / 2 for state in states]
    going_on = [opening[0]] + [_after(style, key.mode, one)[other] for one, other in pairwise(states)]
    return list(map(mul, opening, weights)), list(map(mul, going_on, weights))


@lru_cache(maxsize=4096)
def _weight(chord: Chord, key: Key, style: Style) -> float:
    role = function_of(chord, key, blues=style == "blues").role
    return 1.0 if role in _OF_THE_KEY else _OUTSIDE


@lru_cache(maxsize=512)
def _after(style: Style, mode: Mode, state: str) -> Distribution:
    """What the model says; kept, since each answer is a table and a progression has few kinds of change."""
    return chord_model(style, mode).after(state)


def _as_spelled(key: Key, chords: Sequence[Chord]) -> Key:
    """With the tonic as the chords write it, where they do: G♭ and not F♯ next to a C♭."""
    for chord in chords:
        root = parts(chord)[0]
        signature = fifths_of(root) - (3 if key.mode == "minor" else 0)
        if chord.root == key.pitch_class and abs(signature) <= 7:
            return Key(root, key.mode)
    return key
