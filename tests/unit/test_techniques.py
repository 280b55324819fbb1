"""Techniques: what excludes what, what is filled in, and the pitch that comes of them."""

from __future__ import annotations

from itertools import combinations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.theory.notes import cents_between, frequency_of
from core.theory.techniques import (
    TECHNIQUES,
    Articulation,
    canonical,
    cents_at,
    contradictions,
    settled,
    sounding_hz,
    unused,
)

E4 = 64


def curve(technique: str, fret: int, at_seconds: list[float], **details: float) -> list[float]:
    articulation = settled(Articulation.model_validate(details), (technique,), fret, 2.0)
    return [cents_at(articulation, (technique,), fret, seconds) for seconds in at_seconds]


def test_pluck_contradicts_nothing_and_contradictions_have_no_direction() -> None:
    for one, other in combinations(TECHNIQUES, 2):
        assert bool(contradictions((one, other))) == bool(contradictions((other, one)))
        assert not ("pluck" in (one, other) and contradictions((one, other)))


@pytest.mark.parametrize(
    "pair",
    [
        ("dead_note", "vibrato"), ("dead_note", "harmonic"), ("let_ring", "palm_mute"), ("harmonic", "bend"),
        ("hammer_on", "pull_off"), ("slide", "bend"), ("tremolo", "hammer_on"), ("let_ring", "dead_note"),
    ],
)  # fmt: skip
def test_what_no_hand_can_play_together_is_named(pair: tuple[str, str]) -> None:
    assert [set(found) for found in contradictions(pair)] == [set(pair)]


@pytest.mark.parametrize("pair", [("bend", "vibrato"), ("slide", "vibrato"), ("palm_mute", "tremolo")])
def test_what_goes_together_is_left_alone(pair: tuple[str, str]) -> None:
    assert contradictions(pair) == []


@given(st.permutations(TECHNIQUES), st.integers(0, len(TECHNIQUES)))
def test_the_order_of_techniques_does_not_matter_and_pluck_goes_without_saying(names: list[str], count: int) -> None:
    chosen = names[:count]
    assert set(canonical(chosen)) == {"pluck", *chosen}
    assert canonical(chosen) == canonical(sorted(chosen)) == canonical([*chosen, "pluck"])


def test_a_detail_without_its_technique_is_named_with_those_that_use_it() -> None:
    given = Articulation(bend_semitones=1, from_fret=3, pick_position=0.2)
    assert dict(unused(given, ("bend",))) == {"from_fret": "hammer_on or pull_off or slide"}
    assert dict(unused(given, ("bend", "vibrato", "slide"))) == {}


def test_only_what_the_techniques_need_is_filled_in() -> None:
    assert settled(Articulation(), ("pluck", "palm_mute"), 5, 2.0) == Articulation()
    assert settled(Articulation(), ("bend",), 5, 2.0) == Articulation(
        bend_semitones=1, start_seconds=0.15, glide_seconds=0.2
    )
    assert settled(Articulation(vibrato_depth_cents=50), ("vibrato",), 5, 2.0) == Articulation(
        start_seconds=0.15, vibrato_rate_hz=5.5, vibrato_depth_cents=50
    )


def test_what_is_spelled_out_as_usual_is_as_if_left_out() -> None:
    spelled = Articulation(bend_semitones=1.0, start_seconds=0.15, glide_seconds=0.2)
    assert settled(spelled, ("bend",), 5, 2.0) == settled(Articulation(), ("bend",), 5, 2.0)


@pytest.mark.parametrize("seconds", [0.1, 0.3, 0.5, 30.0])
@pytest.mark.parametrize("technique", ["bend", "slide", "hammer_on", "pull_off", "vibrato"])
def test_what_is_filled_in_fits_notes_of_any_length(technique: str, seconds: float) -> None:
    filled = settled(Articulation(), (technique,), 5, seconds)
    assert (filled.start_seconds or 0) + (filled.glide_seconds or 0) <= seconds / 2


@pytest.mark.parametrize(
    ("technique", "fret", "start"),
    [
        ("hammer_on", 5, 3),
        ("hammer_on", 1, 0),
        ("pull_off", 0, 2),
        ("pull_off", 5, 7),
        ("slide", 5, 3),
        ("slide", 1, 3),
    ],
)
def test_the_finger_comes_from_two_frets_away_where_there_is_room(technique: str, fret: int, start: int) -> None:
    assert settled(Articulation(), (technique,), fret, 2.0).from_fret == start


