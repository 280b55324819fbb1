"""What could come next after some chords.

Three things decide, each a distribution over the next chord:

- the changes of the style's corpus, as ``core.theory.statistics`` gives them for the last two chords;
- a pattern that is being repeated: what followed the same chords before, for up to ``_REPEAT_SHARE``;
- in blues the place in the twelve bars, once the chords, one a bar, fit that form: it counts for ``_FORM_SHARE``.

The shares are estimates of our own; everything else was counted. The place in groups of four bars was tried for the
other styles, and predicted no better (``bench.chord_predictions``).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from core.theory.chords import Chord, parse_chord
from core.theory.harmony import Function, function_of
from core.theory.key_finding import FoundKey, KeyReading, KeySpan, read_keys
from core.theory.keys import Key
from core.theory.reasons import reason
from core.theory.statistics import (
    ChordModel,
    Distribution,
    Style,
    chord_model,
    is_dominant_seventh,
    normalised,
    state_of,
)

_FORM_SHARE = 0.8
_REPEAT_SHARE = 0.8
_LEAST_OF_FORM = 0.04  # of a bar's chords: whatever is rarer there does not fit the form
_BLUES_BARS_TO_KNOW = 5  # the turn to IV comes in the fifth bar

MOST_SUGGESTIONS = 24


@dataclass(frozen=True)
class Suggestion:
    """A chord that could come next.

    Attributes:
        chord: spelled in the key, with the quality that the style mostly gives it.
        function: what it does in the key.
        probability: 0 to 1.
        reason: one sentence for people without theory.
    """

    chord: Chord
    function: Function
    probability: float
    reason: str


@dataclass(frozen=True)
class Suggestions:
    """What could come next.

    Attributes:
        key: the one that was given, or the likeliest at the end of the chords.
        confidence: of the key, 1 if it was given.
        alternatives: the likeliest of the other keys; none if the key was given.
        spans: the parts of the chords that are each in one key; the last one's is ``key``.
        functions: what each of the chords does in its part's key.
        form: ``12-bar blues`` where the chords fit its bars so far, else empty.
        chances: of every state that could be next, as ``core.theory.statistics`` counts them.
        suggestions: the likeliest first.
        rest: what is left of the probability for all other chords.
    """

    key: Key
    confidence: float
    alternatives: tuple[FoundKey, ...]
    spans: tuple[KeySpan, ...]
    functions: tuple[Function, ...]
    form: str
    chances: Distribution
    suggestions: tuple[Suggestion, ...]
    rest: float


def suggest(chords: Sequence[Chord], style: Style, key: Key | None = None, limit: int = 8) -> Suggestions:
    """Rank what could come after ``chords``, which may be none: then C major stands for the key, if none is given."""
    reading = keys_of(chords, style, key)
    home = reading.ranked[0].key
    functions = functions_in(chords, reading.spans, style)
    states = [state_of(chord, home, style) for chord in chords]
    chances, form = next_chances(states, home, style, seventh=bool(chords) and is_dominant_seventh(chords[-1]))
    ranked = sorted(chances.items(), key=lambda item: (-item[1], item[0]))[:limit]
    model = chord_model(style, home.mode)
    suggestions = tuple(
        _suggestion(chord_in(state, home, model), chance, home, style, chords, functions) for state, chance in ranked
    )
    rest = max(0.0, 1 - sum(each.probability for each in suggestions))
    return Suggestions(
        home, reading.ranked[0].confidence, reading.ranked[1:4], reading.spans, functions, form, chances, suggestions,
        rest,
    )  # fmt: skip


def keys_of(chords: Sequence[Chord], style: Style, key: Key | None) -> KeyReading:
    """The keys of the chords: ``key`` for all of them if it is given, and C major if there is nothing to go by."""
    if chords and key is None:
        return read_keys(chords, style)
    given = FoundKey(key or Key("C"), 1.0)
    return KeyReading((KeySpan(0, len(chords), given.key, 1.0),), (given,))


def functions_in(chords: Sequence[Chord], spans: Sequence[KeySpan], style: Style) -> tuple[Function, ...]:
    """What each of the chords does in the key of its part."""
    return tuple(
        function_of(chord, span.key, blues=style == "blues")
        for span in spans
        for chord in chords[span.start : span.end]
    )


def with_proposals(found: Suggestions, proposals: Sequence[tuple[Chord, str]], style: Style) -> Suggestions:
    """The same with other chords, each with its reason, in place of the likeliest.

    What each does, and how likely it is, is said as of the likeliest. Chords that count as one state, such as G and G7
    in pop, have that state's probability both, and it leaves the rest but once; what counts as staying has none.
    """
    states = [state_of(chord, found.key, style) for chord, _ in proposals]
    suggestions = tuple(
        Suggestion(chord, function_of(chord, found.key, blues=style == "blues"), found.chances[state], reason)
        for (chord, reason), state in zip(proposals, states, strict=True)
    )
    rest = max(0.0, 1 - sum(found.chances[state] for state in dict.fromkeys(states)))
    return replace(found, suggestions=suggestions, rest=rest)


def next_chances(
    states: Sequence[str], key: Key, style: Style, *, seventh: bool = False, in_form: bool = False, loops: bool = True
) -> tuple[dict[str, float], str]:
    """The distribution over the next state, and the form that the states follow, if any.

    ``seventh`` says that the last chord is a dominant seventh, which in most styles its state does not tell.
    A blues' chords are taken for its bars if they fit them so far, and with ``in_form`` in any case, and what
    comes next then fits them, too. Without ``loops``, what was repeated before is not expected to be again.
    """
    model = chord_model(style, key.mode)
    if not states:
        return dict(model.starts), ""
    before = states[-2] if len(states) > 1 else None
    chances: Distribution = model.after(states[-1], before, seventh=seventh)
    if style == "blues" and (in_form or _fits_twelve_bars(states, model)):
        here = model.at_bar(len(states))
        chances = _mixed(chances, here, _FORM_SHARE)
        if in_form:
            chances = normalised({state: chances[state] for state in here if here[state] >= _LEAST_OF_FORM})
        return chances, "12-bar blues"
    followers = _repeated(states) if loops else {}
    if followers:
        longest = max(followers.values())
        chances = _mixed(chances, normalised(followers), _REPEAT_SHARE * longest / (longest + 1))
    return dict(chances), ""


def chord_in(state: str, key: Key, model: ChordModel) -> Chord:
    """The state as a chord of the key."""
    quality = model.shape(state)
    root = key.spell((key.pitch_class + int(state[:-1])) % 12, leading=state[-1] in "ho")
    return parse_chord(root + quality)


def _suggestion(
    chord: Chord, chance: float, key: Key, style: Style, chords: Sequence[Chord], functions: Sequence[Function]
) -> Suggestion:
    function = function_of(chord, key, blues=style == "blues")
    last, before = (chords[-1], functions[-1]) if chords else (None, None)
    return Suggestion(chord, function, chance, reason(chord, function, key, last, before))


def _fits_twelve_bars(states: Sequence[str], model: ChordModel) -> bool:
    return len(states) >= _BLUES_BARS_TO_KNOW and all(
        model.at_bar(index)[state] >= _LEAST_OF_FORM for index, state in enumerate(states)
    )


def _repeated(states: Sequence[str]) -> dict[str, float]:
    """What came after the longest run of chords that ends the list and stood in it before, with the run's length.

    A run of one chord alone is no repetition.
    """
    followers: dict[str, float] = {}
    for end in range(2, len(states)):
        length = _common_ending(states[:end], states)
        if length > 1 and states[end] != states[-1]:
            followers[states[end]] = max(followers.get(states[end], 0), length)
    longest = max(followers.values(), default=0)
    return {state: length for state, length in followers.items() if length == longest}


def _common_ending(one: Sequence[str], other: Sequence[str]) -> int:
    length = 0
    while length < min(len(one), len(other)) and one[-1 - length] == other[-1 - length]:
        length += 1
    return length


def _mixed(chances: Distribution, other: Distribution, share: float) -> dict[str, float]:
    return {state: (1 - share) * chance + share * other.get(state, 0.0) for state, chance in chances.items()}
