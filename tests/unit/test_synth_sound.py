"""What is heard: measured on the samples."""

import math

import numpy as np
import pytest

from core.engines.synth.oscillators import centred, cycle, shape, steady_phase, tone
from core.engines.synth.voices import drums, guitar, pad, vocals
from core.theory.chords import parse_chord
from core.theory.notes import frequency_of
from tests.unit.synth_measures import (
    CHORDS,
    SAMPLE_RATE,
    STYLES,
    excerpt,
    instantaneous_hz,
    level_by_step,
    mono,
    nearest_distances,
    onsets_seconds,
    rendered,
    request,
    spectrum,
    strongest_classes,
    strongest_hz,
)


def at(values: np.ndarray, seconds: float) -> float:
    return float(values[round(seconds * SAMPLE_RATE)])


def test_the_kick_sweeps_from_80_to_40_hz_and_decays_exponentially() -> None:
    kick = drums.kick_body(round(0.4 * SAMPLE_RATE)).astype(float)
    swept = instantaneous_hz(kick, 10, 200)
    assert at(swept, 0.01) == pytest.approx(40 + 40 * math.exp(-0.01 / drums.KICK_SETTLE_SECONDS), abs=3)
    assert at(swept, 0.1) == pytest.approx(40 + 40 * math.exp(-0.1 / drums.KICK_SETTLE_SECONDS), abs=2)
    assert at(swept, 0.22) == pytest.approx(40, abs=1.5)
    envelope = np.log(level_by_step(kick[2205:], 0.05)[:5])  # 50 ms hold two cycles
    assert np.diff(envelope) == pytest.approx(-0.05 / drums.KICK_DECAY_SECONDS, abs=0.25)


@pytest.mark.parametrize("style", STYLES)
@pytest.mark.parametrize("tempo_bpm", [80.0, 137.0])
def test_drums_are_heard_on_the_beats_of_the_tempo(style: str, tempo_bpm: float) -> None:
    beat = 60 / tempo_bpm
    heard = onsets_seconds(mono(rendered(request("drums", 12 * beat, tempo_bpm, style))), threshold=0.1)
    assert max(nearest_distances(heard, [index * beat for index in range(1, 12)])) < 0.012


def test_drums_have_a_snare_and_a_hat_besides_the_kick() -> None:
    drum_stem = rendered(request("drums", 4, style="rock"))
    backbeat, downbeat = excerpt(drum_stem, 2.5, 2.6), excerpt(drum_stem, 2.0, 2.1)
    offbeat = excerpt(drum_stem, 2.25, 2.35)
    assert band_energy(backbeat, 300, 4000) > 10 * band_energy(downbeat, 300, 4000)
    assert band_energy(offbeat, 8000, 20000) > 10 * band_energy(offbeat, 300, 4000)
    assert band_energy(downbeat, 30, 100) > 10 * band_energy(offbeat, 30, 100)


def band_energy(sound: np.ndarray, low_hz: float, high_hz: float) -> float:
    hz, magnitude = spectrum(sound)
    return float(np.sum(magnitude[(hz >= low_hz) & (hz < high_hz)] ** 2))


@pytest.mark.parametrize("style", ["pop", "jazz", "ballad"])
def test_the_bass_peaks_at_the_root_with_its_second_harmonic(style: str) -> None:
    stem = rendered(request("bass", 8, style=style))
    for bar, root_hz in enumerate([65.41, 49.00, 55.00, 43.65]):
        first_beat = excerpt(stem, 2 * bar + 0.02, 2 * bar + 0.5)
        assert strongest_hz(first_beat, 25, 400) == pytest.approx(root_hz, abs=0.8)
        assert strongest_hz(first_beat, 1.6 * root_hz, 2.4 * root_hz) == pytest.approx(2 * root_hz, abs=0.8)


def test_a_slash_bass_is_played_by_the_bass() -> None:
    assert strongest_hz(excerpt(rendered(request("bass", 2, chords=("D/F#",))), 0.1, 0.6), 25, 400) == pytest.approx(
        46.25, abs=0.8
    )


@pytest.mark.parametrize("style", STYLES)
@pytest.mark.parametrize(
    ("stem", "low_hz", "high_hz"), [("guitar", 140, 420), ("piano", 200, 480), ("synth", 190, 400)]
)
def test_each_bar_sounds_its_own_chord(stem: str, low_hz: float, high_hz: float, style: str) -> None:
    audio = rendered(request(stem, 8, style=style))
    for bar, symbol in enumerate(CHORDS):
        heard = strongest_classes(excerpt(audio, 2 * bar + 0.1, 2 * bar + 1.95), 3, low_hz, high_hz)
        assert heard == set(parse_chord(symbol).pitch_classes)


