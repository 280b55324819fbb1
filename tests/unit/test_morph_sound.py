"""What the bridges of the morph engine sound like, on music whose chords and beats are known."""

from functools import cache

import numpy as np
import pytest

from core.engines.morph import envelope
from tests.music import BAND, Music, band
from tests.unit.morph_pairs import SAMPLE_RATE, Audio, beats_at, bridged, bursts, level_db, noise, tones
from tests.unit.synth_measures import (
    Mono,
    chroma,
    excerpt,
    level_by_step,
    mono,
    nearest_distances,
    onsets_seconds,
    strongest_hz,
)

SECONDS = 8.5
WINDOW_SECONDS = 0.012


@cache
def song(name: str) -> Music:
    return {
        "band in C": lambda: band(("C", "G", "Am", "F"), 120, SECONDS),
        "band in F#": lambda: band(("F#", "C#", "D#m", "B"), 104, SECONDS, BAND, "electronic", seed=5),
        "guitar in D": lambda: band(("D", "A", "Bm", "G"), 100, SECONDS, ("guitar",)),
        "synth in F#": lambda: band(("F#", "C#"), 110, SECONDS, ("synth", "other"), "ballad", seed=3),
        "voice in B": lambda: band(("B",), 140, SECONDS, ("vocals",), "rock", seed=3),
        "drums": lambda: band(("C",), 96, SECONDS, ("drums",), "rock", seed=9),
    }[name]()


def between(name1: str, name2: str, *ratios: float, beats: bool = True) -> Audio:
    first, second = song(name1), song(name2)
    known = (first.beats, second.beats) if beats else ((), ())
    return bridged(first.samples, second.samples, ratios, *known)


def harmony_likeness(samples: Audio, reference: Audio) -> float:
    """The cosine between both tracks' energies by pitch class, the mean over 2 s each."""
    found = []
    for start in (2, 4, 6):
        heard, known = (chroma(excerpt(each, start, start + 2), 100, 2000) for each in (samples, reference))
        found.append(heard @ known / np.sqrt((heard @ heard) * (known @ known)))
    return float(np.mean(found))


def timbre_distance_db(samples: Audio, reference: Audio) -> float:
    """The mean difference over thirds of an octave from 63 Hz to 16 kHz that are not far below the strongest."""
    heard, known = third_octaves_db(samples), third_octaves_db(reference)
    audible = known > known.max() - 50
    return float(np.mean(np.abs(heard - known)[audible]))


def third_octaves_db(samples: Audio) -> Mono:
    sound = mono(samples)
    energy = np.abs(np.fft.rfft(sound)) ** 2
    hz = np.fft.rfftfreq(len(sound), 1 / SAMPLE_RATE)
    edges = 62.5 * 2 ** (np.arange(25) / 3)
    starts = np.searchsorted(hz, edges)
    return np.asarray(10 * np.log10(np.add.reduceat(energy, starts)[:-1] + 1e-12), np.float64)


# Up to 0.5: the envelope

PAIRS = [
    ("band in C", "synth in F#"),
    ("band in C", "drums"),
    ("guitar in D", "synth in F#"),
    ("guitar in D", "voice in B"),
    ("guitar in D", "band in F#"),
]


@pytest.mark.parametrize(("name1", "name2"), PAIRS)
def test_at_one_half_the_harmony_is_that_of_track_1_and_the_timbre_that_of_track_2(name1: str, name2: str) -> None:
    first, second = song(name1).samples, song(name2).samples
    made = between(name1, name2, 0.5)[0]
    likeness, distance_db = harmony_likeness(made, first), timbre_distance_db(made, second)
    before_db = timbre_distance_db(first, second)
    print(f"{name1} to {name2}: likeness {likeness:.2f}, timbre {before_db:.1f} dB -> {distance_db:.1f} dB")
    assert likeness > 0.8 > harmony_likeness(second, first) + 0.3
    assert distance_db < 0.7 * before_db
    assert level_db(made) == pytest.approx(level_db(second), abs=6)


def test_narrower_bands_would_lose_harmony_and_wider_ones_timbre(monkeypatch: pytest.MonkeyPatch) -> None:
    likeness, distance_db = {}, {}
    for width in (1.0, envelope.BAND_WIDTH, 3.0):
        monkeypatch.setattr(envelope, "BAND_WIDTH", width)
        made = [(between(*names, 0.5)[0], *(song(name).samples for name in names)) for names in PAIRS[1:]]
        likeness[width] = np.mean([harmony_likeness(bridge, first) for bridge, first, _ in made])
        distance_db[width] = np.mean([timbre_distance_db(bridge, second) for bridge, _, second in made])
    print(likeness, distance_db)
    assert likeness[1.0] < likeness[1.5]
    assert distance_db[1.5] < distance_db[3.0]


