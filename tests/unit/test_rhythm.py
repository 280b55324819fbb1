"""What the tracker makes of music whose beats are known, and of sound that has none."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache

import mir_eval
import numpy as np
import pytest
import soxr
from numpy.typing import NDArray

from core.analysis.harmony.chroma import ChromaListener
from core.analysis.rhythm.onsets import ANALYSIS_RATE, HOP, OnsetListener, Onsets
from core.analysis.rhythm.tracking import Rhythm, track_rhythm
from core.engines.synth.voices import Colour, voice_for
from tests.music import SAMPLE_RATE, Music, band, guitar, string_note

Mono = NDArray[np.float32]

STYLES = ("pop", "rock", "jazz", "ballad", "electronic")
TEMPI = (60, 72, 84, 90, 100, 112, 120, 132, 140, 152, 168, 180)
CONDITIONS = ("clean", "20 dB", "10 dB", "detuned")


def downmix(samples: NDArray[np.floating]) -> Mono:
    """To mono at the rate of analysis."""
    return soxr.resample(samples.mean(axis=0), SAMPLE_RATE, ANALYSIS_RATE).astype(np.float32)


def onsets_of(samples: Mono, block_length: int = 65536) -> Onsets:
    listener = OnsetListener()
    for start in range(0, len(samples), block_length):
        listener.add(samples[start : start + block_length])
    return listener.finish()


def heard(samples: Mono) -> Rhythm:
    """As an analysis hears it: with the harmony."""
    chroma = ChromaListener(ANALYSIS_RATE)
    chroma.add(samples)
    return track_rhythm(onsets_of(samples), chroma.finish())


def under(condition: str, music: Music) -> Music:
    match condition:
        case "20 dB" | "10 dB":
            return music.with_noise(float(condition.split()[0]))
        case "detuned":
            return music.detuned(30)
        case _:
            return music


@cache
def kit(sound: str) -> Mono:
    voice = voice_for("drums", "rock", Colour(0.0), np.random.default_rng(1))
    return np.asarray(voice(sound, 0, 13000).mean(axis=0) * 0.5, np.float32)


@cache
def piano(pitch: int) -> Mono:
    voice = voice_for("piano", "pop", Colour(0.0), np.random.default_rng(1))
    return np.asarray(voice("key", pitch, 13000).mean(axis=0) * 0.5, np.float32)


def plucked(fret: int) -> Mono:
    return np.asarray(string_note(3, 55, fret, 1.0, 1).mean(axis=0), np.float32)


def played(hits: Sequence[tuple[float, Mono]], seconds: float) -> Mono:
    """Sounds laid where they belong, at 44.1 kHz, and resampled."""
    mix = np.zeros(round(seconds * SAMPLE_RATE), np.float32)
    for time, sound in hits:
        start = round(time * SAMPLE_RATE)
        part = sound[: len(mix) - start]
        mix[start : start + len(part)] += part
    return downmix(mix[None])


def drifting(tempo_bpm: float, seconds: float, share: float, cycle_seconds: float) -> NDArray[np.float64]:
    """The times of eighth notes at a tempo that sways as a sine."""
    times = np.arange(0, seconds, 0.001)
    speed = tempo_bpm / 60 * (1 + share * np.sin(2 * np.pi * times / cycle_seconds))
    eighths = np.concatenate([[0], np.cumsum(2 * speed * 0.001)[:-1]])
    return np.interp(np.arange(int(eighths[-1]) + 1), eighths, times)


def groove(eighths: NDArray[np.float64], seconds: float, with_drums: bool, with_notes: bool) -> Mono:
    hits: list[tuple[float, Mono]] = []
    for index, time in enumerate(eighths):
        beat = index // 2
        if with_drums:
            hits.append((time, kit("hat")))
        if index % 2 == 0 and with_drums:
            hits.append((time, kit("snare" if beat % 2 else "kick")))
        if index % 2 == 0 and with_notes:
            hits.append((time, plucked((0, 4, 7, 5)[beat // 4 % 4] + (0, 0, 4, 7)[beat % 4])))
    return played(hits, seconds)


def syllables(seed: int, seconds: float = 30) -> Mono:
    """Bursts of filtered noise, as irregular as those of speech."""
    rng = np.random.default_rng(seed)
    samples = np.zeros(round(seconds * ANALYSIS_RATE))
    time = 0.2
    while time < seconds - 1:
        length = rng.gamma(6, 0.03) + 0.05
        spectrum = np.fft.rfft(rng.standard_normal(round(length * ANALYSIS_RATE)))
        frequencies = np.linspace(1, ANALYSIS_RATE / 2, len(spectrum))
        spectrum *= np.exp(-(np.log2(frequencies / rng.uniform(300, 3000)) ** 2) / 0.5)
        burst = np.fft.irfft(spectrum)
        burst *= np.sqrt(np.hanning(len(burst))) / np.abs(burst).max() * rng.uniform(0.2, 1)
        start = round(time * ANALYSIS_RATE)
        samples[start : start + len(burst)] += burst
        time += length + (rng.gamma(2, 0.03) if rng.random() < 0.8 else rng.uniform(0.2, 0.9))
    return (0.3 * samples).astype(np.float32)


def irregular_notes(seed: int) -> Mono:
    rng = np.random.default_rng(seed)
    times = 0.5 + np.cumsum(rng.uniform(0.3, 1.1, 38))
    return played([(time, plucked(int(rng.integers(8)))) for time in times if time < 29], 30)


def noise(seconds: float, seed: int = 0) -> Mono:
    return (0.1 * np.random.default_rng(seed).standard_normal(round(seconds * ANALYSIS_RATE))).astype(np.float32)


def errors(rhythm: Rhythm, beats: Sequence[float]) -> NDArray[np.float64]:
    """How far the nearest tracked beat is from each true one, in seconds."""
    return np.array([np.abs(rhythm.beats - beat).min(initial=np.inf) for beat in beats])


def test_beats_and_bars_are_found_at_every_tempo_and_style_in_noise_and_out_of_tune() -> None:
    beat_scores: dict[tuple[str, str, int], float] = {}
    bar_scores: dict[tuple[str, str, int], float] = {}
    for index, tempo in enumerate(TEMPI):
        for style in (*STYLES, "guitar"):
            # each tempo and style once, under each condition in turn: the whole matrix takes four times as long
            condition = CONDITIONS[(index + (*STYLES, "guitar").index(style)) % len(CONDITIONS)]
            music = guitar(tempo_bpm=tempo) if style == "guitar" else band(tempo_bpm=tempo, style=style)
            music = under(condition, music)
            rhythm = heard(downmix(music.samples))
            key = style, condition, tempo
            beat_scores[key] = mir_eval.beat.f_measure(np.array(music.beats), rhythm.beats)
            downbeats = rhythm.beats[rhythm.positions == 1]
            bar_scores[key] = mir_eval.beat.f_measure(np.array(music.downbeats), downbeats)
    beats, bars = np.array(list(beat_scores.values())), np.array(list(bar_scores.values()))
    worst = sorted(beat_scores.items(), key=lambda item: item[1])[:4]
    print(f"\nbeats: mean F {beats.mean():.3f}, least {beats.min():.3f}; downbeats: mean F {bars.mean():.3f}; {worst}")
    assert beats.mean() >= 0.98
    assert beats.min() >= 0.9, worst
    assert bars.mean() >= 0.9, sorted(bar_scores.items(), key=lambda item: item[1])[:4]


@pytest.mark.parametrize(
    ("tempo", "with_drums", "with_notes"),
    [(70, True, True), (120, True, False), (120, False, True), (120, True, True), (170, True, True)],
)
def test_beats_follow_a_tempo_that_drifts_by_3_percent(tempo: int, with_drums: bool, with_notes: bool) -> None:
    eighths = drifting(tempo, 180, 0.03, 60)
    rhythm = heard(groove(eighths, 180, with_drums, with_notes))
    off = errors(rhythm, [time for time in eighths[8::2] if time < 179.5])
    print(f"\n{tempo} bpm: off by {1000 * np.median(off):.1f} ms, at most {1000 * off.max():.1f} ms")
    assert off.max() < 0.02
    assert np.median(off) < 0.006
    assert rhythm.tempo_bpm == pytest.approx(tempo, rel=0.01)
    assert rhythm.slowest_bpm == pytest.approx(0.97 * tempo, rel=0.01)
    assert rhythm.fastest_bpm == pytest.approx(1.03 * tempo, rel=0.01)
    assert len(rhythm.beats) == pytest.approx(len(eighths) / 2, abs=2)


CLICK = np.array([0.9], np.float32)
SOUNDS = {
    "click": CLICK,
    "kick": kit("kick"),
    "snare": kit("snare"),
    "hat": kit("hat"),
    "guitar": plucked(0),
    "piano": piano(60),
}


@pytest.mark.parametrize("name", SOUNDS)
@pytest.mark.parametrize("tempo", [63, 101, 147])
def test_a_beat_is_where_its_sound_begins(name: str, tempo: int) -> None:
    beats = np.arange(0.5, 29, 60 / tempo)
    rhythm = track_rhythm(onsets_of(played([(beat, SOUNDS[name]) for beat in beats], 30)))
    off = np.array([(rhythm.beats - beat)[np.abs(rhythm.beats - beat).argmin()] for beat in beats])
    print(f"\n{name} at {tempo} bpm: {1000 * off.mean():+.1f} ms, at most {1000 * np.abs(off).max():.1f} ms")
    assert abs(off.mean()) < 0.005
    assert np.abs(off).max() < 0.01


@pytest.mark.parametrize("tempo", [116, 132, 152, 168])
@pytest.mark.parametrize("style", ["pop", "rock", "ballad"])
def test_the_tempo_is_tapped_without_drums_too(style: str, tempo: int) -> None:
    music = band(tempo_bpm=tempo, style=style, stems=("bass", "guitar", "piano"))
    assert mir_eval.beat.f_measure(np.array(music.beats), heard(downmix(music.samples)).beats) > 0.9


@pytest.mark.parametrize("tempo", [112, 128])
def test_the_beat_is_where_the_chords_change_though_what_is_off_it_is_louder(tempo: int) -> None:
    eighths = 0.3 + np.arange(2 * 56) * 30 / tempo
    hits: list[tuple[float, Mono]] = []
    for index, time in enumerate(eighths):
        root = (0, 5, 7, 3)[index // 8 % 4]
        hits += [(time, kit("hat")), (time, piano(36 + root))] if index % 2 else [(time, kit("kick") * np.float32(0.5))]
        if index % 8 == 0:
            hits += [(time, piano(pitch + root) * np.float32(0.7)) for pitch in (60, 64, 67)]
    rhythm = heard(played(hits, float(eighths[-1]) + 0.5))
    assert mir_eval.beat.f_measure(eighths[::2], rhythm.beats) > 0.9


def test_a_backbeat_alone_does_not_say_where_bars_begin() -> None:
    beats = 0.3 + np.arange(64) * 60 / 124
    hits = [(beat, kit(sound)) for index, beat in enumerate(beats) for sound in ("kick", "snare")[: 1 + index % 2]]
    rhythm = heard(played([*hits, *((beat + 30 / 124, kit("hat")) for beat in beats)], 32))
    assert mir_eval.beat.f_measure(beats, rhythm.beats) > 0.9
    assert rhythm.beats_per_bar is None
    assert not rhythm.positions.any()


@pytest.mark.parametrize("tempo", [90, 170])
@pytest.mark.parametrize("beats_per_bar", [3, 4])
def test_bars_of_three_and_of_four_are_told_apart(beats_per_bar: int, tempo: int) -> None:
    beats = 0.3 + np.arange(72) * 60 / tempo
    hits: list[tuple[float, Mono]] = []
    for index, beat in enumerate(beats):
        bar, position = divmod(index, beats_per_bar)
        root = (0, 5, 7, 0)[bar % 4]
        hits.append((beat, kit("hat" if position else "kick")))
        pitches = (60 + root, 64 + root, 67 + root) if position else (36 + root,)
        hits += [(beat, piano(pitch)) for pitch in pitches]
    rhythm = heard(played(hits, float(beats[-1]) + 1))
    assert rhythm.beats_per_bar == beats_per_bar
    downbeats = rhythm.beats[rhythm.positions == 1]
    assert mir_eval.beat.f_measure(beats[::beats_per_bar], downbeats) > 0.9
    inner = rhythm.positions[:-1][np.diff(rhythm.positions) != 1]
    assert set(inner) == {beats_per_bar}


def test_equal_clicks_have_beats_but_no_bars() -> None:
    rhythm = track_rhythm(onsets_of(played([(beat, CLICK) for beat in np.arange(0.5, 29, 0.5)], 30)))
    assert rhythm.tempo_bpm == pytest.approx(120, rel=0.005)
    assert rhythm.confidence == 1
    assert rhythm.beats_per_bar is None
    assert not rhythm.positions.any()


def test_a_tempo_that_jumps_is_followed() -> None:
    slow, fast = np.arange(0.5, 30, 60 / 92), np.arange(30, 59, 60 / 126)
    beats = [*slow[slow < 29.8], *fast]
    rhythm = track_rhythm(onsets_of(played([(beat, kit("snare")) for beat in beats], 60)))
    assert mir_eval.beat.f_measure(np.array(beats), rhythm.beats) > 0.95


SILENT = {
    "nothing": np.zeros(0, np.float32),
    "one sample": np.ones(1, np.float32),
    "silence": np.zeros(30 * ANALYSIS_RATE, np.float32),
    "0.3 s": noise(0.3),
    "a single hit": played([(5, kit("snare"))], 30),
    "a constant": np.full(10 * ANALYSIS_RATE, 0.5, np.float32),
    "white noise": noise(30),
    "not a number": np.full(5000, np.nan, np.float32),
}


@pytest.mark.parametrize("name", SILENT)
def test_nothing_periodic_has_no_beats(name: str) -> None:
    rhythm = heard(SILENT[name])
    assert rhythm.tempo_bpm is None
    assert rhythm.confidence == 0
    assert rhythm.beats.size == rhythm.positions.size == 0
    assert rhythm.beats_per_bar is rhythm.slowest_bpm is rhythm.fastest_bpm is None


@pytest.mark.parametrize("seed", range(4))
def test_speech_and_irregular_notes_are_not_trusted(seed: int) -> None:
    assert track_rhythm(onsets_of(syllables(seed))).confidence < 0.3
    assert track_rhythm(onsets_of(irregular_notes(seed))).confidence < 0.3
    assert track_rhythm(onsets_of(0.3 * np.sin(np.arange(30 * ANALYSIS_RATE) * 0.1))).confidence < 0.3


@pytest.mark.parametrize("seconds", [0.05, 0.5, 1.0, 2.0, 3.0, 5.0])
def test_short_music_is_no_error(seconds: float) -> None:
    samples = downmix(band(seconds=6).samples)[: round(seconds * ANALYSIS_RATE)]
    rhythm = heard(samples)
    assert len(rhythm.beats) == len(rhythm.positions)
    assert (np.diff(rhythm.beats) > 0).all()


def test_there_are_no_beats_before_and_after_the_music() -> None:
    silence = np.zeros(10 * ANALYSIS_RATE, np.float32)
    music = downmix(band(seconds=20, tempo_bpm=110, style="rock").samples)
    beats = track_rhythm(onsets_of(np.concatenate([silence, music, silence]))).beats
    assert 9.9 < beats[0] < 11.2
    assert 28.8 < beats[-1] < 30.3


def test_what_is_heard_does_not_depend_on_where_blocks_end() -> None:
    samples = downmix(band(seconds=6).samples)
    whole = onsets_of(samples, len(samples))
    assert len(whole) == -(-len(samples) // HOP)
    for block_length in (100, 1000, 32768, 50001):
        cut = onsets_of(samples, block_length)
        assert np.array_equal(cut.registers, whole.registers)
        assert np.array_equal(cut.instants, whole.instants)


def test_music_played_softer_has_the_same_beats() -> None:
    samples = downmix(band(seconds=15, style="jazz").samples)
    loud, soft = track_rhythm(onsets_of(samples)), track_rhythm(onsets_of(samples * np.float32(0.01)))
    assert np.allclose(loud.beats, soft.beats, atol=0.001)
