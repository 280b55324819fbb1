"""What the listener hears of notes, chords and noise, and where it finds A4."""

from __future__ import annotations

import math
from functools import cache

import numpy as np
import pytest
import soxr
from numpy.typing import NDArray

from core.analysis.harmony.chroma import BINS, Chroma, ChromaListener, joined
from core.analysis.harmony.tuning import estimate_tuning
from core.theory.chords import parse_chord
from core.theory.notes import frequency_of, parse_note
from tests.music import Music, band, guitar

RATE = 22050
Samples = NDArray[np.float32]


def heard(samples: Samples, block_length: int = 10**9) -> Chroma:
    listener = ChromaListener(RATE)
    for start in range(0, len(samples), block_length):
        listener.add(samples[start : start + block_length])
    return listener.finish()


def mono(music: Music) -> Samples:
    return soxr.resample(music.samples.mean(axis=0), music.sample_rate, RATE)


def notes(names: str, seconds: float = 2.0, partials: int = 8, cents: float = 0.0) -> Samples:
    """Notes with partials that fall by 6 dB an octave, each a second later in phase than the one before."""
    times = np.arange(round(seconds * RATE)) / RATE
    tones = [
        np.sin(2 * np.pi * frequency_of(parse_note(name) + cents / 100) * partial * times + partial) / partial
        for name in names.split()
        for partial in range(1, partials + 1)
    ]
    return (0.1 * np.sum(tones, axis=0)).astype(np.float32)


def strongest(bins: NDArray[np.float32], count: int) -> set[int]:
    return set(np.argsort(bins)[-count:].tolist())