def test_at_one_half_the_strokes_fall_where_those_of_track_1_do() -> None:
    beats1, beats2 = beats_at(120, 6, 0.3), beats_at(98, 6, 0.2)
    second = bursts(beats2, 6, decay_seconds=0.1, seed=1) + noise(1, 6 * SAMPLE_RATE, seed=2, peak=0.02)
    made = bridged(bursts(beats1, 6), second, (0.5,), beats1, beats2)[0]
    onsets = onsets_seconds(mono(made))
    assert len(onsets) == len(beats1)
    assert max(nearest_distances(onsets, beats1)) < WINDOW_SECONDS


@pytest.mark.parametrize("ratio", [0.25, 0.5])
def test_a_crescendo_of_track_2_is_heard_in_proportion(ratio: float) -> None:
    frames = 8 * SAMPLE_RATE
    rise = (10 ** (np.linspace(-30, 0, frames) / 20)).astype(np.float32)
    made = bridged(noise(1, frames), noise(1, frames, seed=1) * rise, (ratio,))[0]
    levels_db = 20 * np.log10(level_by_step(mono(made), 0.5))
    risen_db = levels_db[-2] - levels_db[1]
    expected_db = 2 * ratio * (30 / 8) * (0.5 * (len(levels_db) - 3))
    assert risen_db == pytest.approx(expected_db, abs=1)
    assert (np.diff(levels_db) > 0).all()


def test_the_envelope_moves_steadily_with_the_ratio() -> None:
    ratios = (0.0, 0.1, 0.2, 0.3, 0.4, 0.5)
    made = between("band in C", "synth in F#", *ratios)
    from_first = [timbre_distance_db(each, song("band in C").samples) for each in made]
    from_second = [timbre_distance_db(each, song("synth in F#").samples) for each in made]
    assert (np.diff(from_first) > 0).all()
    assert (np.diff(from_second) < 0).all()


def test_the_stereo_image_is_that_of_track_1_until_it_goes_over() -> None:
    left = np.concatenate([noise(1, 4 * SAMPLE_RATE), np.zeros((1, 4 * SAMPLE_RATE), np.float32)])
    half, most = bridged(left, np.ascontiguousarray(left[::-1]), (0.5, 0.9))
    assert not half[1].any()
    assert level_db(half[0]) == pytest.approx(level_db(left[0]), abs=0.5)
    assert level_db(most[1]) > level_db(most[0]) + 6


# From 0.5 on: everything


def test_harmony_goes_over_steadily() -> None:
    ratios = (0.5, 0.6, 0.7, 0.8, 0.9, 1.0)
    made = between("band in C", "synth in F#", *ratios)
    to_first, to_second = (
        [harmony_likeness(each[:, SAMPLE_RATE:], song(name).samples[:, SAMPLE_RATE:]) for each in made]
        for name in ("band in C", "synth in F#")
    )
    print(np.round(to_first, 2), np.round(to_second, 2))
    assert (np.diff(to_first) < 0).all()
    assert (np.diff(to_second) > 0).all()


def test_without_beats_each_ratio_is_further_from_track_1_and_nearer_to_track_2() -> None:
    ratios = np.linspace(0, 1, 11).tolist()
    made = between("band in C", "synth in F#", *ratios, beats=False)
    from_first = [level_db(each - song("band in C").samples) for each in made]
    from_second = [level_db(each - song("synth in F#").samples) for each in made]
    assert (np.diff(from_first) > 0).all()
    assert (np.diff(from_second[5:]) < 0).all()  # before 0.5 the notes are track 1's, and as far away as ever


@pytest.mark.parametrize(("tempo1", "tempo2"), [(120, 110), (110, 120), (100, 130)])
@pytest.mark.parametrize("ratio", [0.6, 0.75, 0.9])
def test_the_beats_of_both_fall_together_at_a_tempo_between(tempo1: int, tempo2: int, ratio: float) -> None:
    beats1, beats2 = beats_at(tempo1, 12, 0.5), beats_at(tempo2, 12, 0.4)
    made = bridged(bursts(beats1, 12), bursts(beats2, 12, seed=1), (ratio,), beats1, beats2)[0]
    crossover = 2 * ratio - 1
    count = min(len(beats1), len(beats2))
    grid = (1 - crossover) * np.array(beats1[:count]) + crossover * np.array(beats2[:count])
    expected = [beat for beat in grid if beat < 11.9]
    # a track that must begin before its start does so with a beat; one that has run out goes on
    onsets = [onset for onset in onsets_seconds(mono(made)) if expected[0] - 0.1 < onset < expected[-1] + 0.1]
    assert max(nearest_distances(onsets, expected)) < WINDOW_SECONDS
    assert max(nearest_distances(expected, onsets)) < WINDOW_SECONDS


