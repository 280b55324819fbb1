"""The parts of pieces whose form is known, as mir_eval scores them."""

from __future__ import annotations

import time
import tracemalloc
from dataclasses import dataclass, replace
from functools import cache
from itertools import pairwise

import mir_eval
import numpy as np
import pytest
import soxr
from numpy.typing import NDArray

from core.analysis.harmony.chroma import Chroma, ChromaListener
from core.analysis.result import Section
from core.analysis.sections import find_sections
from core.analysis.sections.finding import _names
from core.analysis.spectrum import Spectrum, SpectrumListener
from tests.music import SAMPLE_RATE, band

RATE = 22050
BEATS_PER_BAR = 4

Players = dict[str, tuple[str, str, tuple[str, ...]]]
FULL = ("drums", "bass", "guitar", "piano")
LOOPS: Players = {
    "A": ("C G Am F", "pop", FULL),
    "B": ("F Dm Bb C", "rock", FULL),
    "C": ("Em C D Bm", "pop", ("piano", "bass")),
}
PHRASES: Players = {
    "A": ("C Am Dm G Em Am F G", "pop", FULL),
    "B": ("F G Em Am F G C C7", "rock", FULL),
    "C": ("Ab Bb C C Ab Bb G G", "pop", ("drums", "bass", "synth")),
}
CHORDS_ALONE: Players = {"A": ("C G Am F", "pop", FULL), "B": ("F Dm Bb C", "pop", FULL)}
SOUND_ALONE: Players = {"A": ("C G Am F", "pop", FULL), "B": ("C G Am F", "pop", ("guitar",))}
BLUES: Players = {"A": ("C7 C7 C7 C7 F7 F7 C7 C7 G7 F7 C7 C7", "rock", FULL)}


@dataclass(frozen=True)
class Piece:
    """What was heard of a piece, and its form: times in seconds."""

    chroma: Chroma
    spectrum: Spectrum
    downbeats: NDArray[np.float64]
    edges: tuple[float, ...]
    labels: tuple[str, ...]

    @property
    def seconds(self) -> float:
        return self.edges[-1]

    def sections(self, downbeats: NDArray[np.float64] | None = None) -> tuple[Section, ...]:
        return find_sections(
            self.chroma, self.spectrum, self.downbeats if downbeats is None else downbeats, self.seconds
        )


def heard(mono: NDArray[np.float32]) -> tuple[Chroma, Spectrum]:
    chroma, spectrum = ChromaListener(RATE), SpectrumListener(RATE)
    chroma.add(mono)
    spectrum.add(mono)
    return chroma.finish(), spectrum.finish()


def piece(form: str, players: Players, tempo_bpm: float, bars: int = 8, noise_db: float | None = None) -> Piece:
    """So many bars of each part; every take of a part is played anew."""
    bar_seconds = BEATS_PER_BAR * 60 / tempo_bpm
    takes, edges = [], [0.0]
    for take, label in enumerate(form):
        chords, style, stems = players[label]
        music = band(chords.split(), tempo_bpm, bars * bar_seconds, stems, style, 0.4, seed=100 + take)
        takes.append(music.samples.mean(axis=0))
        edges.append(edges[-1] + music.seconds)
    mono = np.concatenate(takes)
    if noise_db is not None:
        mono = mono + np.random.default_rng(1).standard_normal(mono.size) * mono.std() * 10 ** (noise_db / 20)
    chroma, spectrum = heard(soxr.resample(mono.astype(np.float32), SAMPLE_RATE, RATE))
    jitter = np.random.default_rng(2).normal(0, 0.015, bars * len(form))
    downbeats = np.arange(bars * len(form)) * bar_seconds + jitter
    return Piece(chroma, spectrum, downbeats, tuple(edges), tuple(form))


@cache
def song() -> Piece:
    return piece("ABCAB", LOOPS, 100)


def truth(piece: Piece) -> tuple[NDArray[np.float64], list[str]]:
    """Neighbours of one label are one part."""
    first = [index for index, label in enumerate(piece.labels) if index == 0 or label != piece.labels[index - 1]]
    edges = [*(piece.edges[index] for index in first), piece.edges[-1]]
    return np.array(list(pairwise(edges))), [piece.labels[index] for index in first]


def scores(piece: Piece, sections: tuple[Section, ...]) -> tuple[float, float, float]:
    """The F-measures of boundaries to 0.5 s and to 3 s, but for the first and the last, and of pairs of frames."""
    intervals, labels = truth(piece)
    found = np.array([[section.start_seconds, section.end_seconds] for section in sections])
    found[-1, 1] = intervals[-1, 1]
    names = [section.label for section in sections]
    near, nearer = (mir_eval.segment.detection(intervals, found, window=w, trim=True)[2] for w in (3, 0.5))
    return nearer, near, mir_eval.segment.pairwise(intervals, labels, found, names)[2]


