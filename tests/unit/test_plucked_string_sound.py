"""How the strings sound: level, brightness, decay, place of plucking, body, pickup and tone, and how they must not."""

import numpy as np
import pytest

from core.engines.plucked_string.tone import VOCABULARY, tone_of
from core.theory.fretboard import INSTRUMENTS
from core.theory.notes import frequency_of
from core.theory.techniques import TECHNIQUES
from tests.unit.plucked_string_measures import (
    brightness_hz,
    excerpt,
    level_db,
    mono,
    note,
    partial_hz,
    played,
    ring_seconds,
    spectrum,
    strongest_db,
)

every_instrument = pytest.mark.parametrize("instrument", INSTRUMENTS)


@every_instrument
def test_the_peak_follows_the_velocity_evenly_in_decibels(instrument: str) -> None:
    for velocity in (0.0, 0.25, 0.5, 1.0):
        peak = np.max(np.abs(played(note(instrument, velocity=velocity))))
        assert 20 * np.log10(peak) == pytest.approx(-3 - 33 * (1 - velocity), abs=0.01)


@every_instrument
def test_a_harder_touch_is_louder_and_brighter(instrument: str) -> None:
    sounds = [excerpt(mono(note(instrument, velocity=velocity)), 0, 0.2) for velocity in (0, 0.25, 0.5, 0.75, 1)]
    assert np.all(np.diff([level_db(sound) for sound in sounds]) > 3)
    assert np.all(np.diff([brightness_hz(sound) for sound in sounds]) > 0)
    assert brightness_hz(sounds[-1]) > 1.5 * brightness_hz(sounds[0])


@every_instrument
@pytest.mark.parametrize("parts", [4, 5, 7])
def test_a_string_plucked_at_a_node_of_a_partial_lacks_it(instrument: str, parts: int) -> None:
    def partial_db(place: float) -> float:
        # of the fretted string; fret 2 keeps the pickups off the nodes in question
        request = note(instrument, 1, 2, pick_position=place, velocity=1.0)
        fretted_hz = frequency_of(request.open_pitch + 2)
        sound = excerpt(mono(request), 0.02, 0.3)
        return strongest_db(sound, parts * fretted_hz, 0.01) - strongest_db(sound, fretted_hz, 0.01)

    assert partial_db(1 / parts) < partial_db(1.5 / parts) - 15


@every_instrument
def test_high_partials_die_first(instrument: str) -> None:
    request = note(instrument, INSTRUMENTS[instrument].strings, 0, ["let_ring"], seconds=1.5, velocity=1.0)
    sound, open_hz = mono(request), frequency_of(request.open_pitch)

    def lost_db(number: int) -> float:
        hz = number * open_hz
        return strongest_db(excerpt(sound, 0.1, 0.5), hz) - strongest_db(excerpt(sound, 0.9, 1.3), hz)

    assert lost_db(2) < lost_db(6) < lost_db(11)


def test_steel_rings_longer_than_nylon_and_low_strings_longer_than_high_frets() -> None:
    def ringing(instrument: str, string: int, fret: int) -> float:
        return ring_seconds(mono(note(instrument, string, fret, ["let_ring"], seconds=6)))

    steel, nylon, ukulele = (ringing(name, 1, 0) for name in ("acoustic_guitar", "classical_guitar", "ukulele"))
    assert steel > 3 > nylon > ukulele > 0.8
    for instrument in INSTRUMENTS:
        assert ringing(instrument, INSTRUMENTS[instrument].strings, 0) > 1.15 * ringing(instrument, 1, 15)


def test_no_two_instruments_sound_the_same_note_alike() -> None:
    """Spectra of A4 or, of the bass, of A2 are compared partial by partial, in decibels below the strongest."""
    places = {"acoustic_guitar": (1, 5), "electric_guitar": (1, 5), "classical_guitar": (1, 5), "ukulele": (1, 0)}
    spectra = []
    for instrument, place in places.items():
        sound = excerpt(mono(note(instrument, *place)), 0.02, 0.3)
        levels = np.array([strongest_db(sound, number * 440.0) for number in range(1, 9)])
        spectra.append(levels - levels.max())
    for index, one in enumerate(spectra):
        for other in spectra[index + 1 :]:
            assert np.sqrt(np.mean((one - other) ** 2)) > 3


