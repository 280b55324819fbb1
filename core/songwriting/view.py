"""``POST /v1/theory/songs`` and ``POST /instructions``: from the request to what is shown."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any, Literal

from pydantic import BaseModel, Field

from core.assistant.service import Assistant
from core.songwriting import assisted_songs
from core.songwriting.assistance import AssistantView, assistant_view
from core.songwriting.forms import SectionName
from core.songwriting.lyrics import RHYME_SCHEMES
from core.songwriting.moods import MoodName
from core.songwriting.request import SongRequest
from core.songwriting.song import BEATS_A_BAR, Section, Song, write_song
from core.songwriting.steps import section_prompts, section_reason, steps_of
from core.songwriting.suggesting import CapoView, capo_view
from core.songwriting.themes import images_of, rhymes_of, syllables, title_rhythm
from core.theory.harmony import roman
from core.theory.keys import Mode
from core.theory.statistics import Style

_LONGEST_GENERATION_SECONDS = 600
_STEMS: Mapping[Style, tuple[str, ...]] = {
    "pop": ("drums", "bass", "piano"),
    "rock": ("drums", "bass", "guitar"),
    "jazz": ("drums", "bass", "piano"),
    "blues": ("drums", "bass", "guitar"),
    "folk": ("bass", "guitar"),
}
_GENERATION_STYLES: Mapping[Style, str] = {"blues": "blues rock", "folk": "folk ballad"}
"""The generators have patterns for rock, pop, jazz, electronic and ballad, and look for these words."""


class LeanView(BaseModel):
    """A note to hold over a chord."""

    chord: str
    degree: int = Field(description="Of the key's scale, 1 to 7")
    note: str


class MelodyView(BaseModel):
    """Hints for a section's melody."""

    lowest: str = Field(description="With its octave; C4 is middle C")
    highest: str
    contour: str
    lean_on: list[LeanView]
    why: str


class LyricsView(BaseModel):
    """Hints for a section's words."""

    rhyme_scheme: str
    prompts: list[str]
    why: str


class SectionView(BaseModel):
    """A part of the song; it has the same chords whenever it comes."""

    name: SectionName
    bars: int
    chords: list[str] = Field(description="One a bar of 4/4")
    roman: list[str]
    why: str
    melody: MelodyView
    lyrics: LyricsView


class HookView(BaseModel):
    """The title and the rhythm of its words."""

    title: str
    syllables: int
    rhythm_beats: list[float] = Field(description="A note for each syllable, in beats")


class StepView(BaseModel):
    """One thing to do."""

    title: str
    instruction: str
    why: str


class ReadyRequest(BaseModel):
    """A request that can be sent as it is."""

    method: Literal["POST"] = "POST"
    path: str
    body: dict[str, Any]


class SongKeyView(BaseModel):
    """The song's key."""

    name: str
    tonic: str
    mode: Mode
    scale: list[str]


class SongView(BaseModel):
    """A song for a theme. ``requests`` make its accompaniment and its tabs."""

    theme: str
    title: str
    style: Style
    mood: MoodName
    key: SongKeyView
    tempo_bpm: float
    beats_per_bar: int
    bars: int
    duration_seconds: float
    random_seed: int
    form: list[SectionName]
    sections: list[SectionView]
    chords: list[str] = Field(description="Of the whole song, one a bar; the last is home")
    capo: CapoView
    hook: HookView
    images: list[str] = Field(description="For those of the theme's words that any are known for")
    rhymes: list[str]
    steps: list[StepView]
    requests: dict[str, ReadyRequest]
    assistant: AssistantView | None = Field(None, description="null if the request did not ask for it")


class Instructions(BaseModel):
    """The steps of a song, in order."""

    theme: str
    instructions: list[str]


def song_for(request: SongRequest) -> Song:
    """The song a request asks for."""
    return write_song(
        request.theme, request.style, key_name=request.key, tempo_bpm=request.tempo_bpm, mood_name=request.mood,
        form=request.form, seed=request.random_seed,
    )  # fmt: skip


