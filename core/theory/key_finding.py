"""Which key a progression is in: the one under which its chords are likeliest.

The posterior of Bayes' rule over the twenty-four keys, as in Temperley and de Clercq (2013, *Statistical analysis of
harmony and melody in rock music*), who found keys from the distribution of chord roots. Every key is as likely before
the first chord; the likelihood is that of the first chord and of the changes in ``core.theory.statistics``. The first
chord may open the song, or be one from anywhere within it: half of its chance is that of either.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

from core.theory.chords import Chord
from core.theory.keys import Key, Mode, fifths_of, key_on
from core.theory.statistics import Style, chord_model, state_of
from core.theory.transposition import parts

_MODES: tuple[Mode, ...] = ("major", "minor")
_LAST_CHORDS = 32
"""Of a long progression the end counts: what comes next depends on where the song is by now."""


@dataclass(frozen=True)
class FoundKey:
    """A key and how sure it is.

    Attributes:
        key: spelled as the chords are.
        confidence: its posterior probability, 0 to 1.
    """

    key: Key
    confidence: float


def find_keys(chords: Sequence[Chord], style: Style) -> list[FoundKey]:
    """All twenty-four keys, the likeliest first; ``chords`` holds at least one."""
    recent = chords[-_LAST_CHORDS:]
    keys = [key_on(tonic, mode) for tonic in range(12) for mode in _MODES]
    logs = {key: _log_likelihood(recent, key, style) for key in keys}
    highest = max(logs.values())
    total = math.fsum(math.exp(value - highest) for value in logs.values())

    def rank(key: Key) -> tuple[float, int, str]:
        return -logs[key], (key.pitch_class - chords[0].root) % 12, key.mode

    return [FoundKey(_as_spelled(key, recent), math.exp(logs[key] - highest) / total) for key in sorted(keys, key=rank)]


def _log_likelihood(chords: Sequence[Chord], key: Key, style: Style) -> float:
    model = chord_model(style, key.mode)
    states = [state_of(chord, key, style) for chord in chords]
    first = (model.starts[states[0]] + model.frequencies[states[0]]) / 2
    terms = [math.log(first)]
    terms += [math.log(model.after(one)[other]) for one, other in pairwise(states) if one != other]
    return math.fsum(terms)


def _as_spelled(key: Key, chords: Sequence[Chord]) -> Key:
    """With the tonic as the chords write it, where they do: G♭ and not F♯ next to a C♭."""
    for chord in chords:
        root = parts(chord)[0]
        signature = fifths_of(root) - (3 if key.mode == "minor" else 0)
        if chord.root == key.pitch_class and abs(signature) <= 7:
            return Key(root, key.mode)
    return key
