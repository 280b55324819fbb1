"""Songs with the assistant's words and chords, in the form, key and tempo that the built-in model chose."""

from __future__ import annotations

from typing import Annotated

from pydantic import BaseModel, JsonValue

from core.assistant.plain_text import Sentence, Title
from core.assistant.service import Assistant, NoAnswer, Outcome, Question
from core.songwriting.assistance import chord_from
from core.songwriting.forms import SECTION_NAMES, SectionName
from core.songwriting.song import Part, Song, with_parts
from core.theory.chords import Chord
from core.theory.harmony import function_of
from core.validation import NOT_EMPTY, at_most

_MOST_PROMPTS = 4
_MOST_BARS = 12
_ROLES_AT_HOME = frozenset({"tonic", "predominant", "dominant"})
_INSTRUCTION = (
    "You help people without musical training to write a song about a theme. You get the theme, and what is settled "
    "already: style, mood, key, tempo, form, and how many bars of 4/4 each section has. Give the song a title of at "
    "most six words. For every section, by its name and in the same order, give its chords, exactly one for each bar, "
    "as symbols such as C, F#m7, Bbmaj7 or D/F#, that stay mostly in the key; one sentence that says why they suit; "
    "and one to four prompts for its lyrics, each one sentence that says what to write about. All of it is plain "
    "English without markup, each sentence at most 200 characters long."
)


class _Section(BaseModel):
    name: SectionName
    chords: Annotated[tuple[str, ...], *at_most(_MOST_BARS)]
    why: Sentence
    lyric_prompts: Annotated[tuple[Sentence, ...], *at_most(_MOST_PROMPTS), NOT_EMPTY[0]]


class _Words(BaseModel):
    title: Title
    sections: Annotated[tuple[_Section, ...], *at_most(len(SECTION_NAMES))]


def with_assistant(song: Song, assistant: Assistant) -> Outcome[Song]:
    """``song`` with the assistant's title, chords, reasons and prompts, if it gives any that can be used."""

    def use(answer: _Words) -> Song:
        if [each.name for each in answer.sections] != [section.name for section in song.sections]:
            raise NoAnswer("gave an answer that does not fit: its sections are not those of the song")
        parts = {each.name: _part(index, each, song) for index, each in enumerate(answer.sections)}
        _check_key([chord for part in parts.values() for chord in part.chords], song)
        return with_parts(song, answer.title, parts)

    return assistant.ask(Question(_INSTRUCTION, _material(song), _Words), use)


def _material(song: Song) -> dict[str, JsonValue]:
    return {
        "theme": song.theme.text,
        "style": song.style,
        "mood": song.mood_name,
        "key": song.key.name,
        "tempo_bpm": song.tempo_bpm,
        "form": list(song.form),
        "sections": [{"name": section.name, "bars": len(section.chords)} for section in song.sections],
    }


def _part(index: int, answer: _Section, song: Song) -> Part:
    bars = len(song.sections[index].chords)
    if len(answer.chords) != bars:
        raise NoAnswer(f"gave an answer that does not fit: sections/{index} has not the {bars} bars of the song's")
    chords = tuple(
        chord_from(text, song.key, f"sections/{index}/chords/{bar}") for bar, text in enumerate(answer.chords)
    )
    return Part(chords, answer.why, answer.lyric_prompts)


def _check_key(chords: list[Chord], song: Song) -> None:
    """Chords that mostly are from outside the song's key are another song's: its melody would not fit them."""
    blues = song.style == "blues"
    foreign = sum(function_of(chord, song.key, blues=blues).role not in _ROLES_AT_HOME for chord in chords)
    if foreign * 2 > len(chords):
        raise NoAnswer("gave an answer that does not fit: most of its chords are outside the song's key")
