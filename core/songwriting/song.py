"""A song for a theme: key, tempo, form, chords and hints, from the theme's words and a seed."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from random import Random

from core.songwriting.drawing import draw_progression
from core.songwriting.forms import FORMS, SectionName, bars_of
from core.songwriting.melodies import Melody, melody_for
from core.songwriting.moods import MOODS, Mood, MoodName
from core.songwriting.themes import Theme, mood_of, read_theme, seed_of
from core.theory.chords import Chord
from core.theory.keys import Key, Mode, parse_key
from core.theory.statistics import Style, chord_model
from core.theory.suggestions import chord_in
from core.theory.transposition import Capo, best_capo

BEATS_A_BAR = 4

_KEYS: Mapping[Mode, Mapping[Style, str]] = {
    "major": {"pop": "C G D A E", "rock": "A E G D", "jazz": "F Bb Eb C", "blues": "E A G", "folk": "G D C A"},
    "minor": {"pop": "Am Em Bm Dm", "rock": "Em Am Bm", "jazz": "Cm Dm Gm Am", "blues": "Am Em", "folk": "Am Em Dm"},
}
"""The keys that lie well: open strings for guitars, flats for horns."""
_ANY_MOODS: tuple[MoodName, ...] = ("happy", "calm", "hopeful", "romantic", "nostalgic", "dreamy")
_BRIDGE_STARTS: Mapping[Mode, tuple[str, ...]] = {"major": ("5M", "9m", "2m"), "minor": ("8M", "5m", "3M")}
_CHORUS_STARTS: Mapping[Mode, tuple[str, ...]] = {"major": ("0M", "5M", "9m"), "minor": ("0m", "8M", "3M")}
_TRIES = 8


@dataclass(frozen=True)
class Section:
    """A part of the song; it has the same chords whenever it comes.

    Attributes:
        name: verse, chorus and so on.
        chords: one a bar.
        melody: hints.
        why, prompts: the assistant's words on its chords and for its lyrics; empty without it.
    """

    name: SectionName
    chords: tuple[Chord, ...]
    melody: Melody
    why: str = ""
    prompts: tuple[str, ...] = ()


@dataclass(frozen=True)
class Part:
    """What a section can be given in place of its own.

    Attributes:
        chords: one a bar.
        why: why they suit.
        prompts: what its lyrics could be about.
    """

    chords: tuple[Chord, ...]
    why: str
    prompts: tuple[str, ...]


@dataclass(frozen=True)
class Song:
    """Everything that was decided about a song.

    Attributes:
        theme, mood_name, style, key, tempo_bpm, seed: what it was made from.
        mood_from_theme: whether the theme's own words say the mood.
        form: the sections in order.
        sections: each of them once, in order of appearance.
        chords: of the whole song, one a bar; its last bar is home.
        capo: the one that makes it easiest on a guitar.
    """

    theme: Theme
    mood_name: MoodName
    mood_from_theme: bool
    style: Style
    key: Key
    tempo_bpm: float
    seed: int
    form: tuple[SectionName, ...]
    sections: tuple[Section, ...]
    chords: tuple[Chord, ...]
    capo: Capo

    @property
    def mood(self) -> Mood:
        """What the mood asks for."""
        return MOODS[self.mood_name]

    @property
    def duration_seconds(self) -> float:
        """Of the whole song, in bars of 4/4."""
        return len(self.chords) * BEATS_A_BAR * 60 / self.tempo_bpm


def write_song(
    text: str,
    style: Style,
    *,
    key_name: str | None = None,
    tempo_bpm: float | None = None,
    mood_name: MoodName | None = None,
    form: Sequence[SectionName] | None = None,
    seed: int | None = None,
) -> Song:
    """Decide on a song; what is not given follows from the theme's words, and what they do not say from the seed."""
    theme = read_theme(text)
    seed = seed_of(text) if seed is None else seed
    said = mood_of(theme)
    drawn = Random(f"{seed} mood").choice(_ANY_MOODS)  # noqa: S311 - music, not secrets
    mood: MoodName = mood_name if mood_name else said if said else drawn
    described = MOODS[mood]
    key = parse_key(key_name or Random(f"{seed} key").choice(_KEYS[described.mode][style].split()))  # noqa: S311 - so
    tempo = tempo_bpm or float(Random(f"{seed} tempo").randint(*described.tempo_bpm))  # noqa: S311 - so
    order = tuple(form or FORMS[style])
    sections = _sections(order, style, described, key, seed)
    chords = _in_order(order, sections, style, key)
    return Song(
        theme, mood, mood_name is None and said is not None, style, key, tempo, seed, order, sections, chords,
        best_capo(chords),
    )  # fmt: skip


def with_parts(song: Song, title: str, parts: Mapping[SectionName, Part]) -> Song:
    """The same song with another title, and with other chords and words for each of its sections."""
    sections = tuple(
        Section(name, part.chords, melody_for(name, song.key, part.chords), part.why, part.prompts)
        for name, part in ((section.name, parts[section.name]) for section in song.sections)
    )
    chords = _in_order(song.form, sections, song.style, song.key)
    theme = replace(song.theme, title=title)
    return replace(song, theme=theme, sections=sections, chords=chords, capo=best_capo(chords))


def _in_order(order: Sequence[SectionName], sections: Sequence[Section], style: Style, key: Key) -> tuple[Chord, ...]:
    """The whole song's chords; the last bar is home."""
    by_name = {section.name: section.chords for section in sections}
    chords = [chord for name in order for chord in by_name[name]]
    return (*chords[:-1], _home(style, key))


def _sections(order: Sequence[SectionName], style: Style, mood: Mood, key: Key, seed: int) -> tuple[Section, ...]:
    found: dict[SectionName, tuple[Chord, ...]] = {}
    for name in dict.fromkeys(order):
        found[name] = _chords_of(name, style, mood, key, seed, list(found.values()))
    return tuple(Section(name, chords, melody_for(name, key, chords)) for name, chords in found.items())


def _chords_of(
    name: SectionName, style: Style, mood: Mood, key: Key, seed: int, others: list[tuple[Chord, ...]]
) -> tuple[Chord, ...]:
    """The section's progression, another one than those there are if a few tries find one."""
    bars = bars_of(name, style)
    drawn = bars if style in ("jazz", "blues") or name == "bridge" else 4
    for attempt in range(_TRIES):
        random = Random(f"{seed} {name} {attempt}")  # noqa: S311 - music, not secrets
        chords = draw_progression(style, mood, key, drawn, random.getrandbits(32), _start(name, style, key, random))
        whole = tuple(chords * (bars // drawn))
        if whole not in others:
            break
    return (*whole[:-1], _dominant(style, key)) if name == "bridge" else whole


def _start(name: SectionName, style: Style, key: Key, random: Random) -> str | None:
    """A bridge begins away from home, a chorus may; a blues always begins at home."""
    if style == "blues" or name not in ("bridge", "chorus"):
        return None
    return random.choice((_BRIDGE_STARTS if name == "bridge" else _CHORUS_STARTS)[key.mode])


def _home(style: Style, key: Key) -> Chord:
    return chord_in("0m" if key.mode == "minor" else "0M", key, chord_model(style, key.mode))


def _dominant(style: Style, key: Key) -> Chord:
    return chord_in("7D" if style == "jazz" else "7M", key, chord_model(style, key.mode))