def test_a_track_at_half_the_tempo_meets_every_second_beat() -> None:
    beats1, beats2 = beats_at(64, 12, 0.5), beats_at(120, 12, 0.5)
    made = bridged(bursts(beats1, 12), bursts(beats2, 12, seed=1), (0.75,), beats1, beats2)[0]
    onsets = onsets_seconds(mono(made))
    slow = [(0.5 * first + 0.5 * second) for first, second in zip(beats1, beats2[::2], strict=False)]
    assert max(nearest_distances(onsets, slow[:-1])) < WINDOW_SECONDS
    assert len(onsets) == pytest.approx(2 * len(slow), abs=2)


@pytest.mark.parametrize("ratio", [0.5, 0.55, 0.75, 0.95])
@pytest.mark.parametrize("tempo2", [86, 160])
def test_a_track_that_runs_out_goes_on(ratio: float, tempo2: int) -> None:
    frames = 12 * SAMPLE_RATE
    made = bridged(
        noise(1, frames), noise(1, frames, seed=1), (ratio,), beats_at(118, 12, 0.3), beats_at(tempo2, 12, 0.1)
    )[0]
    levels_db = 20 * np.log10(level_by_step(mono(made), 0.25))
    assert np.ptp(levels_db) < 3


@pytest.mark.parametrize("beats", [(beats_at(120, 6), beats_at(108, 6)), ((), ())], ids=["beats", "no beats"])
def test_the_level_does_not_sink_on_the_way(beats: tuple[tuple[float, ...], tuple[float, ...]]) -> None:
    first, second = noise(2, 6 * SAMPLE_RATE), noise(2, 6 * SAMPLE_RATE, seed=1)
    made = bridged(first, second, np.linspace(0, 1, 9).tolist(), *beats)
    levels_db = np.array([level_db(each) for each in made]) - level_db(first)
    print(np.round(levels_db, 2))
    assert np.abs(levels_db).max() < 1


@pytest.mark.parametrize("ratio", [0.55, 0.75, 0.95])
def test_stretching_keeps_the_pitch_and_adds_nothing(ratio: float) -> None:
    made = bridged(tones((440,), 8), tones((1000,), 8), (ratio,), beats_at(120, 8), beats_at(100, 8))[0]
    sound = excerpt(made, 2, 6)
    assert strongest_hz(sound, 300, 600) == pytest.approx(440, abs=0.5)
    assert strongest_hz(sound, 800, 1200) == pytest.approx(1000, abs=0.5)
    energy = np.abs(np.fft.rfft(sound * np.blackman(len(sound)))) ** 2
    hz = np.fft.rfftfreq(len(sound), 1 / SAMPLE_RATE)
    elsewhere = (np.abs(hz - 440) > 20) & (np.abs(hz - 1000) > 20)
    assert energy[elsewhere].sum() < 1e-4 * energy.sum()


def test_both_channels_are_stretched_alike() -> None:
    first, second = (bursts(beats_at(tempo, 6), 6, seed=tempo) for tempo in (120, 100))
    half = np.float32(0.5)
    made = bridged(
        np.concatenate([first, first * half]), np.concatenate([second, second * half]), (0.75,),
        beats_at(120, 6), beats_at(100, 6),
    )[0]  # fmt: skip
    np.testing.assert_allclose(made[1], made[0] * half, atol=1e-6)


@pytest.mark.parametrize("ratio", [0.25, 0.5, 0.75])
@pytest.mark.parametrize("phase", [0.0, 1.0])
def test_a_tone_that_is_cut_does_not_click_louder_than_it_jumps(ratio: float, phase: float) -> None:
    frames = round(SECONDS * SAMPLE_RATE)
    tone = (0.125 * np.sin(2 * np.pi * 440 * np.arange(frames) / SAMPLE_RATE + phase))[np.newaxis].astype(np.float32)
    made = bridged(tone, song("band in C").samples.mean(axis=0, keepdims=True)[:, :frames], (ratio,))[0]
    edge = round(0.05 * SAMPLE_RATE)
    body = np.abs(made[:, 10 * edge : -10 * edge]).max()
    for cut in (made[:, :edge], made[:, -edge:]):
        assert np.abs(cut).max() < max(body, 0.15)
