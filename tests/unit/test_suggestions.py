"""Musical truths about what comes next, and what holds for any chords."""

from __future__ import annotations

import math

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from core.songwriting.drawing import draw_progression
from core.songwriting.moods import MOOD_NAMES, MOODS, MoodName
from core.theory.chords import QUALITIES, Chord, parse_chord
from core.theory.harmony import roman
from core.theory.key_finding import find_keys
from core.theory.keys import Key, Mode, key_on, parse_key
from core.theory.notation import parse_progression
from core.theory.statistics import STYLES, Style, chord_model
from core.theory.suggestions import Suggestions, suggest

PLAIN = st.builds(
    lambda root, quality: parse_chord(root + quality),
    st.sampled_from(["C", "D", "Eb", "E", "F", "G", "Ab", "A", "Bb", "B"]),
    st.sampled_from(["", "m", "7", "maj7", "m7"]),
)
PROGRESSIONS = st.lists(PLAIN, min_size=1, max_size=8)


def after(chords: str, style: Style = "pop", key: str | None = None, limit: int = 8) -> Suggestions:
    return suggest(parse_progression(chords.split()), style, parse_key(key) if key else None, limit)


def first(chords: str, style: Style = "pop", key: str | None = None) -> str:
    return after(chords, style, key).suggestions[0].function.roman


def best_key(chords: str, style: Style) -> str:
    return find_keys(parse_progression(chords.split()), style)[0].key.name


# What musicians know


def test_after_the_dominant_of_c_in_jazz_comes_c() -> None:
    found = after("G7", "jazz", "C").suggestions[0]
    assert found.chord.root == 0
    assert found.function.role == "tonic"
    assert found.probability > 0.5


@pytest.mark.parametrize(
    ("chords", "style", "key", "numeral"),
    [
        ("Dm7", "jazz", "C", "V7"),
        ("Dm7 G7", "jazz", "C", "I"),
        ("Bm7b5 E7", "jazz", "A minor", "i"),
        ("Cmaj7 A7", "jazz", "C", "ii7"),
        ("Dm7 G7 Cmaj7 A7 Dm7", "jazz", "C", "V7"),
        ("Am G F", "folk", "A minor", "V7"),
        ("A G D", "rock", "A", "I"),
        ("C G Am", "pop", "C", "IV"),
    ],
)
def test_the_likeliest_chord_is_the_one_that_everybody_expects(
    chords: str, style: Style, key: str, numeral: str
) -> None:
    assert first(chords, style, key) == numeral


@pytest.mark.parametrize(
    ("style", "dominant", "target"), [("jazz", "A7", 2), ("pop", "E7", 9), ("folk", "D7", 7), ("jazz", "E7", 9)]
)
def test_a_secondary_dominant_most_often_goes_where_it_leads(style: Style, dominant: str, target: int) -> None:
    ranked = after(f"C {dominant}", style, "C").suggestions
    assert ranked[0].chord.root == target
    assert "arrives" in ranked[0].reason


def test_a_seventh_pulls_where_the_plain_chord_hardly_does() -> None:
    def chance_of_vi(found: Suggestions) -> float:
        return next(each.probability for each in found.suggestions if each.function.roman == "vi")

    assert chance_of_vi(after("C E7", key="C")) > chance_of_vi(after("C E", key="C"))


def test_a_loop_that_was_heard_is_expected_to_go_on() -> None:
    once, again = after("C Em F", key="C"), after("C Em F G C Em F", key="C")

    def chance_of_v(found: Suggestions) -> float:
        return next(each.probability for each in found.suggestions if each.function.roman == "V")

    assert chance_of_v(again) > chance_of_v(once)
    assert again.suggestions[0].function.roman == "V"


def test_twelve_bars_of_blues_are_recognised_and_followed() -> None:
    bars = ["A7", "D7", "A7", "A7", "D7", "D7", "A7", "A7", "E7", "D7", "A7", "E7"]
    assert after(" ".join(bars[:4]), "blues").suggestions[0].chord.symbol == "D7"
    for known in range(5, 12):
        found = after(" ".join(bars[:known]), "blues")
        assert found.form == "12-bar blues"
        assert found.key.tonic == "A"
        assert found.functions[0].role == "tonic"
        assert any(each.chord.symbol == bars[known] for each in found.suggestions), known
    assert after(" ".join(bars[:5]), "blues").suggestions[0].chord.symbol == "D7", "the form stays for another bar"


