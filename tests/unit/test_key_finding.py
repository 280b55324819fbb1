"""Where the key of a progression changes, as musicians hear it."""

from __future__ import annotations

from itertools import product
from random import Random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from core.songwriting.drawing import draw_progression
from core.songwriting.moods import MOOD_NAMES, MOODS
from core.theory.chords import Chord, parse_chord
from core.theory.key_decoding import _STAY, KEYS, _moves, decoded
from core.theory.key_finding import find_keys, key_spans, read_keys
from core.theory.keys import key_on
from core.theory.notation import parse_progression
from core.theory.statistics import STYLES, Style
from core.theory.suggestions import suggest
from core.theory.transposition import transposed

UP_A_STEP = ["C", "F", "G", "C", "D", "G", "A", "D"]
SYMBOLS = st.builds(
    lambda root, quality: root + quality,
    st.sampled_from(["C", "D", "Eb", "E", "F", "G", "Ab", "A", "Bb", "B"]),
    st.sampled_from(["", "m", "7", "maj7", "m7", "dim7"]),
)
PROGRESSIONS = st.lists(SYMBOLS, min_size=1, max_size=24).map(parse_progression)


def spans(chords: str, style: Style = "pop") -> list[tuple[int, int, str]]:
    return [(each.start, each.end, each.key.name) for each in key_spans(parse_progression(chords.split()), style)]


@pytest.mark.parametrize(
    ("chords", "style", "expected"),
    [
        ("C F G C D G A D", "pop", [(0, 4, "C major"), (4, 8, "D major")]),
        ("C F G C D G A D", "rock", [(0, 4, "C major"), (4, 8, "D major")]),
        ("C F G C D G A D", "folk", [(0, 4, "C major"), (4, 8, "D major")]),
        ("C Am F G C Am F G C# A#m F# G# C# A#m F# G#", "pop", [(0, 8, "C major"), (8, 16, "C# major")]),
        ("C Am F G C Am F G Db Bbm Gb Ab Db Bbm Gb Ab", "pop", [(0, 8, "C major"), (8, 16, "Db major")]),
        ("Am Dm E7 Am Dm G C F C G C", "rock", [(0, 4, "A minor"), (4, 11, "C major")]),
        ("G C D G E A B E", "pop", [(0, 4, "G major"), (4, 8, "E major")]),
        (
            "Dm7 G7 Cmaj7 Cm7 F7 Bbmaj7 Bbm7 Eb7 Abmaj7", "jazz",
            [(0, 3, "C major"), (3, 6, "Bb major"), (6, 9, "Ab major")],
        ),
    ],
)  # fmt: skip
def test_a_change_of_key_is_found_where_it_happens(
    chords: str, style: Style, expected: list[tuple[int, int, str]]
) -> None:
    assert spans(chords, style) == expected


@pytest.mark.parametrize("style", ["pop", "rock", "folk"])
def test_a_chord_of_both_keys_can_be_the_pivot(style: Style) -> None:
    first, second = spans("C Em F G C Em F G C D7 G Em C D7 G Em C D7 G", style)
    assert (first[2], second[2]) == ("C major", "G major")
    assert 7 <= second[0] <= 9, "the new key begins between G, its tonic, and D7, its first chord outside C major"


@pytest.mark.parametrize("style", ["pop", "rock", "jazz", "folk"])
@pytest.mark.parametrize(
    "chords",
    [
        "C A7 Dm G C",
        "C F Fm C C F Fm C",
        "C C7 F G C",
        "Cmaj7 A7 Dm7 G7 Em7 A7 Dm7 G7 Cmaj7 C7 Fmaj7 Fm6 Em7 A7 Dm7 G7 C",
        "C G Am Em F C F G C",
    ],
)
def test_what_only_passes_outside_the_key_does_not_change_it(chords: str, style: Style) -> None:
    assert [key for _, _, key in spans(chords, style)] == ["C major"]


def test_the_sevenths_of_a_blues_do_not_change_its_key() -> None:
    assert [key for *_, key in spans("C7 F7 C7 C7 F7 F7 C7 C7 G7 F7 C7 G7", "blues")] == ["C major"]


def test_chords_that_are_held_change_nothing() -> None:
    held = " ".join(chord for chord in UP_A_STEP for _ in range(3))
    assert spans(held) == [(0, 12, "C major"), (12, 24, "D major")]


def test_without_chords_there_is_no_key() -> None:
    assert key_spans([]) == ()


@given(PROGRESSIONS, st.sampled_from(STYLES))
@settings(deadline=None, max_examples=60)
def test_spans_follow_each_other_without_gaps_and_end_where_the_progression_is(
    chords: list[Chord], style: Style
) -> None:
    reading = read_keys(chords, style)
    assert reading.spans[0].start == 0
    assert reading.spans[-1].end == len(chords)
    for one, other in zip(reading.spans, reading.spans[1:], strict=False):
        assert one.start < one.end == other.start
        assert (one.key.pitch_class, one.key.mode) != (other.key.pitch_class, other.key.mode)
        assert len({(chord.root, chord.intervals) for chord in chords[one.start : one.end]}) > 1, "no key of one chord"
    assert all(0 <= span.confidence <= 1 for span in reading.spans)
    assert reading.spans[-1].key == reading.ranked[0].key
    assert sum(found.confidence for found in reading.ranked) == pytest.approx(1)
    assert len(reading.ranked) == 24


