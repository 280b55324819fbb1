"""Chords, measured with mir_eval on music whose chords are known."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import cache
from itertools import pairwise

import mir_eval
import numpy as np
import pytest
import soxr
from numpy.typing import NDArray

from core.analysis.harmony.chords import recognise_chords
from core.analysis.harmony.chroma import Chroma, ChromaListener
from core.analysis.harmony.keys import find_key
from core.analysis.harmony.labels import QUALITIES, Quality
from core.analysis.harmony.tuning import estimate_tuning
from core.analysis.result import ChordSpan, KeyFound
from core.theory.chords import parse_chord
from tests.music import Music, band, guitar

RATE = 22050
NO_BEATS = np.zeros(0)
NAMES = {parse_chord(f"C{quality.suffix}").intervals: quality.name for quality in QUALITIES}
STYLES = ("pop", "rock", "jazz", "blues", "folk")
Samples = NDArray[np.float32]

TRIADS = (
    (("C", "G", "Am", "F"), 60), (("Am", "F", "C", "G"), 80), (("D", "A", "Bm", "G"), 100),
    (("Em", "C", "G", "D"), 120), (("Bb", "Eb", "F", "Gm"), 140), (("F#m", "D", "A", "E"), 160),
    (("Ab", "Fm", "Db", "Eb"), 180),
    (("B", "G#m", "E", "F#"), 90), (("Cm", "Ab", "Eb", "Bb"), 110), (("Gm", "Cm", "D", "Gm"), 130),
)  # fmt: skip
SEVENTHS = (
    (("Dm7", "G7", "Cmaj7", "Cmaj7"), 70), (("A7", "D7", "A7", "E7"), 90), (("Gmaj7", "Em7", "Am7", "D7"), 110),
    (("C", "Csus4", "G", "Am7"), 130), (("Bm7", "E7", "Amaj7", "F#m7"), 150), (("G", "Bdim", "C", "D7"), 170),
)  # fmt: skip


def heard(samples: Samples) -> Chroma:
    listener = ChromaListener(RATE)
    listener.add(samples)
    return listener.finish()


def mono(music: Music) -> Samples:
    return soxr.resample(music.samples.mean(axis=0), music.sample_rate, RATE)


def understood(samples: Samples, beats: Sequence[float] = ()) -> tuple[tuple[ChordSpan, ...], KeyFound]:
    chroma, seconds = heard(samples), samples.size / RATE
    spans = recognise_chords(chroma, estimate_tuning(chroma), np.array(beats), seconds)
    return spans, find_key(chroma, spans, seconds)


def overlap(music: Music, compare: Callable[..., NDArray[np.float64]], beats: Sequence[float] = ()) -> float:
    """How much of the time the chords agree, as MIREX weighs it."""
    spans, _ = understood(mono(music), beats)
    intervals, reference, found = mir_eval.util.merge_labeled_intervals(
        np.array([(start, end) for start, end, _ in music.chords]),
        [harte(symbol) for *_, symbol in music.chords],
        *mir_eval.util.adjust_intervals(
            np.array([(span.start_seconds, span.end_seconds) for span in spans]),
            [span.label for span in spans], 0, music.chords[-1][1], "N", "N",
        ),
    )  # fmt: skip
    lengths = mir_eval.util.intervals_to_durations(intervals)
    return float(mir_eval.chord.weighted_accuracy(compare(reference, found), lengths))


def harte(symbol: str) -> str:
    root = symbol[: 2 if symbol[1:2] in ("#", "b") else 1]
    return f"{root}:{NAMES[parse_chord(symbol).intervals]}"


@pytest.mark.parametrize(
    ("what", "change"),
    [
        ("clean", lambda music: music),
        ("30 cents sharp", lambda music: music.detuned(30)),
        ("40 cents flat", lambda music: music.detuned(-40)),
        ("noise 20 dB below", lambda music: music.with_noise(20)),
    ],
)
def test_hears_a_guitars_chords_without_knowing_the_beats(what: str, change: Callable[[Music], Music]) -> None:
    found = [overlap(change(strummed(chords, tempo)), mir_eval.chord.majmin) for chords, tempo in TRIADS]
    assert np.mean(found) >= 0.97
    assert min(found) >= 0.95


@cache
def strummed(chords: Sequence[str], tempo_bpm: float) -> Music:
    return guitar(chords, tempo_bpm, bars=8)


def test_hears_a_guitars_chords_change_on_the_beats() -> None:
    for chords, tempo in TRIADS[::3]:
        music = strummed(chords, tempo)
        assert overlap(music, mir_eval.chord.majmin, music.beats) >= 0.99


def test_plain_triads_stay_plain() -> None:
    found = [overlap(strummed(chords, tempo), mir_eval.chord.sevenths) for chords, tempo in TRIADS]
    assert np.mean(found) >= 0.95


@pytest.mark.parametrize("measure", ["majmin", "sevenths", "tetrads"])
def test_hears_a_guitars_sevenths(measure: str) -> None:
    found = [overlap(strummed(chords, tempo), getattr(mir_eval.chord, measure)) for chords, tempo in SEVENTHS]
    assert np.mean(found) >= {"majmin": 0.95}.get(measure, 0.85)


@pytest.mark.parametrize("style", STYLES)
def test_hears_a_bands_chords(style: str) -> None:
    index = STYLES.index(style)
    for offset, more in ((0, ()), (3, ("vocals",)), (6, ("vocals", "synth"))):
        chords, tempo = TRIADS[(index + offset) % len(TRIADS)]
        music = band(chords, tempo, 20.0, ("drums", "bass", "guitar", "piano", *more), style, seed=offset)
        assert overlap(music, mir_eval.chord.majmin) >= 0.9


def test_hears_a_bands_sevenths() -> None:
    music = [band(chords, tempo, 20.0, style=style) for (chords, tempo), style in zip(SEVENTHS, STYLES, strict=False)]
    assert np.mean([overlap(part, mir_eval.chord.sevenths) for part in music]) >= 0.85


def test_hears_chords_of_instruments_of_any_timbre() -> None:
    found = [
        overlap(additive(chords, tempo, seed), mir_eval.chord.majmin) for seed, (chords, tempo) in enumerate(TRIADS)
    ]
    assert np.mean(found) >= 0.9
    assert min(found) >= 0.6


def additive(chords: Sequence[str], tempo_bpm: float, seed: int) -> Music:
    """Block chords over a bass, each of a random timbre: slope, formants, stiffness, decay."""
    rng = np.random.default_rng(seed)
    bar = 240 / tempo_bpm
    length = round(bar * RATE)
    times = np.arange(length) / RATE
    colours = [
        (rng.uniform(0.5, 1.5), 10 ** rng.normal(0, 0.3, 16), rng.uniform(0, 3e-4), rng.uniform(0, 3)) for _ in "ab"
    ]

    def tone(pitch: int, colour: tuple[float, NDArray[np.float64], float, float]) -> NDArray[np.float64]:
        slope, formants, stiffness, decay = colour
        first = 440 * 2 ** ((pitch - 69) / 12)
        partials = [k for k in range(1, 17) if k * first < 9000]
        sound = [
            formants[k - 1] * k**-slope * np.sin(2 * np.pi * first * k * np.sqrt(1 + stiffness * k * k) * times + k)
            for k in partials
        ]
        return np.sum(sound, axis=0) * np.exp(-decay * times)

    bars = []
    for symbol in (*chords, *chords):
        chord = parse_chord(symbol)
        upper = sum(tone(52 + (pitch - 52) % 12, colours[0]) for pitch in chord.pitch_classes)
        bars.append(upper + tone(28 + (chord.root - 28) % 12, colours[1]))
    sound = np.concatenate(bars)
    stereo = np.stack([sound, sound]) * (0.3 / np.abs(sound).max())
    spans = tuple((index * bar, (index + 1) * bar, symbol) for index, symbol in enumerate((*chords, *chords)))
    return Music(stereo.astype(np.float32), (), (), spans, RATE)


def test_soft_music_is_heard_like_loud() -> None:
    music = strummed(*TRIADS[0])
    assert overlap(replace(music, samples=music.samples * np.float32(0.005)), mir_eval.chord.majmin) >= 0.95


def test_an_inverted_chord_keeps_its_root() -> None:
    music = band(("C/E", "F/A", "G/B", "C"), 100, 19.2, ("bass", "piano"))
    roots = [parse_chord(span.symbol).root for span in understood(mono(music))[0] if span.label != "N"]
    assert set(roots) == {0, 5, 7}


@pytest.mark.parametrize("quality", QUALITIES, ids=lambda quality: quality.name)
def test_hears_every_kind_of_chord_and_names_it_so_that_players_can_read_it(quality: Quality) -> None:
    spans, _ = understood(mono(band((f"B{quality.suffix}",), 100, 10, ("bass", "piano"))))
    longest = max(spans, key=lambda span: span.end_seconds - span.start_seconds)
    assert longest.label == f"B:{quality.name}"
    assert parse_chord(longest.symbol) == parse_chord(f"B{quality.suffix}")


@pytest.mark.parametrize(
    ("chords", "roots"),
    [
        (("Bb", "Eb", "F", "Bb"), {"Bb", "Eb", "F"}),
        (("E", "A", "B", "C#m"), {"E", "A", "B", "C#"}),
        (("Fm", "Bbm", "C", "Db"), {"F", "Bb", "C", "Db"}),
    ],
)
def test_roots_are_spelled_as_in_the_key(chords: Sequence[str], roots: set[str]) -> None:
    spans, _ = understood(mono(guitar(chords, 120, bars=8)))
    assert {span.label.split(":")[0] for span in spans} - {"N"} == roots


def test_spans_follow_each_other_from_beginning_to_end() -> None:
    music = band(seconds=12)
    for beats in ((), music.beats):
        spans, _ = understood(mono(music), beats)
        assert spans[0].start_seconds == 0
        assert spans[-1].end_seconds == pytest.approx(12)
        assert all(one.end_seconds == other.start_seconds for one, other in pairwise(spans))
        assert all(one.label != other.label for one, other in pairwise(spans))
        assert all(0 <= span.confidence <= 1 for span in spans)


def test_a_change_between_the_beats_is_found_where_it_is() -> None:
    music = guitar(("C", "G", "Am", "F"), 100, bars=8)
    wrong_beats = [0.3 + beat for beat in music.beats]
    assert overlap(music, mir_eval.chord.majmin, wrong_beats) >= 0.75


def test_beats_of_a_part_of_the_music_do_not_harm_the_rest() -> None:
    music = guitar(("C", "G", "Am", "F"), 100, bars=8)
    assert overlap(music, mir_eval.chord.majmin, music.beats[:8]) >= 0.95


def test_a_pause_has_no_chord() -> None:
    music = mono(guitar(("C", "G"), 120, bars=4))
    spans, _ = understood(np.concatenate([music, np.zeros(4 * RATE, np.float32), music]))
    middle = music.size / RATE + 2
    assert next(span.label for span in spans if span.end_seconds > middle) == "N"


def test_a_chord_of_a_third_of_a_second_is_a_guess_at_most() -> None:
    samples = mono(guitar(("C",), 120, bars=1))[: RATE * 3 // 10]
    spans, key = understood(samples)
    assert spans[-1].end_seconds == pytest.approx(0.3, abs=1e-3)
    assert key.tonic in (None, "C")


def test_a_clear_chord_is_surer_than_one_in_noise() -> None:
    music = guitar(("C", "G", "Am", "F"), 100, bars=4)
    clear, drowned = (understood(mono(played))[0] for played in (music, music.with_noise(-20)))
    assert mean_confidence(clear) > 0.8
    assert mean_confidence(clear) > mean_confidence(drowned) + 0.1


def mean_confidence(spans: Sequence[ChordSpan]) -> float:
    sure = sum(span.confidence * (span.end_seconds - span.start_seconds) for span in spans if span.label != "N")
    return sure / spans[-1].end_seconds


def test_chords_and_keys_do_not_depend_on_the_blocks() -> None:
    samples, listener = mono(band(seconds=10)), ChromaListener(RATE)
    for start in range(0, samples.size, 777):
        listener.add(samples[start : start + 777])
    chroma = listener.finish()
    spans = recognise_chords(chroma, estimate_tuning(chroma), NO_BEATS, samples.size / RATE)
    assert (spans, find_key(chroma, spans, samples.size / RATE)) == understood(samples)
