"""Chords and beats as MIDI: what a sequencer reads lies on the music."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import pairwise

import numpy as np
import pytest

from core.analysis.files.beat_grid import TICKS_PER_QUARTER
from core.analysis.files.chart_midi import chart_midi, voicing
from core.analysis.result import Beat, KeyFound, KeySpan
from core.theory.chords import parse_chord
from tests.unit.analysis_examples import found, nothing_found

# A reader


class Read:
    """A MIDI file as a sequencer plays it.

    Attributes:
        tracks: for each track its messages with their ticks.
        tempos: ticks and microseconds a quarter.
    """

    def __init__(self, file: bytes) -> None:
        assert file[:8] == b"MThd\0\0\0\6" and file[8:10] == b"\0\1"
        self.tracks: list[list[tuple[int, bytes]]] = []
        at = 14
        while at < len(file):
            assert file[at : at + 4] == b"MTrk"
            length = int.from_bytes(file[at + 4 : at + 8], "big")
            self.tracks.append(list(_messages(file[at + 8 : at + 8 + length])))
            at += 8 + length
        assert len(self.tracks) == int.from_bytes(file[10:12], "big")
        self.ticks_per_quarter = int.from_bytes(file[12:14], "big")
        self.tempos = [(ticks, int.from_bytes(content, "big")) for ticks, content in self.meta(0x51)]

    def meta(self, kind: int, track: int = 0) -> list[tuple[int, bytes]]:
        return [
            (ticks, message[2:]) for ticks, message in self.tracks[track] if message[0] == 0xFF and message[1] == kind
        ]

    def seconds(self, ticks: int) -> float:
        """The tempo holds until the next."""
        total = 0.0
        for (start, length), (end, _) in pairwise([*self.tempos, (2**60, 0)]):
            total += max(min(ticks, end) - start, 0) / self.ticks_per_quarter * length / 1e6
        return total

    def notes(self, track: int) -> list[tuple[int, int, int, int]]:
        """Start and end in ticks, pitch and velocity."""
        sounding: dict[int, tuple[int, int]] = {}
        done = []
        for ticks, message in self.tracks[track]:
            if message[0] & 0xF0 == 0x90:
                assert message[1] not in sounding, "a note begins anew only after its end"
                sounding[message[1]] = (ticks, message[2])
            elif message[0] & 0xF0 == 0x80:
                start, velocity = sounding.pop(message[1])
                done.append((start, ticks, message[1], velocity))
        assert not sounding
        return sorted(done)

    def bar_lines(self, count: int) -> list[int]:
        """The ticks at which the first bars begin, as the time signatures divide them."""
        signatures = [(ticks, content[0] * self.ticks_per_quarter) for ticks, content in self.meta(0x58)]
        lines, now = [], 0
        while len(lines) < count:
            lines.append(now)
            now += [length for ticks, length in signatures if ticks <= now][-1]
            crossed = [ticks for ticks, _ in signatures if lines[-1] < ticks < now]
            assert not crossed, "a signature changes at a bar line"
        return lines


def _messages(track: bytes) -> Iterator[tuple[int, bytes]]:
    at = now = 0

    def number() -> int:
        nonlocal at
        value = 0
        while True:
            at += 1
            value = value << 7 | track[at - 1] & 0x7F
            if not track[at - 1] & 0x80:
                return value

    while at < len(track):
        now += number()
        start = at
        if track[at] == 0xFF:
            at += 2
            size = number()
            yield now, track[start : start + 2] + track[at : at + size]
            at += size
        else:
            at += 2 if track[at] & 0xF0 == 0xC0 else 3
            yield now, track[start:at]
    assert track[-3:] == b"\xff\x2f\0"


def drifting(seconds: float, bpm: float = 120.0, first: float = 0.0, share: float = 0.03) -> list[float]:
    """Beats whose tempo wanders and which are played by hand."""
    rng = np.random.default_rng(7)
    count = int(seconds * bpm / 60 * 1.2)
    lengths = 60 / bpm * (1 + share * np.sin(np.arange(count) / 40)) + rng.normal(0, 0.004, count)
    times = first + np.concatenate(([0.0], np.cumsum(lengths)))
    return [float(time) for time in times if time < seconds]


# What it plays


@pytest.mark.parametrize("first", [0.0, 0.02, 0.37, 2.9, 47.0])
@pytest.mark.parametrize("bpm", [62.5, 120, 180])
def test_every_beat_is_heard_where_it_is_in_the_music(bpm: float, first: float) -> None:
    analysis = found(seconds=180, bpm=bpm, times=drifting(180, bpm, first))
    file = Read(chart_midi(analysis))
    heard = [file.seconds(start) for start, *_ in file.notes(2)]
    assert heard == pytest.approx([beat.time_seconds for beat in analysis.beats], abs=0.001)


@pytest.mark.parametrize("first_position", [1, 2, 3, 4])
@pytest.mark.parametrize("first", [0.0, 0.02, 0.37, 5.3])
def test_bars_begin_on_downbeats_and_beats_are_quarters(first: float, first_position: int) -> None:
    analysis = found(seconds=60, times=drifting(60, first=first), first_position=first_position)
    file = Read(chart_midi(analysis))
    lines = set(file.bar_lines(50))
    ticks = [start for start, *_ in file.notes(2)]
    if 0 < first < 0.06:  # it lies so near to the start that no tempo leads there
        assert ticks[0] == pytest.approx(first / 0.5 * TICKS_PER_QUARTER, rel=0.1)
        ticks[0] = 0
    assert all(tick % TICKS_PER_QUARTER == 0 for tick in ticks)
    downbeats = {tick for tick, beat in zip(ticks, analysis.beats, strict=True) if beat.position == 1}
    others = {tick for tick, beat in zip(ticks, analysis.beats, strict=True) if beat.position != 1}
    assert downbeats <= lines
    assert not others & (lines - {0})


def test_a_bar_that_is_shorter_has_its_own_signature() -> None:
    positions = [1, 2, 3, 4, 1, 2, 1, 2, 3, 4, 1, 2, 3, 4]
    beats = tuple(Beat(time_seconds=0.5 * index, position=position) for index, position in enumerate(positions))
    file = Read(chart_midi(found(seconds=7).model_copy(update={"beats": beats})))
    quarters = [(ticks // TICKS_PER_QUARTER, content[0]) for ticks, content in file.meta(0x58)]
    assert quarters == [(0, 4), (4, 2), (6, 4)]


def test_three_beats_make_a_bar_of_a_waltz() -> None:
    file = Read(chart_midi(found(seconds=12, beats_per_bar=3)))
    assert [content for _, content in file.meta(0x58)] == [b"\x03\x02\x18\x08"]


def test_downbeats_are_struck_on_the_high_wood_block() -> None:
    analysis = found(seconds=8, first_position=3)
    notes = Read(chart_midi(analysis)).notes(2)
    assert [pitch for _, _, pitch, _ in notes] == [76 if beat.position == 1 else 77 for beat in analysis.beats]
    assert {velocity for _, _, pitch, velocity in notes if pitch == 76} == {110}


def test_chords_sound_as_long_as_they_last_and_are_named() -> None:
    analysis = found(seconds=30, times=drifting(30, first=0.3))
    file = Read(chart_midi(analysis))
    names = file.meta(1, track=1)
    assert [content.decode() for _, content in names] == [span.symbol for span in analysis.chords]
    for span, (start, _) in zip(analysis.chords, names, strict=True):
        assert file.seconds(start) == pytest.approx(span.start_seconds, abs=0.001)
        notes = [note for note in file.notes(1) if note[0] == start]
        if span.symbol == "N":
            assert notes == []
            continue
        chord = parse_chord(span.symbol)
        assert {pitch % 12 for _, _, pitch, _ in notes} == set(chord.pitch_classes)
        assert min(pitch for _, _, pitch, _ in notes) % 12 == chord.bass
        assert all(file.seconds(end) == pytest.approx(span.end_seconds, abs=0.001) for _, end, _, _ in notes)


def test_a_chord_follows_another_without_a_leap() -> None:
    roots = ("C", "Db", "D", "Eb", "E", "F", "F#", "G", "Ab", "A", "Bb", "B")
    voicings = [voicing(parse_chord(root + quality)) for root in roots for quality in ("", "m", "7", "maj7", "dim")]
    assert all(36 <= pitches[0] < 48 for pitches in voicings)
    assert all(55 <= pitch < 67 for pitches in voicings for pitch in pitches[1:])
    assert voicing(parse_chord("C/G")) == [43, 55, 60, 64]


def test_sections_are_markers_and_keys_are_signatures() -> None:
    file = Read(chart_midi(found(seconds=32)))
    assert [(file.seconds(ticks), content) for ticks, content in file.meta(6)] == [
        (0, b"A"), (8, b"B"), (16, b"A"), (24, b"B"),
    ]  # fmt: skip
    assert [(file.seconds(ticks), content) for ticks, content in file.meta(0x59)] == [(0, b"\0\0"), (16, b"\xfa\x01")]


@pytest.mark.parametrize(
    ("tonic", "mode", "sharps"), [("F#", "major", 6), ("Db", "major", -5), ("G#", "minor", 5), ("D#", "major", -3)]
)
def test_a_key_has_its_signature_or_that_of_its_plain_name(tonic: str, mode: str, sharps: int) -> None:
    span = KeySpan.model_validate({"start_seconds": 0, "end_seconds": 9, "tonic": tonic, "mode": mode, "confidence": 1})
    key = KeyFound(tonic=tonic, mode=span.mode, confidence=1, spans=(span,))
    file = Read(chart_midi(found(seconds=9).model_copy(update={"key": key})))
    assert file.meta(0x59) == [(0, sharps.to_bytes(1, "big", signed=True) + bytes([mode == "minor"]))]


def test_a_pause_without_beats_is_bridged() -> None:
    times = [*drifting(20), *(70 + time for time in drifting(20))]
    file = Read(chart_midi(found(seconds=90, times=times)))
    assert [file.seconds(start) for start, *_ in file.notes(2)] == pytest.approx(times, abs=0.001)


@pytest.mark.parametrize("seconds", [0.0001, 0.3, 100])
def test_a_file_in_which_nothing_was_found_is_as_long_as_the_music(seconds: float) -> None:
    file = Read(chart_midi(nothing_found(seconds)))
    assert [file.notes(track) for track in (1, 2)] == [[], []]
    assert file.seconds(file.tracks[0][-1][0]) == pytest.approx(seconds, abs=0.001)
    assert file.meta(0x58) and file.tempos == [(0, 500_000)]


@pytest.mark.parametrize("time_seconds", [0.0, 0.01, 0.2])
def test_a_single_beat_is_a_beat(time_seconds: float) -> None:
    file = Read(chart_midi(found(seconds=0.3, times=[time_seconds])))
    assert [file.seconds(start) for start, *_ in file.notes(2)] == pytest.approx([time_seconds], abs=0.001)


def test_four_hours_are_less_than_a_megabyte() -> None:
    analysis = found(seconds=4 * 3600, bpm=120, times=drifting(4 * 3600))
    file = chart_midi(analysis)
    assert len(file) < 1e6
    read = Read(file)
    last = read.notes(2)[-1][0]
    assert read.seconds(last) == pytest.approx(analysis.beats[-1].time_seconds, abs=0.001)
