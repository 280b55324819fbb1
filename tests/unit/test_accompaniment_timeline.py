"""From what was heard to what is played: beats, bars and chords on the grid."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.accompaniment.asking import chords_asked
from core.accompaniment.request import AccompanimentRequest
from core.accompaniment.sheet import Sheet, sheet_from_analysis, sheet_from_chords
from core.accompaniment.timeline import timeline_of
from core.accompaniment.window import Window
from core.analysis.result import Analysis, Beat, ChordSpan, KeyFound, LoudnessFound, Tempo, Tuning
from core.errors import InvalidRequest, NoBeatFound
from core.theory.beat_map import BeatMap

Span = tuple[float, float, str] | tuple[float, float, str, float]


def analysis(
    beats: Sequence[float], spans: Sequence[Span] = ((0.0, 60.0, "C"),), positions: Sequence[int] | None = None,
    beats_per_bar: int | None = 4, confidence: float = 0.9, bpm: float | None = 120.0,
) -> Analysis:  # fmt: skip
    """What might have been heard; the positions count up from 1 if none are given."""
    places = positions or [index % (beats_per_bar or 1) + 1 if beats_per_bar else 0 for index in range(len(beats))]
    return Analysis(
        duration_seconds=60.0,
        sample_rate=44100,
        channels=2,
        tempo=Tempo(bpm=bpm, confidence=confidence, slowest_bpm=bpm, fastest_bpm=bpm, beats_per_bar=beats_per_bar),
        beats=tuple(Beat(time_seconds=t, position=p) for t, p in zip(beats, places, strict=True)),
        key=KeyFound(tonic="C", mode="major", confidence=1, spans=()),
        tuning=Tuning(reference_hz=440, offset_cents=0, confidence=1),
        chords=tuple(
            ChordSpan(
                start_seconds=s[0], end_seconds=s[1], label=s[2], symbol=s[2], confidence=s[3] if len(s) > 3 else 0.8
            )
            for s in spans
        ),
        sections=(),
        loudness=LoudnessFound(integrated_lufs=-20, range_lu=3, true_peak_dbtp=-6),
        spectral_features={},
    )


HALF_SECONDS = [0.5 * index for index in range(120)]


def chords_of(*spans: Span, beats: Sequence[float] = HALF_SECONDS) -> tuple[tuple[float, str | None], ...]:
    return timeline_of(analysis(beats, spans)).chords


@given(st.lists(st.floats(0.05, 2), min_size=1, max_size=30), st.floats(0, 5), st.floats(-40, 60, allow_nan=False))
def test_beats_and_seconds_lead_back_to_each_other(intervals: list[float], first: float, beat: float) -> None:
    beats = [first]
    for interval in intervals:
        beats.append(beats[-1] + interval)
    beat_map = BeatMap(beats)
    assert beat_map.beat_at(beat_map.seconds_at(beat)) == pytest.approx(beat, abs=1e-6)
    assert beat_map.seconds_at(beat) < beat_map.seconds_at(beat + 0.01)


def test_every_beat_is_where_it_was_found() -> None:
    beats = [0.3, 0.8, 1.2, 1.9]
    beat_map = BeatMap(beats)
    assert [beat_map.seconds_at(index) for index in range(4)] == pytest.approx(beats)
    assert beat_map.seconds_at(1.25) == pytest.approx(0.9)


def test_the_tempo_at_the_ends_is_that_of_several_beats() -> None:
    trembling = [2.0, 2.52, 3.0, 3.49, 4.0, 4.51, 5.0]
    beat_map = BeatMap(trembling)
    assert beat_map.seconds_at(-4) == pytest.approx(0.0)
    assert beat_map.beat_at(7.02) == pytest.approx(6 + 2.02 / 0.5, abs=0.1)


@pytest.mark.parametrize("beats", [[], [1.0], [1.0, 1.0], [1.0, 0.5]])
def test_what_does_not_ascend_is_no_beat_map(beats: list[float]) -> None:
    with pytest.raises(ValueError, match="at least two"):
        BeatMap(beats)


def test_chords_fall_on_the_beat_next_to_them_or_half_way_between_two() -> None:
    assert chords_of((0, 1.94, "C"), (1.94, 3.1, "G"), (3.1, 4.26, "Am"), (4.26, 60, "F")) == (
        (0.0, "C"), (4.0, "G"), (6.0, "Am"), (8.5, "F"),
    )  # fmt: skip


def test_chords_keep_to_beats_that_drift() -> None:
    beats = [0.2]
    while beats[-1] < 60:
        beats.append(beats[-1] + 0.5 * (1 + 0.1 * math.sin(beats[-1])))
    spans = [(beats[4 * bar] + 0.06, beats[4 * bar + 4] + 0.06, "CGAF"[bar % 4]) for bar in range(25)]
    places = [place for place, _ in chords_of((0, spans[0][0], "C"), *spans, beats=beats)]
    assert places == [pytest.approx(places[0]), *(4.0 * bar for bar in range(1, 25))]


def test_a_chord_that_is_short_and_unsure_is_taken_for_a_mistake() -> None:
    blip = chords_of((0, 2, "C", 0.9), (2, 2.25, "Ebm", 0.3), (2.25, 4, "C", 0.8), (4, 60, "G", 0.9))
    assert blip == ((0.0, "C"), (8.0, "G"))
    sure = chords_of((0, 2, "C", 0.9), (2, 2.25, "Ebm", 0.95), (2.25, 4, "C", 0.8), (4, 60, "G", 0.9))
    assert [symbol for _, symbol in sure] == ["C", "Ebm", "C", "G"]


def test_no_chord_is_none_and_a_short_pause_between_chords_is_played_through() -> None:
    assert chords_of((0, 4, "N"), (4, 8, "C"), (8, 9, "N"), (9, 12, "G"), (12, 20, "N"), (20, 60, "C")) == (
        (0.0, None), (8.0, "C"), (18.0, "G"), (24.0, None), (40.0, "C"),
    )  # fmt: skip


def test_without_any_chord_there_are_drums_alone() -> None:
    assert chords_of((0, 60, "N")) == ((0.0, None),)
    assert chords_of() == ((0.0, None),)


@pytest.mark.parametrize("pick_up", [0, 1, 2, 3])
def test_bars_begin_where_most_beats_say(pick_up: int) -> None:
    positions = [(index - pick_up) % 4 + 1 for index in range(120)]
    positions[10:14] = [1, 1, 3, 2]  # some are wrong
    assert timeline_of(analysis(HALF_SECONDS, positions=positions)).first_position == positions[0]


def test_without_bars_the_chords_say_where_they_begin() -> None:
    spans = [(0.5 + 2 * bar, 2.5 + 2 * bar, "CGAF"[bar % 4]) for bar in range(25)]
    found = timeline_of(analysis(HALF_SECONDS, [(0, 0.5, "F"), *spans], beats_per_bar=None))
    assert (found.beats_per_bar, found.first_position) == (4, 4)


def test_beats_that_were_passed_over_are_put_in() -> None:
    heard = [*HALF_SECONDS[:20], *HALF_SECONDS[23:60], *HALF_SECONDS[61:]]
    positions = [round(2 * beat) % 4 + 1 for beat in heard]
    found = timeline_of(analysis(heard, positions=positions))
    assert found.beats == pytest.approx(HALF_SECONDS)
    assert found.first_position == 1


def test_a_beat_that_was_heard_in_the_wrong_place_is_put_right_and_others_stay() -> None:
    heard = [beat + (0.05 if index == 40 else 0.004 * (-1) ** index) for index, beat in enumerate(HALF_SECONDS)]
    found = timeline_of(analysis(heard)).beats
    assert found[40] == pytest.approx(20.0, abs=0.01)
    assert [*found[:36], *found[45:]] == [*heard[:36], *heard[45:]]


@pytest.mark.parametrize("index", [0, 1, 118, 119])
def test_the_first_beats_and_the_last_are_put_right_as_well(index: int) -> None:
    heard = [beat + 1 for beat in HALF_SECONDS]
    heard[index] += 0.04
    assert timeline_of(analysis(heard)).beats == pytest.approx([beat + 1 for beat in HALF_SECONDS])


def test_a_ritardando_stays_one() -> None:
    beats = [0.0]
    while len(beats) < 60:
        beats.append(beats[-1] + 0.5 * 1.01 ** len(beats))
    assert timeline_of(analysis(beats)).beats == pytest.approx(beats, abs=1e-4)


def test_a_tempo_that_jumps_stays_as_it_was_heard() -> None:
    beats = [0.6 * index for index in range(30)]
    beats += [beats[-1] + 0.5 * index for index in range(1, 30)]
    assert timeline_of(analysis(beats)).beats == pytest.approx(beats, abs=1e-4)


def test_times_that_were_cut_off_at_the_end_are_one_beat() -> None:
    assert timeline_of(analysis([*HALF_SECONDS, 59.5])).beats == pytest.approx(HALF_SECONDS)


def test_three_beats_a_bar_stay_three() -> None:
    assert timeline_of(analysis(HALF_SECONDS, beats_per_bar=3)).beats_per_bar == 3


@pytest.mark.parametrize(
    "heard",
    [
        analysis([], bpm=None),
        analysis([0.5, 1.0, 1.5]),
        analysis(HALF_SECONDS, confidence=0.0),
    ],
)
def test_without_a_beat_nothing_can_be_played_along(heard: Analysis) -> None:
    with pytest.raises(NoBeatFound, match=r"no steady beat was heard in its 60\.0 seconds"):
        timeline_of(heard)


def sheet(**fields: object) -> Sheet:
    request = AccompanimentRequest.model_validate(fields)
    request.check_origin()
    return sheet_from_chords(chords_asked(request))


def test_chords_are_played_one_a_bar_at_exactly_their_tempo() -> None:
    made = sheet(chords=["ii7", "V7", "I"], key="D", tempo_bpm=90, beats_per_bar=3, bars=5)
    assert made.timeline.chords == ((0, "Em7"), (3, "A7"), (6, "D"), (9, "Em7"), (12, "A7"))
    assert made.timeline.beats[:4] == pytest.approx((0, 2 / 3, 4 / 3, 2))
    assert made.duration_seconds == pytest.approx(10.0)
    assert (made.key, made.tempo_bpm) == ("D major", 90)


def test_a_duration_may_end_within_a_bar() -> None:
    made = sheet(chords="C G", tempo_bpm=120, duration_seconds=5.0)
    assert made.duration_seconds == 5.0
    assert [symbol for _, symbol in made.timeline.chords] == ["C", "G", "C"]


def test_500_chords_are_500_bars() -> None:
    assert len(sheet(chords=["C", "G"] * 250, tempo_bpm=160).timeline.chords) == 500


def test_what_would_last_too_long_is_refused() -> None:
    with pytest.raises(InvalidRequest, match=r"/bars: 2000 bars last 16000\.0 seconds"):
        sheet(chords="C", tempo_bpm=30, bars=2000)


def test_the_sheet_of_a_file_tells_what_was_heard() -> None:
    found = sheet_from_analysis(analysis(HALF_SECONDS, [(0, 30, "C"), (30, 60, "F#m7b5")])).summary()
    assert found == {
        "tempo_bpm": 120.0, "beats_per_bar": 4, "beats": 120, "first_beat_seconds": 0.0, "key": "C major",
        "chords": {"count": 2, "first": ("C", "F#m7b5")},
    }  # fmt: skip


def test_up_to_a_bar_before_the_first_beat_is_played_but_not_a_long_silence() -> None:
    soon, late = ([beat + start for beat in HALF_SECONDS[:60]] for start in (1.9, 6.0))
    assert sheet_from_analysis(analysis(soon)).first_seconds == 0
    assert sheet_from_analysis(analysis(late)).first_seconds == 6.0
    assert sheet_from_analysis(analysis(late)).last_seconds == 35.5
    assert sheet_from_analysis(analysis(HALF_SECONDS)).last_seconds is None


def test_a_window_lets_nothing_through_before_and_after_wherever_blocks_end() -> None:
    window = Window(10, 20, 60, 80)
    whole = window.applied(np.ones((2, 100), np.float32), 0)
    assert not whole[:, :11].any()
    assert (whole[:, 20:61] == 1).all()
    assert not whole[:, 80:].any()
    assert (np.diff(whole[0, 10:20]) > 0).all()
    parts = [window.applied(np.ones((2, 7), np.float32), start) for start in range(0, 98, 7)]
    np.testing.assert_array_equal(np.concatenate(parts, axis=1), whole[:, :98])