@given(PROGRESSIONS, st.sampled_from(STYLES))
@settings(deadline=None, max_examples=60)
def test_where_the_key_stays_it_is_the_one_that_was_always_found(chords: list[Chord], style: Style) -> None:
    reading = read_keys(chords, style)
    if len(reading.spans) == 1:
        assert list(reading.ranked) == find_keys(chords, style)


@given(PROGRESSIONS, st.sampled_from(STYLES), st.integers(1, 11))
@settings(deadline=None, max_examples=60)
def test_transposed_chords_change_their_key_at_the_same_places(
    chords: list[Chord], style: Style, semitones: int
) -> None:
    here, there = key_spans(chords, style), key_spans(transposed(chords, semitones), style)
    assert [(each.start, each.end, each.confidence) for each in here] == [
        (each.start, each.end, each.confidence) for each in there
    ]
    for one, other in zip(here, there, strict=True):
        assert other.key.pitch_class == (one.key.pitch_class + semitones) % 12
        assert other.key.mode == one.key.mode


def test_each_chord_does_what_it_does_in_its_own_key() -> None:
    found = suggest(parse_progression(UP_A_STEP), "pop")
    assert [function.roman for function in found.functions] == ["I", "IV", "V", "I"] * 2
    assert found.key.name == "D major"
    assert found.suggestions[0].chord.symbol in ("G", "A")


def test_a_given_key_holds_for_all_chords() -> None:
    found = suggest(parse_progression(UP_A_STEP), "pop", key_on(0, "major"))
    assert [(span.start, span.end, span.key.name) for span in found.spans] == [(0, 8, "C major")]
    assert found.functions[-1].roman == "V/V"


@pytest.mark.parametrize("style", ["pop", "rock", "jazz", "folk"])
def test_in_drawn_songs_most_changes_are_found_and_hardly_any_is_made_up(style: Style) -> None:
    """Eight bars twice, and eight bars and eight others in another key, in every mood."""
    random = Random(1)
    made_up, found, songs = 0, 0, 55
    for seed in range(songs):
        mood = MOODS[MOOD_NAMES[seed % len(MOOD_NAMES)]]
        key = key_on(random.randrange(12), mood.mode)
        first, second = (
            draw_progression(style, mood, each, 8, random.getrandbits(32))
            for each in (key, key.moved(random.choice([1, 2, 3, 5, 7, 9, 10])))
        )
        made_up += len(key_spans(first + first, style)) > 1
        found += any(abs(span.start - 8) <= 1 for span in key_spans(first + second, style))
    assert made_up <= 0.1 * songs
    assert found >= 0.75 * songs


# The decoding


def test_a_key_is_only_left_for_another_that_explains_more() -> None:
    even, sure = [1.0] * len(KEYS), [0.01] * len(KEYS)
    sure[5] = 1.0
    path, posteriors = decoded([even, sure, sure, even, even], [even, sure, sure, even, even])
    assert path == [5] * 5
    assert all(max(row) == row[5] for row in posteriors)
    assert all(sum(row) == pytest.approx(1) for row in posteriors)


@pytest.mark.parametrize("seed", range(5))
def test_the_decoding_is_that_of_going_through_all_sequences_of_keys(seed: int) -> None:
    random = Random(seed)
    opening, going_on = ([[random.random() ** 4 for _ in KEYS] for _ in range(5)] for _ in range(2))
    weights: dict[tuple[int, ...], float] = {}
    for path in product(range(len(KEYS)), repeat=2):
        for lengths in ((5,), (2, 3), (3, 2)):
            if len(lengths) == 1 + (path[0] != path[1]):
                keys = tuple(key for key, length in zip(path, lengths, strict=False) for _ in range(length))
                weights[keys] = _weight_of(keys, opening, going_on)
    total = sum(weights.values())
    found, posteriors = decoded(opening, going_on)
    for step in range(5):
        for key in range(len(KEYS)):
            share = sum(weight for keys, weight in weights.items() if keys[step] == key) / total
            assert posteriors[step][key] == pytest.approx(share, abs=1e-9)
    assert max(posteriors[-1]) == posteriors[-1][found[-1]]
    assert tuple(found) == max((keys for keys in weights if keys[-1] == found[-1]), key=weights.__getitem__)


def _weight_of(keys: tuple[int, ...], opening: list[list[float]], going_on: list[list[float]]) -> float:
    weight = opening[0][keys[0]]
    settled = False
    for step in range(1, len(keys)):
        one, other = keys[step - 1], keys[step]
        if one != other:
            weight *= _moves()[other][one] * opening[step][other]
        else:
            weight *= (_STAY if settled else 1.0) * going_on[step][other]
        settled = one == other
    return weight


def test_keys_with_much_in_common_are_reached_sooner() -> None:
    c_major, g_major, f_sharp_major = (KEYS.index((above, "major")) for above in (0, 7, 6))
    moves = _moves()
    assert moves[g_major][c_major] > moves[f_sharp_major][c_major] > 0
    assert all(sum(row) + _STAY == pytest.approx(1) for row in moves)
    assert all(moves[one][other] == moves[other][one] for one in range(24) for other in range(24))


def test_five_hundred_chords_that_follow_no_key_are_read() -> None:
    roots = ("C", "F#", "A", "Eb")
    chords = [parse_chord(roots[index * index % 4] + ("m" if index % 3 else "7")) for index in range(500)]
    assert read_keys(chords, "jazz").spans[-1].end == 500