@pytest.mark.parametrize(
    ("stem", "low_hz", "high_hz"), [("guitar", 140, 420), ("piano", 200, 480), ("synth", 190, 400)]
)
def test_the_chord_changes_at_the_bar_line(stem: str, low_hz: float, high_hz: float) -> None:
    audio = rendered(request(stem, 4, style="rock", chords=("C", "F#m")))
    before, after = excerpt(audio, 1.5, 1.98), excerpt(audio, 2.25, 2.7)
    assert strongest_classes(before, 3, low_hz, high_hz) == {0, 4, 7}
    assert strongest_classes(after, 3, low_hz, high_hz) == {6, 9, 1}


@pytest.mark.parametrize("symbol", ["C", "Am", "Bdim", "Ebmaj7"])
def test_the_voice_sings_chord_tones(symbol: str) -> None:
    audio = rendered(request("vocals", 2, style="electronic", chords=(symbol,)))
    assert strongest_classes(excerpt(audio, 0.1, 0.7), 1, 110, 310) <= set(parse_chord(symbol).pitch_classes)


def test_the_voice_has_a_vibrato_of_5_hz() -> None:
    sung = mono(vocals.note(48, 4 * SAMPLE_RATE, 0.0))
    pitch = instantaneous_hz(sung, 100, 160)[SAMPLE_RATE : 3 * SAMPLE_RATE]
    assert strongest_hz(pitch - pitch.mean(), 1, 20) == pytest.approx(5, abs=0.3)
    assert pitch.mean() == pytest.approx(frequency_of(48), abs=0.5)
    assert 1200 * math.log2(pitch.max() / pitch.mean()) == pytest.approx(vocals.VIBRATO_CENTS, abs=4)


@pytest.mark.parametrize("pitch", [43, 48, 55])
def test_the_voice_has_formants_at_500_and_1500_hz(pitch: int) -> None:
    sung = mono(vocals.note(pitch, 2 * SAMPLE_RATE, 0.0))
    spacing = frequency_of(pitch)
    assert strongest_hz(sung, 250, 900) == pytest.approx(500, abs=spacing / 2 + 25)
    assert strongest_hz(sung, 1100, 2500) == pytest.approx(1500, abs=spacing / 2 + 75)
    valley = band_energy(sung, 900, 1100)
    assert band_energy(sung, 400, 600) > 20 * valley
    assert band_energy(sung, 1400, 1600) > 4 * valley


def test_the_guitar_lies_around_g3_and_saturates_the_more_the_harder_it_is_driven() -> None:
    def fifth_harmonic(drive: float) -> float:  # the string itself has none, where it is plucked
        [sound] = guitar.string(55, SAMPLE_RATE, drive, 0.0, muted=False)
        assert strongest_hz(sound.astype(float), 50, 5000) == pytest.approx(196.0, abs=1)
        return band_energy(sound, 960, 1000) / band_energy(sound, 180, 210)

    assert 10 * fifth_harmonic(0.7) < 2 * fifth_harmonic(1.8) < fifth_harmonic(4.0)


def test_a_muted_string_dies_soon() -> None:
    open_string, muted = (guitar.string(55, SAMPLE_RATE // 2, 1.0, 0.0, muted=m)[0] for m in (False, True))
    assert level_by_step(muted.astype(float), 0.1)[3] < 0.02 * level_by_step(open_string.astype(float), 0.1)[3]


@pytest.mark.parametrize("style", ["rock", "pop", "jazz"])
def test_piano_chords_decay(style: str) -> None:
    long = rendered(request("piano", 8, 30, style, chords=("C",)))
    level = level_by_step(excerpt(long, 0.15, 0.95), 0.2)
    assert np.all(np.diff(level) < 0)


def test_the_pad_is_made_of_1_1_5_and_2_harmonics() -> None:
    sound = mono(pad.note(60, 2 * SAMPLE_RATE, 0.1, 0.0))
    hz, magnitude = spectrum(sound)
    loud = hz[magnitude > 0.1 * magnitude.max()]
    for harmonic in (1, 1.5, 2):
        assert np.min(np.abs(loud - harmonic * frequency_of(60))) < 1
    assert np.all(np.min(np.abs(loud[:, None] - frequency_of(60) * np.array([1, 1.5, 2])), axis=1) < 3)


def test_a_table_holds_whole_harmonics_and_no_dc() -> None:
    table = cycle([1.0, 0.0, 0.5])
    turns = np.arange(4097) / 4096
    expected = np.sin(2 * np.pi * turns) + 0.5 * np.sin(6 * np.pi * turns)
    np.testing.assert_allclose(table, expected, atol=1e-6)
    assert abs(tone(table, steady_phase(441, 44100)).mean()) < 1e-6


def test_shaped_notes_begin_and_end_in_silence_however_short() -> None:
    for frames in (1, 2, 10, 10_000):
        sound = shape(np.ones((2, frames), np.float32), 0.01, 0.05)
        assert frames == 1 or np.all(sound[:, [0, -1]] == 0)
    envelope = shape(np.ones(1000, np.float32), 0.005, 0.005)
    assert abs(centred(envelope * np.float32(0.3), envelope).mean()) < 1e-7