def test_other_chords_are_no_blues() -> None:
    assert after("C Am F G C Am", "blues").form == ""
    assert after("C7 C7 C7 C7 F7 F7", "rock").form == ""


@pytest.mark.parametrize(
    ("chords", "style", "key"),
    [
        ("C G Am F", "pop", "C major"),
        ("Am F C G", "pop", "A minor"),
        ("Am Dm E7 Am", "pop", "A minor"),
        ("Dm7 G7 Cmaj7", "jazz", "C major"),
        ("Dm7 G7", "jazz", "C major"),
        ("Bm7b5 E7 Am", "jazz", "A minor"),
        ("Cm7 F7 Bbmaj7", "jazz", "Bb major"),
        ("A G D A", "rock", "A major"),
        ("D G A7 D", "folk", "D major"),
        ("Am G F E", "folk", "A minor"),
        ("C7 F7 C7 C7 F7 F7", "blues", "C major"),
        ("Gb Cb Db7 Gb", "pop", "Gb major"),
    ],
)
def test_the_key_is_found_and_spelled_as_the_chords_are(chords: str, style: Style, key: str) -> None:
    assert best_key(chords, style) == key


def test_a_relative_key_is_an_alternative_and_doubt_is_said() -> None:
    found = after("Am F C G")
    assert found.confidence < 0.8
    assert found.alternatives[0].key.name == "C major"


def test_a_given_key_is_taken_as_it_is() -> None:
    found = after("Am F C G", key="G")
    assert (found.key.name, found.confidence, found.alternatives) == ("G major", 1.0, ())


def test_without_chords_the_song_mostly_begins_at_home() -> None:
    assert after("", key="Eb").suggestions[0].chord.symbol == "Eb"
    assert after("", key="E minor").suggestions[0].function.roman == "i"


@pytest.mark.parametrize("style", STYLES)
@pytest.mark.parametrize("mode", ["major", "minor"])
def test_every_reason_is_one_sentence_that_names_its_chord(style: Style, mode: Mode) -> None:
    for last in ("I", "ii", "V7", "bVII", "V7/V", "vii°"):
        for each in suggest(parse_progression([last], key_on(4, mode)), style, key_on(4, mode), 24).suggestions:
            assert each.chord.symbol in each.reason
            assert each.reason.endswith(".")
            assert each.reason.count(". ") == 0


# What holds for any chords


@settings(deadline=None, max_examples=60)
@given(PROGRESSIONS, st.sampled_from(STYLES), st.integers(1, 24))
def test_probabilities_are_sorted_and_add_up_with_the_rest(chords: list[Chord], style: Style, limit: int) -> None:
    found = suggest(chords, style, limit=limit)
    chances = [each.probability for each in found.suggestions]
    assert all(0 <= chance <= 1 for chance in [*chances, found.rest, found.confidence])
    assert chances == sorted(chances, reverse=True)
    assert math.isclose(sum(chances) + found.rest, 1, abs_tol=1e-9)
    assert len({each.chord.symbol for each in found.suggestions}) == len(chances)


@settings(deadline=None, max_examples=60)
@given(PROGRESSIONS, st.sampled_from(STYLES), st.integers(1, 11))
def test_transposed_chords_get_the_same_suggestions_transposed(
    chords: list[Chord], style: Style, semitones: int
) -> None:
    moved = [
        Chord(key_on(chord.root + semitones, "major").tonic + _quality(chord), (chord.root + semitones) % 12,
              chord.intervals, (chord.bass + semitones) % 12)
        for chord in chords
    ]  # fmt: skip
    here, there = suggest(chords, style), suggest(moved, style)
    assert there.key.pitch_class == (here.key.pitch_class + semitones) % 12
    assert (there.confidence, there.rest) == (here.confidence, here.rest)
    assert [(each.roman, each.role) for each in there.functions] == [(each.roman, each.role) for each in here.functions]
    for one, other in zip(here.suggestions, there.suggestions, strict=True):
        assert other.chord.root == (one.chord.root + semitones) % 12
        assert (other.chord.intervals, other.probability) == (one.chord.intervals, one.probability)
        assert (other.function.roman, other.function.role) == (one.function.roman, one.function.role)