@pytest.mark.parametrize(
    ("technique", "fret", "details", "reason"),
    [
        ("hammer_on", 0, {}, "comes from a lower one"),
        ("hammer_on", 5, {"from_fret": 5}, "comes from a lower one"),
        ("pull_off", 5, {"from_fret": 5}, "comes from a higher one"),
        ("slide", 5, {"from_fret": 5}, "comes from another one"),
        ("bend", 5, {"start_seconds": 1.9}, "lasts 2 s"),
        ("vibrato", 5, {"start_seconds": 2.0}, "lasts 2 s"),
    ],
)
def test_details_that_do_not_fit_the_note_are_refused(
    technique: str, fret: int, details: dict[str, float], reason: str
) -> None:
    with pytest.raises(ValueError, match=reason):
        settled(Articulation.model_validate(details), (technique,), fret, 2.0)


@given(st.integers(28, 80), st.integers(0, 24))
def test_a_fretted_note_rests_at_its_pitch_whatever_led_there(open_pitch: int, fret: int) -> None:
    for technique in ("pluck", "palm_mute", "hammer_on", "pull_off", "slide", "vibrato", "tremolo", "let_ring"):
        assert sounding_hz(open_pitch, fret, (technique,)) == frequency_of(open_pitch + fret)
    assert sounding_hz(open_pitch, fret, ("bend",), 2.0) == frequency_of(open_pitch + fret + 2)
    assert sounding_hz(open_pitch, fret, ("pluck",), 2.0) == frequency_of(open_pitch + fret)
    assert sounding_hz(open_pitch, fret, ("dead_note",)) is None


@pytest.mark.parametrize(("fret", "parts"), [(12, 2), (7, 3), (19, 3), (5, 4), (24, 4), (4, 5), (9, 5), (16, 5)])
def test_a_natural_harmonic_is_a_multiple_of_the_open_string_and_lies_above_a_node_of_it(fret: int, parts: int) -> None:
    assert sounding_hz(E4, fret, ("harmonic",)) == pytest.approx(parts * frequency_of(E4))
    from_the_bridge = parts * 2 ** (-fret / 12)
    assert from_the_bridge == pytest.approx(round(from_the_bridge), abs=0.05)


def test_where_there_is_no_node_a_harmonic_is_an_octave_above_the_fretted_note() -> None:
    assert sounding_hz(E4, 6, ("harmonic",)) == pytest.approx(2 * frequency_of(E4 + 6))


def test_a_bend_starts_at_the_fretted_note_and_comes_to_rest_where_it_leads() -> None:
    cents = curve("bend", 5, [0, 0.5, 0.75, 1.0, 2.0], bend_semitones=2, start_seconds=0.5, glide_seconds=0.5)
    assert cents == pytest.approx([0, 0, 100, 200, 200])


def test_a_slide_comes_evenly_from_its_fret() -> None:
    assert curve("slide", 7, [0, 0.5, 0.75, 1.0, 2.0], from_fret=3, start_seconds=0.5, glide_seconds=0.5) == (
        pytest.approx([-400, -400, -200, 0, 0])
    )


@pytest.mark.parametrize(("technique", "start", "before"), [("hammer_on", 3, -200), ("pull_off", 9, 400)])
def test_a_finger_that_lands_or_leaves_changes_the_pitch_at_once(technique: str, start: int, before: float) -> None:
    assert curve(technique, 5, [0, 0.49, 0.5, 2.0], from_fret=start, start_seconds=0.5) == [before, before, 0, 0]


def test_a_vibrato_swings_evenly_to_both_sides_after_its_first_swing() -> None:
    quarter = 0.25 / 5
    cents = curve(
        "vibrato", 5, [0.4, 1.5 + quarter, 1.5 + 3 * quarter], start_seconds=0.5, vibrato_rate_hz=5,
        vibrato_depth_cents=40,
    )  # fmt: skip
    assert cents == pytest.approx([0, 40, -40])


def test_where_the_curve_ends_is_where_the_note_rests() -> None:
    for technique in ("bend", "slide", "hammer_on", "pull_off"):
        articulation = settled(Articulation(), (technique,), 5, 2.0)
        end = cents_at(articulation, (technique,), 5, 2.0)
        heard = sounding_hz(E4, 5, (technique,), articulation.bend_semitones or 0.0)
        assert heard is not None
        assert end == pytest.approx(cents_between(heard, frequency_of(E4 + 5)))