@pytest.mark.parametrize("name", ["E2", "A2", "F3", "C4", "G#4", "D5"])
def test_a_note_is_one_pitch_class_whatever_its_partials(name: str) -> None:
    treble, _ = heard(notes(name)).semitones()
    middle = treble[len(treble) // 2]
    assert int(middle.argmax()) == parse_note(name) % 12
    assert np.sort(middle)[-2] < 0.4 * middle.max()


@pytest.mark.parametrize("name", ["E1", "A1", "D2", "G2"])
def test_a_low_note_is_in_the_bass(name: str) -> None:
    _, bass = heard(notes(name)).semitones()
    assert int(bass[len(bass) // 2].argmax()) == parse_note(name) % 12


@pytest.mark.parametrize("name", ["C5", "A5"])
def test_a_high_note_is_not_in_the_bass(name: str) -> None:
    treble, bass = heard(notes(name)).semitones()
    assert bass[len(bass) // 2].max() < 0.2 * treble[len(treble) // 2].max()


@pytest.mark.parametrize(("names", "symbol"), [("C3 E3 G3", "C"), ("A2 E3 A3 C4", "Am"), ("F3 A3 C4 D#4", "F7")])
@pytest.mark.parametrize("cents", [-45, -20, 0, 30, 50])
def test_a_detuned_chord_shows_its_tones_once_retuned(names: str, symbol: str, cents: int) -> None:
    treble, _ = heard(notes(names, cents=cents)).semitones(cents)
    tones = parse_chord(symbol).pitch_classes
    assert strongest(treble[len(treble) // 2], len(tones)) == set(tones)


def test_noise_beneath_a_chord_changes_little() -> None:
    chord = notes("C3 E3 G3 C4")
    noise = np.random.default_rng(3).standard_normal(chord.size) * np.std(chord) * 0.1
    clean, noisy = (heard(samples.astype(np.float32)).semitones()[0][10] for samples in (chord, chord + noise))
    likeness = clean @ noisy / (np.linalg.norm(clean) * np.linalg.norm(noisy))
    assert likeness > 0.95


def test_frames_are_centred_where_their_times_say() -> None:
    chroma = heard(np.concatenate([notes("C4", 3.0), notes("F#4", 3.0)]))
    treble, _ = chroma.semitones()
    change = chroma.times[np.flatnonzero(treble[:, 6] > treble[:, 0])[0]]
    assert abs(change - 3.0) <= 1 / chroma.frame_rate
    assert chroma.times[-1] < 6.0 <= chroma.times[-1] + 1 / chroma.frame_rate


def test_the_loudness_of_a_note_does_not_matter() -> None:
    loud, soft = (heard(notes("C3 E3 G3") * np.float32(gain)).treble[10] for gain in (1.0, 0.01))
    assert np.allclose(loud, soft, atol=0.1 * loud.max())


@pytest.mark.parametrize("block_length", [1, 333, 2048, 70_001])
def test_features_do_not_depend_on_the_blocks(block_length: int) -> None:
    samples = notes("C3 E3 G3", 1.0 if block_length == 1 else 8.0)
    whole, pieces = heard(samples), heard(samples, block_length)
    assert np.array_equal(whole.treble, pieces.treble)
    assert np.array_equal(whole.bass, pieces.bass)
    assert np.array_equal(whole.energy, pieces.energy)
    assert np.array_equal(whole.tuning, pieces.tuning)


def test_what_is_taken_now_and_then_is_the_same_as_in_the_end() -> None:
    samples = notes("D3 F3 A3", 6.0)
    listener, taken = ChromaListener(RATE), []
    for start in range(0, samples.size, 5000):
        listener.add(samples[start : start + 5000])
        taken.append(listener.take())
    taken.append(listener.finish())
    together, whole = joined(taken), heard(samples)
    assert [part.first_frame for part in taken] == np.cumsum([0, *map(len, taken[:-1])]).tolist()
    assert np.array_equal(together.times, whole.times)
    assert np.allclose(together.treble, whole.treble, atol=1e-3)


def test_a_frame_is_there_as_soon_as_its_samples_are() -> None:
    listener = ChromaListener(RATE)
    listener.add(notes("C4", 3.0))
    assert 3.0 - listener.take().times[-1] < listener.lookahead_seconds + 1 / listener.frame_rate
    assert listener.lookahead_seconds < 0.2


def test_another_listener_goes_on_from_a_state() -> None:
    samples = notes("E2 B2 E3 G3", 5.0)
    first, second = ChromaListener(RATE), ChromaListener(RATE)
    first.add(samples[:50_000])
    before = first.take()
    state = first.state()
    assert sum(array.nbytes for array in state.values()) < 100_000
    second.restore(state)
    second.add(samples[50_000:])
    whole = heard(samples)
    together = joined([before, second.finish()])
    assert np.array_equal(together.times, whole.times)
    assert np.allclose(together.treble, whole.treble, atol=1e-3)


def test_after_finishing_a_listener_is_as_new() -> None:
    listener = ChromaListener(RATE)
    listener.add(notes("C4"))
    first = listener.finish()
    listener.add(notes("C4"))
    assert np.array_equal(listener.finish().treble, first.treble)


BAD_SAMPLES = {
    "none": np.zeros(0, np.float32),
    "one": np.ones(1, np.float32),
    "0.3 s": notes("A4", 0.3),
    "silence": np.zeros(5 * RATE, np.float32),
    "a constant": np.full(5 * RATE, 0.5, np.float32),
    "clipped": np.clip(20 * notes("A2 C3 E3"), -1, 1),
    "far too loud": notes("A4") * np.float32(1e30),
    "not numbers": np.full(RATE, np.nan, np.float32),
    "infinite": np.full(RATE, np.inf, np.float32),
}


@pytest.mark.parametrize("samples", BAD_SAMPLES.values(), ids=BAD_SAMPLES.keys())
def test_whatever_it_hears_the_features_are_numbers(samples: Samples) -> None:
    chroma = heard(samples)
    assert len(chroma) == math.ceil(samples.size / RATE * chroma.frame_rate)
    assert chroma.treble.shape == chroma.bass.shape == (len(chroma), BINS)
    for array in (chroma.treble, chroma.bass, chroma.energy, chroma.flatness, chroma.tuning):
        assert np.isfinite(array).all()
    assert 0 <= estimate_tuning(chroma).confidence <= 1


def test_silence_is_all_zeros() -> None:
    chroma = heard(np.zeros(3 * RATE, np.float32))
    assert not chroma.treble.any()
    assert not chroma.energy.any()


def test_noise_is_flat_and_notes_are_not() -> None:
    noise = np.random.default_rng(1).uniform(-0.5, 0.5, 3 * RATE).astype(np.float32)
    assert np.median(heard(noise).flatness) > 0.5
    assert np.median(heard(notes("C3 E3 G3")).flatness) < 0.1


@cache
def tuned(kind: str) -> Music:
    if kind == "guitar":
        return guitar(("E", "A", "B7", "C#m"), bars=4, tempo_bpm=120)
    return band(("Dm", "Gm", "A7", "Dm"), seconds=12, style="rock")


@pytest.mark.parametrize("kind", ["guitar", "band"])
@pytest.mark.parametrize("cents", [-40, -20, 0, 30])
def test_finds_the_tuning_within_three_cents(kind: str, cents: float) -> None:
    found = estimate_tuning(heard(mono(tuned(kind).detuned(cents))))
    assert found.offset_cents == pytest.approx(cents, abs=3)
    assert found.reference_hz == pytest.approx(440 * 2 ** (found.offset_cents / 1200), abs=0.01)
    assert found.confidence > 0.4


@pytest.mark.parametrize("samples", [np.zeros(RATE, np.float32), np.zeros(0, np.float32)])
def test_silence_has_no_tuning(samples: Samples) -> None:
    found = estimate_tuning(heard(samples))
    assert (found.reference_hz, found.offset_cents, found.confidence) == (440.0, 0.0, 0.0)


def test_noise_has_hardly_a_tuning() -> None:
    noise = np.random.default_rng(2).uniform(-0.5, 0.5, 10 * RATE).astype(np.float32)
    assert estimate_tuning(heard(noise)).confidence < 0.1
