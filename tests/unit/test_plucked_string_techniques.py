"""Each technique is heard in what it does to the sound."""

import numpy as np
import pytest

from core.theory.fretboard import INSTRUMENTS
from core.theory.notes import frequency_of
from tests.unit.plucked_string_measures import (
    SAMPLE_RATE,
    brightness_hz,
    excerpt,
    level_db,
    mono,
    note,
    onsets_seconds,
    periodicity,
    ring_seconds,
    spectrum,
    strongest_db,
)

every_instrument = pytest.mark.parametrize("instrument", INSTRUMENTS)


@every_instrument
def test_a_palm_mute_is_short_and_dark(instrument: str) -> None:
    plain, muted = mono(note(instrument)), mono(note(instrument, techniques=["palm_mute"]))
    assert ring_seconds(muted) < 0.5 * ring_seconds(plain)
    assert ring_seconds(muted) < 1.0
    assert brightness_hz(excerpt(muted, 0, 0.3)) < 0.9 * brightness_hz(excerpt(plain, 0, 0.3))


@every_instrument
@pytest.mark.parametrize(("fret", "parts"), [(12, 2), (7, 3), (5, 4), (4, 5)])
def test_only_multiples_of_its_parts_sound_in_a_natural_harmonic(instrument: str, fret: int, parts: int) -> None:
    request = note(instrument, 1, fret, ["harmonic"])
    open_hz = frequency_of(request.open_pitch)
    sound = excerpt(mono(request), 0.2, 1.5)
    heard = strongest_db(sound, parts * open_hz)
    others = [strongest_db(sound, number * open_hz) for number in range(1, 2 * parts) if number % parts]
    assert max(others) < heard - 60


@every_instrument
def test_an_artificial_harmonic_sounds_an_octave_above_the_fretted_note(instrument: str) -> None:
    request = note(instrument, 2, 8, ["harmonic"])
    fretted_hz = frequency_of(request.open_pitch + 8)
    sound = excerpt(mono(request), 0.2, 1.5)
    assert max(strongest_db(sound, fretted_hz), strongest_db(sound, 3 * fretted_hz)) < (
        strongest_db(sound, 2 * fretted_hz) - 60
    )


@every_instrument
@pytest.mark.parametrize(("technique", "origin"), [("hammer_on", 5), ("pull_off", 9)])
def test_a_slur_sets_in_softer_and_darker_than_a_pluck(instrument: str, technique: str, origin: int) -> None:
    plucked = excerpt(mono(note(instrument, 1, 7)), 0, 0.1)
    whole = mono(note(instrument, 1, 7, [technique], from_fret=origin, start_seconds=0.5))
    slurred = excerpt(whole, 0.5, 0.6)
    assert -16 < level_db(slurred) - level_db(excerpt(whole, 0, 0.1)) < -1
    assert brightness_hz(slurred) < 0.97 * brightness_hz(plucked)


@every_instrument
def test_a_tremolo_strikes_at_the_asked_rate(instrument: str) -> None:
    sound = mono(note(instrument, 1, 5, ["tremolo"], tremolo_rate_hz=8.0))
    np.testing.assert_allclose(onsets_seconds(sound), np.arange(16) / 8, atol=0.01)


@every_instrument
def test_a_tremolo_keeps_the_level_that_a_plain_note_loses(instrument: str) -> None:
    plain, tremolo = mono(note(instrument)), mono(note(instrument, techniques=["tremolo"]))
    assert level_db(excerpt(tremolo, 1.5, 1.9)) > level_db(excerpt(tremolo, 0.1, 0.5)) - 1
    assert level_db(excerpt(plain, 1.5, 1.9)) < level_db(excerpt(plain, 0.1, 0.5)) - 3


@every_instrument
def test_a_dead_note_is_a_short_thump_without_a_pitch(instrument: str) -> None:
    plain, dead = mono(note(instrument, 1)), mono(note(instrument, 1, techniques=["dead_note"]))
    assert ring_seconds(dead) < 0.3
    assert level_db(excerpt(dead, 0.5, 1.0)) < level_db(excerpt(dead, 0, 0.1)) - 60
    assert periodicity(excerpt(plain, 0.005, 0.08)) > 0.9
    assert periodicity(excerpt(dead, 0.005, 0.08)) < 0.75


@every_instrument
def test_a_plain_note_is_damped_at_its_end_and_one_left_to_ring_is_not(instrument: str) -> None:
    plain, ringing = mono(note(instrument)), mono(note(instrument, techniques=["let_ring"]))
    np.testing.assert_allclose(excerpt(plain, 0, 1.9), excerpt(ringing, 0, 1.9), atol=1e-6)
    assert level_db(excerpt(plain, 1.96, 1.99)) < level_db(excerpt(ringing, 1.96, 1.99)) - 6
    assert level_db(excerpt(ringing, 1.96, 1.99)) > level_db(excerpt(ringing, 1.8, 1.9)) - 4


@every_instrument
def test_a_bend_rises_from_the_fretted_note_to_where_it_leads(instrument: str) -> None:
    request = note(instrument, 1, 5, ["bend"], bend_semitones=2.0, start_seconds=0.5, glide_seconds=0.3)
    sound = mono(request)
    fretted_hz = frequency_of(request.open_pitch + 5)
    for span, semitones in (((0.1, 0.5), 0), ((0.9, 1.8), 2)):
        hz, magnitude = spectrum(excerpt(sound, *span))
        band = (hz > 0.9 * fretted_hz) & (hz < 1.25 * fretted_hz)
        expected = fretted_hz * 2 ** (semitones / 12)
        assert hz[band][np.argmax(magnitude[band])] == pytest.approx(expected, rel=0.005)


def test_a_note_may_start_to_move_at_once_and_end_on_the_way() -> None:
    for technique in ("bend", "slide", "vibrato", "hammer_on", "pull_off"):
        sound = mono(note("electric_guitar", 2, 5, [technique], seconds=0.1, start_seconds=0.0))
        assert len(sound) == round(0.1 * SAMPLE_RATE)
        assert np.max(np.abs(sound)) > 0.1
