"""Whole progressions, drawn from the chances of each next chord."""

from __future__ import annotations

from random import Random

from core.songwriting.moods import Mood, favour
from core.theory.chords import Chord
from core.theory.keys import Key
from core.theory.statistics import Style, chord_model, normalised
from core.theory.suggestions import chord_in, next_chances

_FRESHNESS = 0.7  # an estimate: without it, two chords that like each other come again and again
_LEAST_CHANCE = 0.03  # what is rarer even with the mood's favour is an accident and no idea


def draw_progression(style: Style, mood: Mood, key: Key, bars: int, seed: int, start: str | None = None) -> list[Chord]:
    """A progression of one chord a bar that leads back to its first: the same arguments give the same one.

    It begins at home, or at the state ``start``. The last chord is drawn for how well the first one follows it as well.
    """
    random = Random(f"{seed} {style} {mood.moves}")  # noqa: S311 - music, not secrets
    states = [start or ("0m" if key.mode == "minor" else "0M")]
    while len(states) < bars:
        chances = _favoured(states, style, mood, key)
        if len(states) == bars - 1 and style != "blues":  # whose twelfth bar may well be home
            chances = _leading_back(chances, states[0], style, key)
        likely = {state: chance for state, chance in chances.items() if chance >= _LEAST_CHANCE}
        states.append(random.choices(list(likely), list(likely.values()))[0])
    model = chord_model(style, key.mode)
    return [chord_in(state, key, model) for state in states]


def _favoured(states: list[str], style: Style, mood: Mood, key: Key) -> dict[str, float]:
    """The chances of the next state, more for what the mood favours and less for what was there already."""
    chances, form = next_chances(states, key, style, in_form=True, loops=False)
    if not form:
        chances = {state: chance * _FRESHNESS ** states.count(state) for state, chance in chances.items()}
    if mood.mode == key.mode:
        chances = {state: chance * favour(state, mood) for state, chance in chances.items()}
    return chances


def _leading_back(chances: dict[str, float], first: str, style: Style, key: Key) -> dict[str, float]:
    """Weighed by how well ``first`` follows, which itself is no way back."""
    model = chord_model(style, key.mode)
    return normalised(
        {state: chance * model.after(state)[first] for state, chance in chances.items() if state != first}
    )
