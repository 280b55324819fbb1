"""A song told step by step, to people who never learned any theory."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import groupby

from core.songwriting.forms import FORM_REASONS, FORMS
from core.songwriting.lyrics import RHYME_SCHEMES, prompts_for
from core.songwriting.song import BEATS_A_BAR, Section, Song
from core.songwriting.themes import images_of, rhymes_of, syllables, title_rhythm, words_without_images

_NOTE_WORDS = {0.5: "short", 1.0: "long", 2.0: "very long"}


@dataclass(frozen=True)
class Step:
    """One thing to do.

    Attributes:
        title: in a few words.
        instruction: what to do.
        why: the reason, in a sentence.
    """

    title: str
    instruction: str
    why: str


def steps_of(song: Song) -> list[Step]:
    """The steps in order; each can be done with what the ones before gave."""
    return [
        _theme(song), _key(song), _tempo(song), _form(song), *_progressions(song), _title_rhythm(song),
        *_melodies(song), *_lyrics(song), _ending(song), _band(),
    ]  # fmt: skip


def section_reason(section: Section, song: Song) -> str:
    """Why a section has the chords it has."""
    if section.why:
        return section.why
    first, last = section.chords[0].symbol, section.chords[-1].symbol
    if song.style == "blues" and len(section.chords) == 12:
        return (
            "The twelve bars go home, away, home, and to their tension near the end: a question, again, and an answer."
        )
    if section.name == "bridge":
        return f"It begins on {first}, away from home, and stops on {last}, whose tension makes the next part a relief."
    if section.name == "chorus" and first != _home(song):
        return f"It begins on {first} instead of home, so it seems to lift off; {last} leads round to it again."
    return f"It begins on {first}, and {last} leads back there, so it can go round for as long as you like."


def section_prompts(section: Section, song: Song) -> list[str]:
    """What the words of a section could be about."""
    return list(section.prompts) or prompts_for(section.name, song.theme)


def bars_text(section: Section) -> str:
    """The chords with how long each lasts: ``C (2 bars), G, Am, F``; a loop that comes twice is said once."""
    chords = [chord.symbol for chord in section.chords]
    half = len(chords) // 2
    twice = half > 1 and chords[:half] == chords[half:]
    runs = [(symbol, len(list(run))) for symbol, run in groupby(chords[:half] if twice else chords)]
    text = ", ".join(symbol if count == 1 else f"{symbol} ({count} bars)" for symbol, count in runs)
    return f"{text}; then the same again" if twice else text


def _theme(song: Song) -> Step:
    images, others = images_of(song.theme)[:6], words_without_images(song.theme)
    hints = [f"To begin with: {'; '.join(images)}."] if images else []
    hints += [f"Ask what each of these looks, sounds or smells like to you: {', '.join(others)}."] if others else []
    return Step(
        "Say what it is about",
        f"Write one sentence about {song.theme.subject} that only you could write, then five things one can see, hear "
        f"or touch. {' '.join(hints)}",
        "Listeners believe what they can picture; the feeling follows by itself.",
    )


def _key(song: Song) -> Step:
    scale = " ".join(song.key.scale)
    character = "brighter" if song.key.mode == "major" else "darker"
    sound = f"{song.mood_name}, as its theme does" if song.mood_from_theme else song.mood_name
    why = f"{song.key.mode.capitalize()} keys sound {character}, and this song is to sound {sound}."
    if song.key.mode != song.mood.mode:
        why = f"You asked for it; {song.key.mode} keys sound {character}, so let the tempo and the words be {sound}."
    return Step(
        "Take a home note",
        f"Play in {song.key.name}: its notes are {scale}, and {_home(song)} is home.{_guitar(song)}",
        why,
    )


def _guitar(song: Song) -> str:
    if not song.capo.fret:
        return ""
    shapes = dict(zip((chord.symbol for chord in song.chords), song.capo.shapes, strict=True))
    played = ", ".join(f"{shape} for {symbol}" for symbol, shape in shapes.items())
    return f" On a guitar, put a capo on fret {song.capo.fret} and play {played}."


def _tempo(song: Song) -> Step:
    low, high = song.mood.tempo_bpm
    return Step(
        "Set the pulse",
        f"Set a metronome to {song.tempo_bpm:g} beats a minute and count to {BEATS_A_BAR} again and again: each round "
        "is a bar.",
        f"Songs that sound {song.mood_name} mostly lie between {low} and {high} beats a minute.",
    )


def _form(song: Song) -> Step:
    lengths = {section.name: len(section.chords) for section in song.sections}
    order = ", ".join(f"{name} ({lengths[name]} bars)" for name in song.form)
    usual = song.form == FORMS[song.style]
    why = FORM_REASONS[song.style] if usual else "It is the order you asked for; parts that come back are remembered."
    return Step("Lay out the parts", f"The song goes: {order}.", why)


def _progressions(song: Song) -> Iterator[Step]:
    for section in song.sections:
        chords = bars_text(section)
        yield Step(f"Play the {section.name}", f"One chord a bar: {chords}.", section_reason(section, song))


def _title_rhythm(song: Song) -> Step:
    beats = title_rhythm(song.theme)
    spoken = ", ".join(_NOTE_WORDS[beat] for beat in beats)
    count = sum(syllables(word) for word in song.theme.title.split())
    return Step(
        "Find the rhythm in the title",
        f"Say “{song.theme.title}” aloud over the pulse, {count} {'note' if count == 1 else 'notes'}: {spoken}. Clap "
        "it until it sits.",
        "Words that are sung as they are spoken need no effort to understand.",
    )


def _melodies(song: Song) -> Iterator[Step]:
    for section in song.sections:
        if section.name in ("intro", "outro"):
            continue
        melody = section.melody
        leans = ", ".join(f"{note} over {chord}" for chord, _, note in melody.lean_on)
        yield Step(
            f"Sing the {section.name}",
            f"Stay between {melody.lowest} and {melody.highest}; {melody.contour}. Hold {leans}.",
            melody.why,
        )


def _lyrics(song: Song) -> Iterator[Step]:
    rhymes = rhymes_of(song.theme)
    for section in song.sections:
        if section.name in ("intro", "outro"):
            continue
        scheme, why = RHYME_SCHEMES[song.style][section.name]
        prompts = " ".join(section_prompts(section, song))
        words = f" Rhymes to try: {', '.join(rhymes)}." if rhymes and section.name == "chorus" else ""
        yield Step(f"Write the {section.name}", f"{prompts} Let its lines rhyme {scheme}.{words}", why)


def _ending(song: Song) -> Step:
    return Step(
        "End it",
        f"Play the parts in order; in the very last bar play {song.chords[-1].symbol} and let it ring.",
        f"{song.chords[-1].symbol} is home: nobody waits for anything after it.",
    )


def _band() -> Step:
    return Step(
        "Hear it with a band",
        "POST /v1/theory/songs with this theme has the requests ready that make the accompaniment and the tabs.",
        "A song shows what it needs once somebody else plays along.",
    )


def _home(song: Song) -> str:
    return song.key.tonic + ("m" if song.key.mode == "minor" else "")
