"""The strings are in tune, wherever they are stopped and whatever is done to them."""

import numpy as np
import pytest

from core.theory.fretboard import INSTRUMENTS
from core.theory.notes import cents_between, frequency_of
from tests.unit.plucked_string_measures import (
    deviation_cents,
    deviations_cents,
    excerpt,
    mono,
    note,
    partial_hz,
)

NECK_CENTS = 2.0
CURVE_CENTS = 5.0
CURVES = [
    (("bend",), {}),
    (("bend",), {"bend_semitones": 4.0, "start_seconds": 0.3, "glide_seconds": 0.5}),
    (("vibrato",), {}),
    (("vibrato",), {"vibrato_rate_hz": 3.0, "vibrato_depth_cents": 100.0, "start_seconds": 0.4}),
    (("bend", "vibrato"), {"start_seconds": 0.2, "glide_seconds": 0.5}),
    (("slide",), {"glide_seconds": 0.6}),
    (("slide",), {"from_fret": 12, "glide_seconds": 1.0}),
    (("let_ring", "vibrato"), {"vibrato_depth_cents": 50.0}),
    (("palm_mute", "bend"), {}),
]


@pytest.mark.parametrize("instrument", INSTRUMENTS)
def test_every_fret_of_every_string_is_in_tune(instrument: str) -> None:
    neck = INSTRUMENTS[instrument]
    places = [(string, fret) for string in range(1, neck.strings + 1) for fret in range(neck.frets + 1)]
    off = {place: deviation_cents(note(instrument, *place, seconds=0.7), 0.1, 0.6) for place in places}
    assert {place: cents for place, cents in off.items() if abs(cents) > NECK_CENTS} == {}


@pytest.mark.parametrize("instrument", INSTRUMENTS)
def test_every_open_string_of_every_tuning_is_in_tune(instrument: str) -> None:
    neck = INSTRUMENTS[instrument]
    for tuning in neck.tunings:
        for string in range(1, neck.strings + 1):
            assert abs(deviation_cents(note(instrument, string, 0, seconds=0.7, tuning=tuning), 0.1, 0.6)) < NECK_CENTS


@pytest.mark.parametrize("velocity", [0.0, 1.0])
def test_a_note_is_in_tune_however_hard_it_is_plucked(velocity: float) -> None:
    for instrument in INSTRUMENTS:
        assert abs(deviation_cents(note(instrument, velocity=velocity), 0.2, 1.8)) < NECK_CENTS


@pytest.mark.parametrize(("techniques", "details"), CURVES)
@pytest.mark.parametrize("instrument", INSTRUMENTS)
def test_the_pitch_follows_the_asked_curve(
    instrument: str, techniques: tuple[str, ...], details: dict[str, float]
) -> None:
    request = note(instrument, string=1, fret=7, techniques=techniques, **details)
    times, off = deviations_cents(mono(request), request)
    held = (times > 0.1) & (times < (0.5 if "palm_mute" in techniques else 1.8))
    assert np.max(np.abs(off[held])) < CURVE_CENTS


@pytest.mark.parametrize(("technique", "origin"), [("hammer_on", 5), ("hammer_on", 0), ("pull_off", 9)])
@pytest.mark.parametrize("instrument", INSTRUMENTS)
def test_a_slur_steps_from_one_fret_to_the_other(instrument: str, technique: str, origin: int) -> None:
    request = note(instrument, 1, 7, [technique], from_fret=origin, start_seconds=0.8)
    sound = mono(request)
    before, after = frequency_of(request.open_pitch + origin), frequency_of(request.open_pitch + 7)
    assert abs(cents_between(partial_hz(excerpt(sound, 0.15, 0.79), before), before)) < NECK_CENTS
    assert abs(cents_between(partial_hz(excerpt(sound, 0.9, 1.8), after), after)) < NECK_CENTS


@pytest.mark.parametrize("fret", [4, 5, 7, 9, 12, 3, 8])
@pytest.mark.parametrize("instrument", INSTRUMENTS)
def test_a_harmonic_sounds_where_theory_has_it(instrument: str, fret: int) -> None:
    assert abs(deviation_cents(note(instrument, 2, fret, ["harmonic"]), 0.2, 1.2)) < NECK_CENTS


def test_partials_are_stretched_as_a_stiff_string_stretches_them() -> None:
    # 0.305 mm of steel, 0.648 m long, at 104 N: B = 1.9e-5, and four times that when the string is half as long
    for fret, stiffness in ((0, 1.92e-5), (12, 7.68e-5)):
        sound = excerpt(mono(note("acoustic_guitar", 1, fret, velocity=1.0)), 0.05, 0.5)
        lowest = partial_hz(sound, frequency_of(64 + fret))
        for number in (4, 8):
            expected = lowest * number * np.sqrt((1 + stiffness * number**2) / (1 + stiffness))
            assert abs(cents_between(partial_hz(sound, expected), expected)) < 1.0
            assert cents_between(expected, number * lowest) == pytest.approx(
                600 / np.log(2) * stiffness * (number**2 - 1), rel=0.01
            )


@pytest.mark.parametrize("instrument", INSTRUMENTS)
def test_a_tremolo_is_one_tone_and_not_one_for_each_stroke(instrument: str) -> None:
    for string in range(1, INSTRUMENTS[instrument].strings + 1):
        assert abs(deviation_cents(note(instrument, string, 5, ["tremolo"]), 0.2, 1.8)) < NECK_CENTS
