"""Songs for themes: what follows from the words, from the seed, and from what is asked for."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from core.generation.request import GenerationRequest
from core.songwriting.forms import FORMS, SECTION_NAMES
from core.songwriting.moods import MOOD_NAMES, MOODS
from core.songwriting.request import LONGEST_THEME, SongRequest
from core.songwriting.song import Song, write_song
from core.songwriting.steps import steps_of
from core.songwriting.themes import mood_of, read_theme, rhymes_of, seed_of, syllables, title_rhythm
from core.songwriting.view import instructions, song_for, song_view
from core.tablature.request import TabRequest
from core.theory.notation import parse_progression
from core.theory.notes import parse_note
from core.theory.statistics import STYLES, Style

THEMES = st.text(min_size=1, max_size=LONGEST_THEME).filter(lambda text: any(each.isalnum() for each in text))


def chords_of(song: Song, name: str) -> list[str]:
    return next([chord.symbol for chord in section.chords] for section in song.sections if section.name == name)


# The theme


def test_the_same_theme_and_seed_give_the_same_song() -> None:
    assert write_song("summer rain", "pop") == write_song("summer rain", "pop")
    assert write_song("summer rain", "pop", seed=1) == write_song("summer rain", "pop", seed=1)
    songs = {write_song("summer rain", "pop", seed=seed).chords for seed in range(10)}
    assert len(songs) > 5


def test_blanks_and_capitals_make_no_other_song() -> None:
    assert seed_of("  Summer\nRAIN ") == seed_of("summer rain")
    assert seed_of("winter rain") != seed_of("summer rain")
    assert 0 <= seed_of("summer rain") < 2**53, "a seed that JSON carries exactly"


@pytest.mark.parametrize(
    ("theme", "mood"),
    [
        ("summer rain", "nostalgic"),
        ("dancing at my birthday party", "happy"),
        ("tears and goodbye", "sad"),
        ("the ghost in the dark", "dark"),
        ("Victory!", "triumphant"),
        ("zxcv qwer", None),
        ("夏の雨", None),
    ],
)
def test_a_mood_follows_from_the_words_that_have_one(theme: str, mood: str | None) -> None:
    assert mood_of(read_theme(theme)) == mood


def test_a_word_without_meaning_of_its_own_is_passed_over() -> None:
    assert read_theme("the story of my grandmother's garden").words == ("story", "grandmother", "garden")
    assert read_theme("it is what it is").words == ("it", "is", "what"), "unless there are no others"


def test_a_long_theme_gets_a_short_title() -> None:
    theme = read_theme("a very long story that goes on and on " * 20)
    assert theme.title == "A Very Long Story That Goes"
    assert theme.subject == theme.title


@pytest.mark.parametrize(
    ("word", "count"), [("rain", 1), ("summer", 2), ("memory", 3), ("fire", 1), ("little", 2), ("a", 1), ("雨", 1)]
)
def test_syllables_are_counted_by_their_vowels(word: str, count: int) -> None:
    assert syllables(word) == count


def test_the_title_has_a_note_for_each_syllable_and_rests_on_the_last() -> None:
    assert title_rhythm(read_theme("summer rain")) == [1.0, 0.5, 2.0]


def test_rhymes_are_those_of_the_last_word_that_has_any() -> None:
    assert "train" in rhymes_of(read_theme("summer rain"))
    assert "rain" not in rhymes_of(read_theme("summer rain"))
    assert "bright" in rhymes_of(read_theme("a night of xylophones"))
    assert rhymes_of(read_theme("xylophones")) == []


# The song


def test_a_song_without_wishes_follows_its_theme() -> None:
    song = write_song("summer rain", "pop")
    assert song.mood_name == "nostalgic"
    assert song.key.mode == "major"
    low, high = MOODS["nostalgic"].tempo_bpm
    assert low <= song.tempo_bpm <= high
    assert song.form == FORMS["pop"]


def test_wishes_are_granted() -> None:
    song = write_song(
        "rain", "rock", key_name="B♭ minor", tempo_bpm=77.5, mood_name="triumphant", form=("chorus", "verse"), seed=3
    )
    assert (song.key.name, song.tempo_bpm, song.mood_name) == ("Bb minor", 77.5, "triumphant")
    assert (song.form, song.seed) == (("chorus", "verse"), 3)
    assert "You asked for it" in steps_of(song)[1].why


@pytest.mark.parametrize("style", STYLES)
@pytest.mark.parametrize("mood", MOOD_NAMES)
def test_every_song_ends_at_home_and_its_bridge_waits_for_it(style: Style, mood: str) -> None:
    for seed in range(3):
        song = write_song("x", style, mood_name=mood, seed=seed, form=SECTION_NAMES)  # type: ignore[arg-type]  # any str
        assert song.chords[-1].root == song.key.pitch_class
        bridge = next(section for section in song.sections if section.name == "bridge")
        assert bridge.chords[-1].root == (song.key.pitch_class + 7) % 12
        assert sum(len(section.chords) for section in song.sections) == len(song.chords)


def test_a_verse_and_its_chorus_have_chords_of_their_own() -> None:
    for seed in range(20):
        song = write_song("x", "pop", seed=seed)
        assert chords_of(song, "verse") != chords_of(song, "chorus")


def test_jazz_has_thirty_two_bars_and_blues_twelve_that_turn_in_the_fifth() -> None:
    assert len(write_song("night", "jazz").chords) == 32
    for seed in range(10):
        song = write_song("night", "blues", key_name="A", seed=seed)
        verse = chords_of(song, "verse")
        assert len(verse) == 12
        assert (verse[0], verse[4]) == ("A7", "D7")


def test_the_chorus_lies_higher_than_the_verse_in_a_range_that_voices_have() -> None:
    for seed in range(20):
        sections = {each.name: each.melody for each in write_song("x", "pop", seed=seed).sections}
        verse, chorus = sections["verse"], sections["chorus"]
        assert parse_note(chorus.lowest) > parse_note(verse.lowest)
        assert parse_note(chorus.highest) > parse_note(verse.highest)
        assert 48 <= parse_note(verse.lowest) < parse_note(chorus.highest) <= 84


def test_notes_to_hold_belong_to_their_chord_and_to_the_scale() -> None:
    for seed in range(20):
        song = write_song("x", "jazz", seed=seed)
        for section in song.sections:
            for symbol, degree, note in section.melody.lean_on:
                chord = parse_progression([symbol])[0]
                assert parse_note(f"{note}4") % 12 in chord.pitch_classes
                assert song.key.scale[degree - 1] == note


# What is shown


def test_every_step_is_an_instruction_with_its_reason() -> None:
    steps = instructions("summer rain").instructions
    assert len(steps) > 10
    assert all(step.endswith(".") and ".." not in step for step in steps)
    assert any("Summer Rain" in step for step in steps)
    assert len(set(steps)) == len(steps)


@settings(deadline=None, max_examples=30)
@given(THEMES, st.sampled_from(STYLES), st.integers(-(2**53), 2**53))
def test_any_theme_gets_a_song_whose_chords_can_be_read(theme: str, style: Style, seed: int) -> None:
    view = song_view(write_song(theme, style, seed=seed))
    chords = parse_progression(view.chords)
    assert len(chords) == view.bars
    for section in view.sections:
        read = parse_progression(section.roman, write_song(theme, style, seed=seed).key)
        assert [chord.root for chord in read] == [chord.root for chord in parse_progression(section.chords)]
    assert len(view.title) <= 60


@pytest.mark.parametrize("style", STYLES)
def test_its_own_requests_make_that_very_song(style: Style) -> None:
    view = song_view(song_for(SongRequest(theme="summer rain", style=style)))
    ready = view.requests["accompaniment"]
    assert ready.path == "/v1/generations"
    generation = GenerationRequest.model_validate(ready.body)
    assert list(generation.parameters.chord_progression) == view.chords
    assert generation.parameters.target_bpm == view.tempo_bpm
    assert generation.parameters.duration_seconds >= view.bars * 4 * 60 / view.tempo_bpm
    for name in ("guitar_tab", "bass_tab"):
        tab = TabRequest.model_validate(view.requests[name].body)
        assert list(tab.chords) == view.chords
        assert tab.tempo_bpm == view.tempo_bpm


def test_the_longest_and_slowest_song_still_has_an_accompaniment() -> None:
    request = SongRequest(theme="x", style="blues", tempo_bpm=30, form=("verse",) * 12)
    view = song_view(song_for(request))
    generation = GenerationRequest.model_validate(view.requests["accompaniment"].body)
    assert generation.parameters.duration_seconds == 600 < view.duration_seconds
    assert len(generation.parameters.chord_progression) == 144


def test_a_form_that_repeats_a_part_repeats_its_chords() -> None:
    song = write_song("x", "folk", form=("verse", "verse"), seed=5)
    first, second = song.chords[:8], song.chords[8:]
    assert first[:-1] == second[:-1]
