"""Batches of sounds: which notes are meant, and what is refused."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from core.errors import InvalidRequest
from core.soundbank.batch import MOST_NOTES, BatchNote, NoteSelection, expand, positions
from core.theory.fretboard import INSTRUMENTS
from core.theory.scales import SCALES, pitch_classes

GUITAR = INSTRUMENTS["acoustic_guitar"]
UKULELE = INSTRUMENTS["ukulele"]
STANDARD = GUITAR.open_pitches("standard")


def selection(**fields: Any) -> NoteSelection:
    return NoteSelection.model_validate(fields)


def places(**fields: Any) -> list[tuple[int, int]]:
    return positions(selection(**fields), GUITAR, STANDARD)


def refused(**fields: Any) -> list[tuple[str, str]]:
    """Pointer and message of each error that the request itself is refused with."""
    with pytest.raises(ValidationError) as raised:
        selection(**fields)
    return [("".join(f"/{part}" for part in error["loc"]), error["msg"]) for error in raised.value.errors()]


def refused_for(name: str, **fields: Any) -> dict[str, str]:
    """The same of what only this instrument refuses."""
    instrument = INSTRUMENTS[name]
    with pytest.raises(InvalidRequest) as raised:
        expand(selection(**fields), instrument, instrument.open_pitches("standard"))
    return {error.pointer: error.detail for error in raised.value.errors}


# What is meant


def test_notes_come_from_the_highest_string_number_down_then_up_the_frets_however_they_are_named() -> None:
    named = [{"string": 1, "fret": 3}, {"string": 6, "fret": 5}, {"string": 6, "fret": 0}]
    assert places(notes=named) == places(notes=named[::-1]) == [(6, 0), (6, 5), (1, 3)]


def test_a_region_is_a_rectangle_with_both_its_bounds() -> None:
    assert places(region={"strings": [2, 5], "fret_min": 3, "fret_max": 4}) == [(5, 3), (5, 4), (2, 3), (2, 4)]


def test_a_region_without_strings_takes_all_the_instrument_has() -> None:
    whole = selection(region={"fret_min": 0, "fret_max": 18})
    assert len(positions(whole, UKULELE, UKULELE.open_pitches("standard"))) == 4 * 19


def test_a_scale_finds_the_box_that_every_guitarist_learns_first() -> None:
    box = places(scale={"root": "A", "name": "minor_pentatonic", "fret_min": 5, "fret_max": 8})
    assert box == [(6, 5), (6, 8), (5, 5), (5, 7), (4, 5), (4, 7), (3, 5), (3, 7), (2, 5), (2, 8), (1, 5), (1, 8)]


def test_a_scale_follows_the_tuning() -> None:
    lowest = selection(scale={"root": "D", "name": "major", "strings": [6], "fret_max": 2})
    assert positions(lowest, GUITAR, STANDARD) == [(6, 0), (6, 2)]
    assert positions(lowest, GUITAR, GUITAR.open_pitches("drop_d")) == [(6, 0), (6, 2)]
    assert positions(lowest, GUITAR, GUITAR.open_pitches("half_step_down")) == [(6, 1)]


@given(
    root=st.sampled_from(["C", "F#", "Bb"]),
    name=st.sampled_from(sorted(SCALES)),
    tuning=st.sampled_from(sorted(GUITAR.tunings)),
)
def test_a_scale_is_exactly_the_region_less_what_does_not_belong_to_it(root: str, name: str, tuning: str) -> None:
    pitches = GUITAR.open_pitches(tuning)
    region = positions(selection(region={"fret_min": 0, "fret_max": 20}), GUITAR, pitches)
    scale = positions(selection(scale={"root": root, "name": name, "fret_max": 20}), GUITAR, pitches)
    wanted = pitch_classes(root, name)
    assert scale == [(string, fret) for string, fret in region if (pitches[6 - string] + fret) % 12 in wanted]


def test_every_position_is_played_in_each_layer_from_the_softest_to_the_loudest() -> None:
    chosen = selection(notes=[{"string": 2, "fret": 1}, {"string": 3, "fret": 0}], velocities=[0.9, 0.3])
    assert expand(chosen, GUITAR, STANDARD) == [
        BatchNote(3, 0, 0.3),
        BatchNote(3, 0, 0.9),
        BatchNote(2, 1, 0.3),
        BatchNote(2, 1, 0.9),
    ]


@pytest.mark.parametrize("velocities", [{}, {"velocities": None}])
def test_without_velocities_there_is_one_layer(velocities: dict[str, None]) -> None:
    chosen = selection(notes=[{"string": 1, "fret": 0}], **velocities)
    assert expand(chosen, GUITAR, STANDARD) == [BatchNote(1, 0, 0.8)]


def test_sixteen_layers_as_close_as_midi_tells_them_apart_are_taken() -> None:
    layers = [number / 127 for number in range(112, 128)]
    assert selection(notes=[{"string": 1, "fret": 0}], velocities=layers).velocities == tuple(layers)


# What is refused


NOTE = {"string": 1, "fret": 0}
REGION = {"fret_min": 0, "fret_max": 1}
SCALE = {"root": "A", "name": "minor"}


@pytest.mark.parametrize("ways", [{}, {"notes": [NOTE], "region": REGION}, {"region": REGION, "scale": SCALE}])
def test_the_notes_are_chosen_in_exactly_one_way(ways: dict[str, Any]) -> None:
    assert refused(**ways) == [("", "Value error, name one of notes, region and scale")]


@pytest.mark.parametrize(
    ("fields", "pointer", "message"),
    [
        ({"notes": []}, "/notes", "must name at least one"),
        ({"notes": [NOTE, NOTE]}, "/notes", "each may be named once; string=1 fret=0 comes again"),
        ({"notes": [NOTE] * 1_000_000}, "/notes", "must name at most 150, not 1000000"),
        ({"notes": ["?"] * 1000}, "/notes", "must name at most 150, not 1000"),
        ({"region": REGION | {"strings": [7] * 1000}}, "/region/strings", "must name at most 6, not 1000"),
        ({"notes": [{"string": 0, "fret": 0}]}, "/notes/0/string", "must be 1 to 6, not 0"),
        ({"notes": [{"string": 1, "fret": -1}]}, "/notes/0/fret", "must be 0 to 24, not -1"),
        ({"notes": [NOTE | {"finger": 1}]}, "/notes/0/finger", "not permitted"),
        ({"region": REGION | {"strings": []}}, "/region/strings", "must name at least one"),
        ({"region": REGION | {"strings": [2, 2]}}, "/region/strings", "each may be named once; 2 comes again"),
        ({"region": {"fret_min": 0}}, "/region/fret_max", "required"),
        ({"region": REGION | {"fret_max": 10**9}}, "/region/fret_max", "must be 0 to 24, not 1000000000"),
        ({"region": {"fret_min": 5, "fret_max": 4}}, "/region", "fret_min, 5, must not lie above fret_max, 4"),
        ({"scale": SCALE | {"fret_min": 15}}, "/scale", "fret_min, 15, must not lie above fret_max, 12"),
        ({"scale": SCALE | {"root": "H"}}, "/scale/root", "such as A, F# or Bb"),
        ({"scale": SCALE | {"name": "jazz"}}, "/scale/name", "must be one of major, minor"),
        ({"region": REGION, "velocities": []}, "/velocities", "must name at least one"),
        ({"region": REGION, "velocities": [0.5, 1.1]}, "/velocities/1", "must be 0 to 1, not 1.1"),
        ({"region": REGION, "velocities": [float("nan")]}, "/velocities/0", "must be 0 to 1, not nan"),
        ({"region": REGION, "velocities": [0.5, 0.5]}, "/velocities", "0.5 and 0.5 are the same"),
        ({"region": REGION, "velocities": [0.8, 0.801]}, "/velocities", "0.8 and 0.801 are the same"),
        ({"region": REGION, "velocities": [n / 20 for n in range(17)]}, "/velocities", "must name at most 16, not 17"),
    ],
)
def test_what_does_not_fit_is_refused_at_its_place(fields: dict[str, Any], pointer: str, message: str) -> None:
    errors = refused(**fields)
    assert [place for place, _ in errors] == [pointer]
    assert message in errors[0][1]


def test_each_string_and_fret_that_the_instrument_does_not_have_is_named() -> None:
    asked = [{"string": 1, "fret": 19}, {"string": 6, "fret": 2}, {"string": 2, "fret": 18}]
    assert refused_for("ukulele", notes=asked) == {
        "/notes/0/fret": "ukulele has frets 0 to 18, not 19",
        "/notes/1/string": "ukulele has strings 1 to 4, not 6",
    }
    assert refused_for("bass_guitar", region={"strings": [4, 5], "fret_min": 0, "fret_max": 24}) == {
        "/region/strings/1": "bass_guitar has strings 1 to 4, not 5"
    }
    assert refused_for("classical_guitar", scale=SCALE | {"fret_min": 20, "fret_max": 24}) == {
        "/scale/fret_min": "classical_guitar has frets 0 to 19, not 20",
        "/scale/fret_max": "classical_guitar has frets 0 to 19, not 24",
    }


def test_a_scale_of_which_nothing_lies_in_the_rectangle_is_refused() -> None:
    corner = {"root": "C", "name": "major", "strings": [1], "fret_min": 2, "fret_max": 2}
    assert "no note of C major lies there" in refused_for("acoustic_guitar", scale=corner)["/scale"]


def test_a_batch_of_too_many_notes_is_told_how_many_they_would_be() -> None:
    layers = [n / 10 for n in range(1, 11)]
    whole = {"region": {"fret_min": 0, "fret_max": 24}, "velocities": layers}
    assert refused_for("electric_guitar", **whole) == {
        "": "150 positions in 10 velocities are 1500 notes; a batch has at most 1000"
    }


def test_the_largest_batch_is_taken() -> None:
    bass = INSTRUMENTS["bass_guitar"]
    largest = selection(region={"fret_min": 0, "fret_max": 24}, velocities=[n / 10 for n in range(1, 11)])
    assert len(expand(largest, bass, bass.open_pitches("standard"))) == MOST_NOTES


def test_the_schema_says_what_is_allowed() -> None:
    schema = NoteSelection.model_json_schema()
    assert schema["$defs"]["Position"]["properties"]["fret"]["maximum"] == 24
    assert schema["$defs"]["Scale"]["properties"]["name"]["enum"] == list(SCALES)
    strings, notes, velocities = (
        schema["$defs"]["Region"]["properties"]["strings"]["anyOf"][0],
        schema["properties"]["notes"]["anyOf"][0],
        schema["properties"]["velocities"],
    )
    assert (strings["minItems"], strings["maxItems"], strings["uniqueItems"]) == (1, 6, True)
    assert (notes["minItems"], notes["maxItems"], notes["uniqueItems"]) == (1, 150, True)
    assert (velocities["minItems"], velocities["maxItems"]) == (1, 16)