@pytest.mark.parametrize(
    ("form", "players", "tempo_bpm", "noise_db"),
    [
        ("ABAB", LOOPS, 60, None),
        ("ABAB", LOOPS, 120, None),
        ("ABCAB", LOOPS, 100, -10),
        ("ABACA", LOOPS, 140, None),
        ("AABBA", LOOPS, 180, None),
        ("ABAB", CHORDS_ALONE, 110, -20),
        ("ABAB", SOUND_ALONE, 90, None),
        ("ABABCB", PHRASES, 110, None),
    ],
)
def test_parts_are_found_and_told_apart(form: str, players: Players, tempo_bpm: float, noise_db: float | None) -> None:
    music = piece(form, players, tempo_bpm, noise_db=noise_db)
    nearer, near, pairs = scores(music, music.sections())
    assert nearer >= 0.8
    assert near >= 0.8
    assert pairs >= 0.9


def test_rounds_of_a_form_are_one_part() -> None:
    blues = piece("AAA", BLUES, 120, bars=12)
    assert [section.label for section in blues.sections()] == ["A"]


def test_parts_follow_each_other_from_the_start_to_the_end() -> None:
    sections = song().sections()
    assert sections[0].start_seconds == 0
    assert sections[-1].end_seconds == pytest.approx(song().seconds, abs=1e-4)
    assert all(one.end_seconds == other.start_seconds for one, other in pairwise(sections))
    assert all(one.label != other.label for one, other in pairwise(sections))


def test_letters_follow_the_order_of_first_hearing() -> None:
    labels = [section.label for section in song().sections()]
    assert sorted(set(labels), key=labels.index) == sorted(set(labels))
    assert all(section.confidence > 0.5 for section in song().sections())


def test_after_z_comes_aa() -> None:
    names = _names(list(range(0, 10_000, 10)))
    assert names[:3] == ["A", "B", "C"]
    assert names[25:29] == ["Z", "AA", "AB", "AC"]
    assert names[701:704] == ["ZZ", "AAA", "AAB"]
    assert len(set(names)) == len(names)


def test_parts_begin_on_downbeats() -> None:
    starts = [section.start_seconds for section in song().sections()[1:]]
    assert all(np.abs(song().downbeats - start).min() < 1e-4 for start in starts)


def test_without_downbeats_parts_are_found_to_a_few_seconds() -> None:
    _, near, pairs = scores(song(), song().sections(np.zeros(0)))
    assert near >= 0.7
    assert pairs >= 0.8


def test_the_first_downbeats_may_be_missing() -> None:
    _, near, pairs = scores(song(), song().sections(song().downbeats[6:-3]))
    assert near >= 0.8
    assert pairs >= 0.8


def noise(seconds: float) -> NDArray[np.float32]:
    return (0.1 * np.random.default_rng(3).standard_normal(round(seconds * RATE))).astype(np.float32)


def drone(seconds: float) -> NDArray[np.float32]:
    clock = np.arange(round(seconds * RATE)) / RATE
    return sum(np.sin(2 * np.pi * hertz * clock) for hertz in (220.0, 277.18, 329.63)).astype(np.float32) / 8


@pytest.mark.parametrize(
    "mono",
    [np.zeros(0, np.float32), noise(1 / RATE), noise(0.3), noise(60), np.zeros(60 * RATE, np.float32), drone(60)],
    ids=["nothing", "one sample", "0.3 s", "noise", "silence", "one chord"],
)
@pytest.mark.parametrize("with_bars", [False, True])
def test_what_never_changes_is_one_part_of_no_confidence(mono: NDArray[np.float32], with_bars: bool) -> None:
    seconds = mono.size / RATE
    downbeats = np.arange(0, seconds, 1.9) if with_bars else np.zeros(0)
    found = find_sections(*heard(mono), downbeats, seconds)
    assert [(part.start_seconds, part.label, part.confidence) for part in found] == [(0, "A", 0)]
    assert found[0].end_seconds == pytest.approx(seconds, abs=1e-4)


def test_music_before_silence_is_another_part() -> None:
    mono = np.concatenate((drone(40), np.zeros(40 * RATE, np.float32)))
    found = find_sections(*heard(mono), np.zeros(0), 80)
    assert [part.label for part in found] == ["A", "B"]
    assert found[1].start_seconds == pytest.approx(40, abs=2)


def test_four_hours_take_seconds_and_little_memory() -> None:
    times = int(4 * 3600 / song().seconds)

    def repeated(values: NDArray[np.generic]) -> NDArray[np.generic]:
        return np.concatenate([values] * times)

    one = song()
    chroma = replace(
        one.chroma,
        **{name: repeated(value) for name, value in vars(one.chroma).items() if isinstance(value, np.ndarray)},
    )
    spectrum = replace(one.spectrum, values=repeated(one.spectrum.values), timbre=repeated(one.spectrum.timbre))
    seconds = one.seconds * times
    downbeats = np.arange(0, seconds, 2.0)
    began = time.process_time()
    find_sections(chroma, spectrum, downbeats, seconds)
    assert time.process_time() - began < 40
    tracemalloc.start()
    try:
        find_sections(chroma.slice(0, len(chroma) // 4), spectrum, downbeats[: len(downbeats) // 4], seconds / 4)
        _, most = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert most < 40e6
