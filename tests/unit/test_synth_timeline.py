"""Stems that follow a timeline: measured on the notes, and on the sound."""

from __future__ import annotations

import itertools
import math
import time
import zlib
from dataclasses import replace

import numpy as np
import pytest

from core.engines.synth.patterns import bar_of
from core.engines.synth.score import Score, TimedNote
from core.ports import StemRequest, Timeline
from core.theory.chords import ChordError, parse_chord
from tests.unit.synth_measures import (
    SAMPLE_RATE,
    STEMS,
    STYLES,
    Mono,
    distance,
    mono,
    nearest_distances,
    rendered,
    request,
    strongest_classes,
)

CHANGES = ((0.0, "C"), (4.0, "G"), (8.0, "Am"), (12.0, "F"), (16.0, "C"))
STEADY = Timeline(tuple(0.5 * index for index in range(33)), 1, 4, CHANGES)


def following(timeline: Timeline, stem: str = "synth", seconds: float = 8.0, style: str = "pop") -> StemRequest:
    return replace(request(stem, seconds, 60.0, style, ("D",)), timeline=timeline)


def notes_of(stem: StemRequest) -> list[TimedNote]:
    return [note for _, notes in Score(stem).bars() for note in notes]


def drifting(seconds: float, tempo_bpm: float = 112.0, depth: float = 0.03) -> tuple[float, ...]:
    """Beats whose tempo swings so far either way, once in 40 s."""
    beats = [0.4]
    while beats[-1] < seconds:
        beats.append(beats[-1] + 60 / (tempo_bpm * (1 + depth * math.sin(2 * math.pi * beats[-1] / 40))))
    return tuple(beats)