@given(PROGRESSIONS, st.sampled_from(STYLES))
@settings(deadline=None, max_examples=20)
def test_the_same_chords_get_the_same_answer(chords: list[Chord], style: Style) -> None:
    assert suggest(chords, style) == suggest(chords, style)


def _quality(chord: Chord) -> str:
    return chord.symbol.lstrip("ABCDEFG").removeprefix("b")


@pytest.mark.parametrize("style", STYLES)
@pytest.mark.parametrize("mode", ["major", "minor"])
def test_the_chances_of_a_style_are_distributions(style: Style, mode: Mode) -> None:
    model = chord_model(style, mode)
    for chances in (model.starts, model.frequencies, model.after("0M"), model.after("7M", "5M"), model.at_bar(3)):
        assert math.isclose(sum(chances.values()), 1)
        assert min(chances.values()) >= 0
    assert model.after("0M")["0M"] == 0


# Whole progressions


@pytest.mark.parametrize("mood", MOOD_NAMES)
@pytest.mark.parametrize("style", STYLES)
def test_a_progression_begins_at_home_and_leads_back(style: Style, mood: MoodName) -> None:
    described = MOODS[mood]
    key = key_on(2, described.mode)
    for seed in range(5):
        chords = draw_progression(style, described, key, 8, seed)
        assert len(chords) == 8
        assert chords[0].root == key.pitch_class
        assert style == "blues" or chords[-1].root != key.pitch_class or chords[-1].intervals != chords[0].intervals
        assert chords == draw_progression(style, described, key, 8, seed)


def test_a_drawn_progression_moves_with_its_key() -> None:
    for seed in range(10):
        low, high = Key("C"), Key("Ab")
        drawn = [draw_progression("jazz", MOODS["romantic"], key, 8, seed) for key in (low, high)]
        assert [roman(chord, low) for chord in drawn[0]] == [roman(chord, high) for chord in drawn[1]]


def test_a_mood_brings_its_characteristic_chords() -> None:
    def share(mood: MoodName, numeral: str) -> float:
        drawn = [
            roman(chord, Key("C"))
            for seed in range(60)
            for chord in draw_progression("pop", MOODS[mood], Key("C"), 4, seed)
        ]
        return drawn.count(numeral) / len(drawn)

    assert share("nostalgic", "iv") > share("happy", "iv")
    assert share("triumphant", "bVII") > share("romantic", "bVII")
    assert share("calm", "V") < share("happy", "V")


@pytest.mark.parametrize("style", STYLES)
@pytest.mark.parametrize("quality", QUALITIES.values())
def test_every_quality_has_a_place_in_the_key_and_something_that_follows(quality: str, style: Style) -> None:
    for chord in (parse_chord(f"{root}{quality}") for root in ("C", "F#", "Bb")):
        found = suggest([parse_chord("Am"), chord], style)
        assert sum(found.chances.values()) == pytest.approx(1)
        assert len(found.functions) == 2
        for each in found.suggestions:
            assert each.reason.startswith((each.chord.symbol, chord.symbol, "Stay on"))


def test_a_suspended_or_altered_dominant_is_followed_like_the_dominant() -> None:
    plain = after("Dm7 G7", "jazz", "C")
    for symbol in ("G7sus4", "G9sus4", "G7b9", "G7#5", "G7b5", "G13"):
        assert after(f"Dm7 {symbol}", "jazz", "C").chances == plain.chances, symbol


def test_after_a_suspended_secondary_dominant_its_chord_arrives() -> None:
    found = after("C A7sus4 Dm C7sus4 F", key="C")
    assert [each.role for each in found.functions][3] == "secondary dominant"
    reasons = {each.chord.symbol: each.reason for each in after("C C7sus4", key="C", limit=24).suggestions}
    assert reasons["F"] == "C7sus4 pulls towards F: here it arrives."