def answer(request: SongRequest, assistant: Assistant) -> SongView:
    """The song, with the assistant's words and chords if it is to be asked and has any that fit."""
    song = song_for(request)
    if not request.assistant:
        return song_view(song)
    outcome = assisted_songs.with_assistant(song, assistant)
    return song_view(outcome.result or song).model_copy(update={"assistant": assistant_view(outcome)})


def instructions(theme: str) -> Instructions:
    """The steps of a pop song for a theme, each with its reason."""
    song = write_song(theme, "pop")
    return Instructions(
        theme=song.theme.text, instructions=[f"{step.title}. {step.instruction} {step.why}" for step in steps_of(song)]
    )


def song_view(song: Song) -> SongView:
    """Everything about a song."""
    theme, key = song.theme, song.key
    return SongView(
        theme=theme.text,
        title=theme.title,
        style=song.style,
        mood=song.mood_name,
        key=SongKeyView(name=key.name, tonic=key.tonic, mode=key.mode, scale=list(key.scale)),
        tempo_bpm=song.tempo_bpm,
        beats_per_bar=BEATS_A_BAR,
        bars=len(song.chords),
        duration_seconds=round(song.duration_seconds, 2),
        random_seed=song.seed,
        form=list(song.form),
        sections=[_section_view(section, song) for section in song.sections],
        chords=[chord.symbol for chord in song.chords],
        capo=capo_view(song.capo),
        hook=HookView(
            title=theme.title,
            syllables=sum(syllables(word) for word in theme.title.split()),
            rhythm_beats=title_rhythm(theme),
        ),
        images=images_of(theme),
        rhymes=rhymes_of(theme),
        steps=[StepView(title=step.title, instruction=step.instruction, why=step.why) for step in steps_of(song)],
        requests=_requests(song),
    )


def _section_view(section: Section, song: Song) -> SectionView:
    melody = section.melody
    scheme, why = RHYME_SCHEMES[song.style][section.name]
    return SectionView(
        name=section.name,
        bars=len(section.chords),
        chords=[chord.symbol for chord in section.chords],
        roman=[roman(chord, song.key) for chord in section.chords],
        why=section_reason(section, song),
        melody=MelodyView(
            lowest=melody.lowest,
            highest=melody.highest,
            contour=melody.contour,
            lean_on=[LeanView(chord=chord, degree=degree, note=note) for chord, degree, note in melody.lean_on],
            why=melody.why,
        ),
        lyrics=LyricsView(rhyme_scheme=scheme, prompts=section_prompts(section, song), why=why),
    )


def _requests(song: Song) -> dict[str, ReadyRequest]:
    """What makes the accompaniment of this very song, and its tabs."""
    chords = [chord.symbol for chord in song.chords]
    seconds = math.ceil(song.duration_seconds * 100) / 100  # rounded down, the last bar would lose its end
    parameters = {
        "target_bpm": song.tempo_bpm,
        "duration_seconds": min(seconds, _LONGEST_GENERATION_SECONDS),
        "style": _GENERATION_STYLES.get(song.style, song.style),
        "chord_progression": chords,
        "prompt": f"{song.mood_name} {song.style} song about {song.theme.subject}",
        "random_seed": song.seed,
    }
    tabs: dict[str, Any] = {"chords": chords, "tempo_bpm": song.tempo_bpm}
    slow = song.mood_name in ("calm", "dreamy", "romantic", "sad", "nostalgic")
    guitar = {"level": "open", "capo": song.capo.fret, "pattern": "fingerpicking" if slow else "strum"}
    return {
        "accompaniment": ReadyRequest(
            path="/v1/generations", body={"target_stems": list(_STEMS[song.style]), "parameters": parameters}
        ),
        "guitar_tab": ReadyRequest(path="/v1/theory/tabs", body=tabs | guitar),
        "bass_tab": ReadyRequest(
            path="/v1/theory/tabs", body=tabs | {"pattern": "walking_bass" if song.style == "jazz" else "bass"}
        ),
    }