def onsets(sound: Mono, step_seconds: float = 0.001) -> list[float]:
    """Where the highs jump: the energy of 1 ms against the most of the 20 ms before."""
    length = round(step_seconds * SAMPLE_RATE)
    highs = np.diff(sound, 2)
    level = np.sqrt(np.mean(highs[: len(highs) // length * length].reshape(-1, length) ** 2, axis=1))
    before = np.max([np.roll(level, shift) for shift in range(1, 21)], axis=0)
    jumps = np.flatnonzero(level - before > 0.1 * level.max())
    return [float(jump) * length / SAMPLE_RATE for jump in jumps if jump - 1 not in jumps]


NOTES_BEFORE_TIMELINES = {
    "drums": (2828395582, 2159798925, 1243240430),
    "bass": (3940487324, 3583782539, 2494157140),
    "guitar": (1364534652, 1185164459, 2766522509),
    "vocals": (1741027107, 4053174647, 1146691700),
    "piano": (1874009512, 818897851, 2257103107),
    "synth": (1965610552, 1022460567, 1763854362),
    "other": (3319329320, 3918725945, 3210309494),
}
"""The CRC-32 of what was played when there were no timelines yet."""


@pytest.mark.parametrize("stem", STEMS)
def test_without_a_timeline_every_note_is_the_one_it_was_before_there_were_timelines(stem: str) -> None:
    requests = (
        StemRequest(stem, 20.0, 120.0, "pop", ("C", "G", "Am", "F"), "", 0.0, 1),
        StemRequest(stem, 33.3, 97.3, "jazz", ("Dm7", "G7", "Cmaj9", "A7/C#"), "", 1.0, 7),
        StemRequest(stem, 60.0, 211.0, "ballad", (), "", 2.0, -3),
    )
    played = []
    for each in requests:
        notes = [(n.start, n.frames, n.sound, n.pitch, round(n.velocity, 9), round(n.pan, 9)) for n in notes_of(each)]
        played.append(zlib.crc32(repr(notes).encode()))
    assert tuple(played) == NOTES_BEFORE_TIMELINES[stem]


@pytest.mark.parametrize("style", STYLES)
@pytest.mark.parametrize("stem", STEMS)
def test_a_steady_timeline_plays_the_notes_of_its_tempo_and_chords(stem: str, style: str) -> None:
    plain = replace(request(stem, 8.0, 120.0, style, ("C", "G", "Am", "F")), temperature=1.0)
    followed = replace(plain, timeline=STEADY, tempo_bpm=33.0, chords=("B",))
    pairs = [*zip(notes_of(plain), notes_of(followed), strict=True)]
    assert all(abs(a.start - b.start) <= 1 and (a.pitch, a.sound) == (b.pitch, b.sound) for a, b in pairs)
    assert all(abs(a.frames - b.frames) <= 0.011 * a.frames + 1 for a, b in pairs)


def test_drums_hit_every_beat_of_a_drifting_tempo() -> None:
    beats = drifting(180.0)
    timeline = Timeline(beats, 1, 4, ((0.0, "C"),))
    heard = onsets(mono(rendered(following(timeline, "drums", 180.0, "rock"))))
    deviations = nearest_distances(heard, [beat for beat in beats if beat < 179.5])
    assert np.median(deviations) < 0.002
    assert max(deviations) < 0.006


def test_chords_change_on_the_beats_of_a_drifting_tempo() -> None:
    beats = drifting(60.0)
    symbols = ("C", "F#", "Am", "Eb")
    chords = tuple((4.0 * bar, symbols[bar % 4]) for bar in range(len(beats) // 4))
    notes = notes_of(following(Timeline(beats, 1, 4, chords), "piano", 60.0, "rock"))
    changes = [note.start / SAMPLE_RATE for bar in range(1, 25) for note in notes if _begins(note, beats[4 * bar])]
    assert len(changes) >= 24
    for place, symbol in chords[:24]:
        start, stop = beats[int(place)], beats[int(place) + 4]
        sounding = {n.pitch % 12 for n in notes if start - 0.001 <= n.start / SAMPLE_RATE < stop - 0.001}
        assert sounding == set(parse_chord(symbol).pitch_classes)


def _begins(note: TimedNote, seconds: float) -> bool:
    return abs(note.start / SAMPLE_RATE - seconds) < 0.001


def test_the_sound_changes_with_the_chord() -> None:
    audio = mono(rendered(following(STEADY, "synth", 8.0, "ballad")))
    for bar, symbol in enumerate(("C", "G", "Am", "F")):
        part = audio[round((2 * bar + 0.7) * SAMPLE_RATE) : round((2 * bar + 1.9) * SAMPLE_RATE)]
        assert strongest_classes(part, 3, 150, 2000) == set(parse_chord(symbol).pitch_classes)


def test_a_held_note_is_played_anew_where_the_chord_changes_within_a_bar() -> None:
    timeline = Timeline(STEADY.beats, 1, 4, ((0.0, "C"), (2.5, "F")))
    pad = notes_of(following(timeline, "synth", 2.0, "ballad"))  # its pattern is one chord a bar
    assert {note.start for note in pad} == {0, round(1.25 * SAMPLE_RATE)}
    first, second = ([n for n in pad if n.start == start] for start in (0, round(1.25 * SAMPLE_RATE)))
    assert {note.pitch % 12 for note in first} == {0, 4, 7}
    assert {note.pitch % 12 for note in second} == {5, 9, 0}
    assert max(note.frames for note in first) == pytest.approx(1.25 * SAMPLE_RATE, rel=0.011)


@pytest.mark.parametrize("style", STYLES)
def test_a_bass_takes_the_root_wherever_the_chord_changes_under_a_note(style: str) -> None:
    timeline = Timeline(STEADY.beats, 1, 4, tuple((float(beat), "CEGA"[beat % 4]) for beat in range(16)))
    notes = notes_of(following(timeline, "bass", 8.0, style))
    for beat in range(16):
        on_beat = [note for note in notes if abs(note.start - beat * 0.5 * SAMPLE_RATE) < 2]
        assert all(note.pitch % 12 == parse_chord("CEGA"[beat % 4]).bass for note in on_beat)


def test_where_there_is_no_chord_only_drums_play() -> None:
    timeline = Timeline(STEADY.beats, 1, 4, ((0.0, None), (4.0, "C"), (10.0, None)))
    for stem in STEMS:
        starts = [note.start / SAMPLE_RATE for note in notes_of(following(timeline, stem, 8.0))]
        if stem == "drums":
            assert min(starts) < 0.1
            assert max(starts) > 7
        else:
            assert min(starts) >= 2.0
            assert 4.0 <= max(starts) < 5.0


def test_a_walking_bass_leads_to_the_chord_of_the_next_bar_and_not_to_one_far_away() -> None:
    timeline = Timeline(STEADY.beats, 1, 4, ((0.0, "C"), (8.0, "F")))
    notes = notes_of(following(timeline, "bass", 8.0, "jazz"))
    last_of_bars = [max((n for n in notes if n.start < bar * 2 * SAMPLE_RATE), key=lambda n: n.start) for bar in (1, 2)]
    targets = [parse_chord(symbol).bass for symbol in ("C", "F")]
    for note, target in zip(last_of_bars, targets, strict=True):
        assert (note.pitch - target) % 12 in (1, 11)


def test_beats_go_on_at_both_ends_as_they_are_there() -> None:
    inner = tuple(2.0 + 0.5 * index for index in range(5))  # beats of a stem of 8 s are known from 2 to 4 s alone
    drums = notes_of(following(Timeline(inner, 1, 4, ((0.0, "C"),)), "drums", 8.0, "electronic"))
    kicks = [note.start / SAMPLE_RATE for note in drums if note.sound == "kick"]
    assert kicks == pytest.approx(np.arange(16) * 0.5, abs=1e-4)


@pytest.mark.parametrize("first_position", [1, 2, 3, 4])
def test_a_pick_up_leaves_the_bars_where_they_are(first_position: int) -> None:
    timeline = Timeline(STEADY.beats, first_position, 4, ((0.0, "C"),))
    notes = notes_of(following(timeline, "drums", 8.0, "rock"))
    snares = [note.start / SAMPLE_RATE for note in notes if note.sound == "snare" and note.start < 8 * SAMPLE_RATE]
    expected = [0.5 * beat for beat in range(16) if (beat + first_position) % 2 == 0]  # on 2 and 4
    assert snares == pytest.approx(expected, abs=1e-4)


def test_a_beat_that_was_heard_just_before_the_start_is_played_at_the_start() -> None:
    beats = tuple(0.48 + 0.5 * index for index in range(16))
    timeline = Timeline(beats, 2, 4, ((0.0, "C"),))
    assert min(note.start for note in notes_of(following(timeline, "bass", 4.0))) == 0


@pytest.mark.parametrize("stem", STEMS)
@pytest.mark.parametrize("beats_per_bar", [2, 3, 5, 6, 7])
def test_bars_of_other_lengths_are_filled_and_begin_alike(stem: str, beats_per_bar: int) -> None:
    timeline = Timeline(STEADY.beats, 1, beats_per_bar, ((0.0, "C"),))
    for style in STYLES:
        steps = bar_of(stem, style, beats_per_bar)
        assert all(step.beat + step.beats <= beats_per_bar + 1e-9 for step in steps)
        assert steps == sorted(steps, key=lambda step: step.beat)
        warm = replace(following(timeline, stem, 16.0, style), temperature=2.0)
        for (start, notes), (stop, _) in itertools.pairwise(Score(warm).bars()):
            assert stop - start == pytest.approx(beats_per_bar * 0.5 * SAMPLE_RATE, abs=2)
            assert all(note.start >= start for note in notes)


def test_a_waltz_has_its_bass_drum_on_one_and_its_snare_on_two() -> None:
    notes = notes_of(following(Timeline(STEADY.beats, 1, 3, ((0.0, "C"),)), "drums", 9.0, "rock"))
    hits = {sound: {round(n.start / SAMPLE_RATE, 3) for n in notes if n.sound == sound} for sound in ("kick", "snare")}
    assert {1.5 * bar for bar in range(6)} <= hits["kick"]
    assert hits["snare"] == {1.5 * bar + 0.5 for bar in range(6)}


@pytest.mark.parametrize("stem", STEMS)
def test_notes_of_a_drifting_tempo_share_their_sounds(stem: str) -> None:
    jitter = np.random.default_rng(1).normal(0, 0.008, 400)
    beats = tuple((np.asarray(drifting(180.0))[:330] + jitter[:330]).tolist())
    chords = tuple((4.0 * bar, "CGAF"[bar % 4]) for bar in range(80))
    notes = notes_of(following(Timeline(beats, 1, 4, chords), stem, 170.0))
    assert len({(note.sound, note.pitch, note.frames) for note in notes}) < len(notes) / 2


@pytest.mark.parametrize("stem", STEMS)
def test_a_stem_with_a_timeline_is_made_100_times_as_fast_as_it_is_played(stem: str) -> None:
    beats = drifting(60.0)
    chords = tuple((4.0 * bar, "CGAF"[bar % 4]) for bar in range(len(beats) // 4))
    followed = following(Timeline(beats, 1, 4, chords), stem, 60.0)
    rendered(replace(followed, duration_seconds=1.0))  # what is made once for a process
    started = time.process_time()
    rendered(followed)
    assert time.process_time() - started < 60.0 / 100


def test_the_first_beat_is_heard_in_full() -> None:
    audio = mono(rendered(following(STEADY, "drums", 4.0, "rock")))
    first, fifth = (audio[round(start * SAMPLE_RATE) :][: SAMPLE_RATE // 10] for start in (0.0, 2.0))
    assert np.sqrt(np.mean(first**2)) == pytest.approx(np.sqrt(np.mean(fifth**2)), rel=0.1)
    assert audio[0] == 0


def test_a_timeline_and_a_seed_are_a_take() -> None:
    warm = replace(following(Timeline(drifting(10.0), 1, 4, ((0.0, "C"),)), "piano"), temperature=1.0)
    np.testing.assert_array_equal(rendered(warm), rendered(warm))
    assert distance(rendered(warm), rendered(replace(warm, seed=3))) > 0.1


@pytest.mark.parametrize(
    "timeline",
    [
        Timeline((1.0,), 1, 4, ((0.0, "C"),)),
        Timeline((1.0, 0.5), 1, 4, ((0.0, "C"),)),
        Timeline((0.0, 0.5), 1, 9, ((0.0, "C"),)),
        Timeline((0.0, 0.5), 1, 4, ()),
    ],
)
def test_a_timeline_that_makes_no_sense_is_refused(timeline: Timeline) -> None:
    with pytest.raises(ValueError, match=r"beats|timeline"):
        Score(following(timeline))


def test_a_timeline_with_what_is_no_chord_is_refused() -> None:
    with pytest.raises(ChordError):
        Score(following(Timeline((0.0, 0.5), 1, 4, ((0.0, "H"),))))