@every_instrument
def test_both_channels_are_alike_in_level_and_survive_their_sum(instrument: str) -> None:
    for string in range(1, INSTRUMENTS[instrument].strings + 1):
        left, right = played(note(instrument, string, 3)).astype(float)
        assert abs(level_db(left) - level_db(right)) < 2.0
        assert level_db((left + right) / 2) > max(level_db(left), level_db(right)) - 1.5
        wooden = instrument in ("acoustic_guitar", "classical_guitar", "ukulele")
        assert np.array_equal(left, right) != wooden


@every_instrument
@pytest.mark.parametrize("technique", TECHNIQUES)
def test_no_technique_clicks_at_either_end_or_leaves_an_offset(instrument: str, technique: str) -> None:
    audio = played(note(instrument, 2, 4, [technique], velocity=1.0)).astype(float)
    assert np.all(audio[:, [0, -1]] == 0)
    rise = np.sin(np.arange(44) / 44 * np.pi / 2) ** 2
    assert np.all(np.abs(audio[:, :44]) <= 2 * rise)
    assert np.max(np.abs(audio[:, -8:])) < 0.005
    assert np.max(np.abs(audio.mean(axis=1))) < 1e-3


@every_instrument
@pytest.mark.parametrize(
    ("techniques", "details"),
    [((), {}), (("vibrato",), {"vibrato_depth_cents": 100.0}), (("slide",), {"from_fret": 1, "glide_seconds": 1.0})],
)
def test_nothing_folds_back_from_above_half_the_rate(
    instrument: str, techniques: tuple[str, ...], details: dict[str, float]
) -> None:
    """There is no partial above 20 kHz, so what is found there was folded back."""
    highest = INSTRUMENTS[instrument].frets
    request = note(instrument, 1, highest, techniques, velocity=1.0, style="bright", **details)
    hz, magnitude = spectrum(excerpt(mono(request), 0.05, 1.85), 5.0)
    loudest = magnitude.max()
    assert magnitude[hz > 20500].max() < 1e-4 * loudest


@every_instrument
def test_what_lies_between_the_partials_is_80_db_down(instrument: str) -> None:
    request = note(instrument, 1, 12, ["let_ring"], velocity=1.0, style="bright")
    sound = excerpt(mono(request), 0.5, 1.9)
    lowest = partial_hz(sound, request.sounding_hz or 0.0)
    hz, magnitude = spectrum(sound)
    cycles = hz / lowest
    between = (np.abs(cycles - np.round(cycles)) > 0.25) & (hz > 1.5 * lowest) & (hz < 6 * lowest)
    assert 20 * np.log10(magnitude[between].max() / magnitude.max()) < -80


def test_words_steer_the_tone() -> None:
    plain, bright, dark = (
        brightness_hz(excerpt(mono(note(style=style)), 0, 0.5)) for style in ("", "a bright tone", "Dark")
    )
    assert bright > 1.15 * plain > 1.15 * 1.15 * dark
    assert ring_seconds(mono(note(style="muted"))) < 0.7 * ring_seconds(mono(note()))


@pytest.mark.parametrize("instrument", ["electric_guitar", "bass_guitar"])
def test_an_amplifier_is_overdriven_by_degrees(instrument: str) -> None:
    """The more drive, the flatter the wave, and the longer it seems to sustain."""
    sounds = [mono(note(instrument, style=style)) for style in ("clean", "crunchy", "distorted", "metal")]
    crests = [-level_db(sound / np.abs(sound).max()) for sound in sounds]
    assert np.all(np.diff(crests) < -0.5)
    hz = frequency_of(note(instrument).open_pitch + 5)
    for sound in sounds:
        assert abs(1200 * np.log2(partial_hz(excerpt(sound, 0.2, 1.8), hz) / hz)) < 2


def test_wood_is_not_overdriven_and_unknown_words_are_passed_over() -> None:
    plain = played(note("classical_guitar"))
    for style in ("metal", "wonderful", "clean"):
        np.testing.assert_array_equal(played(note("classical_guitar", style=style)), plain)


def test_the_strongest_word_counts_and_clean_takes_all_drive_away() -> None:
    assert tone_of("warm, DARK lead").tilt_db == tone_of("dark").tilt_db
    assert tone_of("crunchy metal").drive_db == tone_of("metal").drive_db
    assert tone_of("clean lead").drive_db == 0
    assert all(tone_of(word) != tone_of("") for word in VOCABULARY - {"clean"})
