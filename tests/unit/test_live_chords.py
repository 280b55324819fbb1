"""How soon live chords are known, and how often they are right, on music whose chords are known."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache

import numpy as np
import pytest

from core.live.connection import LiveConnection
from core.theory.chords import parse_chord
from tests.music import Music, band, guitar
from tests.unit.live_client import Said, answers_to, chords_in, pcm, pieces, start

CHUNK_SECONDS = 0.1
GUITAR = [
    (("C", "G", "Am", "F"), 60), (("C", "G", "Am", "F"), 100), (("Em", "C", "G", "D"), 160),
    (("A", "D", "E", "F#m"), 120), (("Dm7", "G7", "Cmaj7", "Am7"), 100), (("Bm", "G", "D", "A"), 140),
    (("E7", "A7", "B7", "E7"), 90),
]  # fmt: skip
BAND = [(("C", "G", "Am", "F"), 90), (("Em", "C", "G", "D"), 130), (("A", "D", "E", "F#m"), 110)]


@dataclass(frozen=True)
class Measured:
    """How well a piece's chords were told.

    Attributes:
        right: of the time, how much is in the right chord, major and minor told apart.
        latencies: from when each chord began to sound to when it was said, in seconds of audio that was sent.
        missed: the chords that were never said.
        extra: what was said beyond the changes there are.
    """

    right: float
    latencies: tuple[float, ...]
    missed: int
    extra: int


def played(music: Music) -> list[Said]:
    frame_bytes = 2 * music.samples.shape[0]
    chunk = round(CHUNK_SECONDS * music.sample_rate) * frame_bytes
    form = start(format="pcm", sample_rate=music.sample_rate, channels=music.samples.shape[0])
    return chords_in(answers_to([form, *pieces(pcm(music.samples), chunk)]))


def measured(music: Music) -> Measured:
    said = played(music)
    truth = [(start, end, triad(symbol)) for start, end, symbol in music.chords]
    changes = [span for before, span in zip([None, *truth], truth, strict=False) if not before or before[2] != span[2]]
    latencies = []
    for begin, end, chord in changes:
        known = [s.message * CHUNK_SECONDS for s in said if begin - 0.5 < s.seconds < end and triad(s.symbol) == chord]
        latencies += [known[0] - begin] if known else []
    moments = np.arange(0.05, music.seconds - 1, 0.05)
    found = np.searchsorted([s.seconds for s in said], moments, side="right") - 1
    right = [
        place >= 0 and any(begin <= moment < end and triad(said[place].symbol) == chord for begin, end, chord in truth)
        for moment, place in zip(moments, found, strict=True)
    ]
    return Measured(float(np.mean(right)), tuple(latencies), len(changes) - len(latencies), len(said) - len(changes))


def triad(symbol: str) -> tuple[int, str] | None:
    """Root, and major or minor, as MIREX compares chords; ``None`` for no chord."""
    if symbol == "N":
        return None
    chord = parse_chord(symbol)
    return chord.root, "minor" if 3 in chord.intervals else "major"


@cache
def guitars() -> tuple[Measured, ...]:
    return tuple(measured(guitar(chords, tempo, bars=12)) for chords, tempo in GUITAR)


@cache
def bands() -> tuple[Measured, ...]:
    return tuple(measured(band(chords, tempo, 24.0)) for chords, tempo in BAND)


def report(name: str, found: tuple[Measured, ...]) -> list[float]:
    latencies = [latency for piece in found for latency in piece.latencies]
    print(
        f"{name}: {np.mean([piece.right for piece in found]):.3f} right, latency {np.median(latencies):.2f} s median, "
        f"{max(latencies):.2f} s worst of {len(latencies)}, {sum(piece.missed for piece in found)} missed, "
        f"{sum(piece.extra for piece in found)} extra"
    )
    return latencies


def test_a_guitars_chords_are_known_within_a_second() -> None:
    latencies = report("guitar", guitars())
    assert max(latencies) <= 1.0
    assert np.median(latencies) <= 0.8
    assert sum(piece.missed for piece in guitars()) == 0


def test_a_guitars_chords_are_right() -> None:
    assert np.mean([piece.right for piece in guitars()]) >= 0.95
    assert min(piece.right for piece in guitars()) >= 0.9


def test_a_bands_chords_are_known_within_a_second_and_right() -> None:
    assert max(report("band", bands())) <= 1.0
    assert min(piece.right for piece in bands()) >= 0.85


@pytest.mark.parametrize(
    "changed",
    [lambda m: m.with_noise(20), lambda m: m.with_noise(5), lambda m: m.detuned(30), lambda m: m.detuned(-40)],
    ids=["noise 20 dB below", "noise 5 dB below", "30 cents sharp", "40 cents flat"],
)
def test_noise_and_another_tuning_take_little_away(changed: Callable[[Music], Music]) -> None:
    found = measured(changed(guitar(("C", "G", "Am", "F"), 100, bars=12)))
    report("guitar", (found,))
    assert found.right >= 0.9
    assert max(found.latencies) <= 1.0


def test_drums_alone_have_no_chords() -> None:
    said = played(band(("C",), 120, 20.0, stems=("drums",)))
    print("drums:", [(chord.seconds, chord.label) for chord in said])
    starts = [chord.seconds for chord in said] + [20.0]
    sounding = sum(end - chord.seconds for chord, end in zip(said, starts[1:], strict=True) if chord.label != "N")
    assert sounding <= 0.1 * 20


def test_live_chords_cost_a_small_part_of_the_time() -> None:
    """Processor time, of 100 ms chunks in 16-bit stereo at 44.1 kHz; printed, and bounded loosely: machines differ."""
    music = guitar(("C", "G", "Am", "F"), 100, bars=12)
    chunks = pieces(pcm(music.samples), round(CHUNK_SECONDS * music.sample_rate) * 4)
    connection = LiveConnection()
    connection.receive(start(format="pcm", sample_rate=music.sample_rate, channels=2))
    connection.receive(chunks[0])
    begun = time.process_time()
    for chunk in chunks:
        connection.receive(chunk)
    seconds = time.process_time() - begun
    print(
        f"live: {music.seconds / seconds:.0f} times real time, {1000 * seconds / len(chunks):.2f} ms a chunk of 100 ms"
    )
    assert music.seconds / seconds > 10
