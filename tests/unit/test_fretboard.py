"""Notes by name and by pitch, and the instruments with their tunings."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.theory.fretboard import INSTRUMENTS, Instrument
from core.theory.notes import cents_between, frequency_of, midi_of, note_name, parse_note


@pytest.mark.parametrize(
    ("name", "midi"),
    [
        ("C4", 60), ("A4", 69), ("E2", 40), ("Bb3", 58), ("A#3", 58), ("a♯3", 58), ("b♭3", 58), ("B#3", 60),
        ("Cb4", 59), ("C-1", 0), ("G9", 127), (" E2 ", 40),
    ],
)  # fmt: skip
def test_a_note_has_the_midi_number_that_its_name_says(name: str, midi: int) -> None:
    assert parse_note(name) == midi


@pytest.mark.parametrize("name", ["", "H2", "E", "2", "E10", "E#b2", "E٤", "E 2", "E2 A2", "ée2"])
def test_what_is_no_note_is_refused_and_told_how_to_write_one(name: str) -> None:
    with pytest.raises(ValueError, match="such as E2 or Bb3"):
        parse_note(name)


@pytest.mark.parametrize("name", ["Cb-1", "G#9", "B9"])
def test_a_note_that_midi_has_no_number_for_is_refused(name: str) -> None:
    with pytest.raises(ValueError, match="C-1 to G9"):
        parse_note(name)


@given(st.integers(0, 127))
def test_names_and_frequencies_lead_back_to_the_number(midi: int) -> None:
    assert parse_note(note_name(midi)) == midi
    assert midi_of(frequency_of(midi)) == pytest.approx(midi, abs=1e-9)


def test_an_octave_doubles_and_a_semitone_is_a_hundred_cents() -> None:
    assert (frequency_of(69), frequency_of(57), frequency_of(81)) == (440, 220, 880)
    assert cents_between(frequency_of(61), frequency_of(60)) == pytest.approx(100)
    assert cents_between(220, 440) == pytest.approx(-1200)


@pytest.mark.parametrize(
    ("instrument", "tuning", "pitches"),
    [
        ("acoustic_guitar", "standard", (40, 45, 50, 55, 59, 64)),
        ("electric_guitar", "drop_d", (38, 45, 50, 55, 59, 64)),
        ("classical_guitar", "open_g", (38, 43, 50, 55, 59, 62)),
        ("acoustic_guitar", "half_step_down", (39, 44, 49, 54, 58, 63)),
        ("bass_guitar", "standard", (28, 33, 38, 43)),
        ("ukulele", "standard", (67, 60, 64, 69)),  # the first string as it is written is not the lowest
    ],
)
def test_tunings_are_those_that_players_know(instrument: str, tuning: str, pitches: tuple[int, ...]) -> None:
    assert INSTRUMENTS[instrument].open_pitches(tuning) == pitches


@pytest.mark.parametrize("instrument", INSTRUMENTS.values(), ids=lambda instrument: instrument.name)
def test_every_tuning_has_a_note_for_each_string_within_the_reach_of_a_given_one(instrument: Instrument) -> None:
    for notes in instrument.tunings.values():
        assert instrument.open_pitches(notes) == tuple(map(parse_note, notes))


def test_half_a_step_down_is_a_semitone_on_every_string() -> None:
    for instrument in INSTRUMENTS.values():
        usual, down = instrument.open_pitches("standard"), instrument.open_pitches("half_step_down")
        assert [low - high for low, high in zip(down, usual, strict=True)] == [-1] * instrument.strings


def test_sharps_and_flats_and_case_give_one_tuning() -> None:
    bass = INSTRUMENTS["bass_guitar"]
    assert bass.open_pitches(("D#1", "g#1", "C#2", "F#2")) == bass.open_pitches("half_step_down")


@pytest.mark.parametrize(
    ("tuning", "reason"),
    [
        ("nashville", "it has standard, drop_d, open_g, half_step_down"),
        (("E1", "A1", "D2"), "4 strings; 3 notes"),
        (("E1", "A1", "D2", "H2"), "no note"),
        (("D#0", "A1", "D2", "G2"), "D#0 lies more than an octave"),
        (("E1", "A1", "D2", "G#3"), "G#3 lies more than an octave"),
    ],
)
def test_a_tuning_that_cannot_be_is_refused_with_the_reason(tuning: str | tuple[str, ...], reason: str) -> None:
    with pytest.raises(ValueError, match=reason):
        INSTRUMENTS["bass_guitar"].open_pitches(tuning)


def test_an_octave_to_either_side_is_the_last_that_is_taken() -> None:
    assert INSTRUMENTS["bass_guitar"].open_pitches(("E0", "A2", "D2", "G2")) == (16, 45, 38, 43)
