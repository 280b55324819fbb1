"""Why a chord suits, in one sentence for people who never learned any theory."""

from __future__ import annotations

from collections.abc import Callable

from core.theory.chords import Chord
from core.theory.harmony import Function, temporary_tonic
from core.theory.keys import Key

_STEP_WORDS = {1: "a half step up", 2: "a step up", 10: "a step down", 11: "a half step down"}
_FALLING_FIFTH = 5  # semitones up to the same note


def reason(chord: Chord, function: Function, key: Key, last: Chord | None, last_function: Function | None) -> str:
    """One sentence: what ``chord`` does after ``last``, or as the first chord."""
    if last is None or last_function is None:
        return _opening(chord, function, key)
    if chord.root == last.root and chord.intervals == last.intervals:
        return f"Stay on {chord.symbol}: the form gives it another bar."
    if last_function.role == "secondary dominant" and chord.root == (last.root + _resolution(last)) % 12:
        return f"{last.symbol} pulls towards {chord.symbol}: here it arrives."
    return _SENTENCES[function.role](chord, function, key, last, last_function)


def _opening(chord: Chord, function: Function, key: Key) -> str:
    if _is_home(chord, key):
        return f"{chord.symbol} is home in {key.name}: most songs begin there."
    return f"{chord.symbol} begins away from home ({_home(key)}), so the song sets off with a question."


def _tonic(chord: Chord, function: Function, key: Key, last: Chord, before: Function) -> str:
    if not _is_home(chord, key):
        if before.role == "dominant":
            return f"{last.symbol} leads the ear to {_home(key)}; {chord.symbol} surprises it, and the song goes on."
        return f"{chord.symbol} shares two notes with {_home(key)}: nearly home, in another colour."
    if before.role in ("dominant", "tritone substitution"):
        return f"{last.symbol} is full of tension and {chord.symbol} is home: the clearest way to close a phrase."
    if before.role == "predominant":
        return f"{chord.symbol} is home, and from {last.symbol} it is reached softly, as in an amen."
    if before.role == "borrowed":
        return f"{chord.symbol} is home, and brighter for the darker {last.symbol} before it."
    return f"{chord.symbol} is home: the song can rest here."


def _predominant(chord: Chord, function: Function, key: Key, last: Chord, before: Function) -> str:
    if _falls_a_fifth(last, chord):
        return f"{last.symbol} falls to {chord.symbol} by the strongest step there is, and {_home(key)} is not far off."
    if before.role == "dominant":
        return f"{chord.symbol} takes the tension of {last.symbol} back, so that it can be built up again."
    return f"{chord.symbol} leads away from home without unrest, a good place before the tension of {_dominant(key)}."


def _dominant_sentence(chord: Chord, function: Function, key: Key, last: Chord, before: Function) -> str:
    if before.role == "predominant":
        return f"{last.symbol} has left home; {chord.symbol} adds the tension that wants back to {_home(key)}."
    return f"{chord.symbol} makes tension: after it, everybody waits for {_home(key)}."


def _secondary(chord: Chord, function: Function, key: Key, last: Chord, before: Function) -> str:
    return (
        f"{chord.symbol} has a note from outside {key.name} that pulls towards {temporary_tonic(function, key)}: "
        "play that next, and it sounds like an arrival."
    )


def _borrowed(chord: Chord, function: Function, key: Key, last: Chord, before: Function) -> str:
    mood = "darkens" if key.mode == "major" else "brightens"
    return f"{chord.symbol} is borrowed from {function.relation} and {mood} the song for a moment."


def _neapolitan(chord: Chord, function: Function, key: Key, last: Chord, before: Function) -> str:
    return f"{chord.symbol} lies a half step above home: a dramatic colour that leads on to {_dominant(key)}."


def _tritone(chord: Chord, function: Function, key: Key, last: Chord, before: Function) -> str:
    return f"{chord.symbol} stands in for {_dominant(key)}7 and slides down a half step into {_home(key)}."


def _chromatic(chord: Chord, function: Function, key: Key, last: Chord, before: Function) -> str:
    step = _STEP_WORDS.get((chord.root - last.root) % 12)
    if step:
        return f"{chord.symbol} is {step} from {last.symbol}: the hand slides, and the ear follows."
    return f"{chord.symbol} is outside {key.name}: a surprise, to be used with care."


_SENTENCES: dict[str, Callable[[Chord, Function, Key, Chord, Function], str]] = {
    "tonic": _tonic,
    "predominant": _predominant,
    "dominant": _dominant_sentence,
    "secondary dominant": _secondary,
    "borrowed": _borrowed,
    "neapolitan": _neapolitan,
    "tritone substitution": _tritone,
    "chromatic": _chromatic,
}


def _resolution(dominant: Chord) -> int:
    """Semitones from its root to that of the chord it leads to: a leading-note chord rises by one."""
    return 1 if 3 in dominant.intervals else 5


def _falls_a_fifth(last: Chord, chord: Chord) -> bool:
    return (chord.root - last.root) % 12 == _FALLING_FIFTH


def _is_home(chord: Chord, key: Key) -> bool:
    away = 4 if key.mode == "minor" else 3
    return chord.root == key.pitch_class and away not in chord.intervals


def _home(key: Key) -> str:
    return key.tonic + ("m" if key.mode == "minor" else "")


def _dominant(key: Key) -> str:
    return key.spell(key.pitch_class + 7)
