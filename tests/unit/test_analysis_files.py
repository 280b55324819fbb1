"""The files that an analysis is written to, but for MIDI: click track, JAMS and summary."""

from __future__ import annotations

import io
import json
import tracemalloc
from typing import Any

import jams
import mir_eval
import numpy as np
import pytest

from core.analysis.files.click_track import BLOCK_FRAMES, click_blocks
from core.analysis.files.jams import jams_document
from core.analysis.files.summary import summary
from core.analysis.result import Analysis, Beat
from tests.unit.analysis_examples import found, nothing_found

pytestmark = pytest.mark.filterwarnings("ignore:Passing a schema:DeprecationWarning:jsonschema")  # by jams itself

RATE = 44100


# Click track


def clicks(beats: tuple[Beat, ...], seconds: float, sample_rate: int = RATE, channels: int = 1) -> Any:
    blocks = list(click_blocks(beats, sample_rate, round(seconds * sample_rate), channels))
    assert all(block.dtype == np.float32 and block.shape[0] == channels for block in blocks)
    assert all(block.shape[1] <= BLOCK_FRAMES for block in blocks)
    return np.concatenate(blocks, axis=1)


def onsets(mono: Any, pause_frames: int) -> list[int]:
    """The frames before which it was silent."""
    sounding = np.flatnonzero(mono)
    return [int(sounding[0]), *(int(frame) for frame in sounding[1:][np.diff(sounding) > pause_frames])]


@pytest.mark.parametrize("sample_rate", [8000, 22050, 44100, 96000])
def test_a_click_begins_on_the_frame_of_its_beat(sample_rate: int) -> None:
    beats = found(seconds=30).beats
    audio = clicks(beats, 30, sample_rate)[0]
    # a sine begins with 0, so that the first sample one can tell from silence is the one after
    assert onsets(audio, sample_rate // 20) == [round(beat.time_seconds * sample_rate) + 1 for beat in beats]


def test_downbeats_are_louder_and_higher() -> None:
    beats = (Beat(time_seconds=0.5, position=1), Beat(time_seconds=1.0, position=2))
    down, other = (clicks(beats, 2)[0][start : start + 2000] for start in (RATE // 2, RATE))
    assert np.abs(down).max() == pytest.approx(0.7, abs=1e-3)
    assert np.abs(other).max() == pytest.approx(0.4, abs=1e-3)
    loudest = [np.argmax(np.abs(np.fft.rfft(click, RATE))) for click in (down, other)]
    assert loudest[0] / loudest[1] == pytest.approx(1.5, abs=0.02)


def test_beats_without_bars_all_sound_alike() -> None:
    beats = tuple(Beat(time_seconds=float(second), position=0) for second in range(4))
    audio = clicks(beats, 4)[0].reshape(4, RATE)
    assert (audio == audio[0]).all()


def test_clicks_do_not_depend_on_where_blocks_end() -> None:
    edge = BLOCK_FRAMES / RATE
    across = Beat(time_seconds=edge - 0.01, position=2)
    early = Beat(time_seconds=0.01, position=2)
    start, reference = round(across.time_seconds * RATE), round(early.time_seconds * RATE)
    assert (clicks((across,), 3)[0][start : start + 2646] == clicks((early,), 3)[0][reference : reference + 2646]).all()


@pytest.mark.parametrize("time_seconds", [0.0, 0.999, 1.0, 1.5])
def test_a_beat_at_either_end_is_heard_as_far_as_there_is_room(time_seconds: float) -> None:
    audio = clicks((Beat(time_seconds=time_seconds, position=1),), 1)[0]
    assert audio.size == RATE
    assert audio.any() == (time_seconds < 1)


def test_both_channels_click_alike_and_no_beats_are_silence() -> None:
    stereo = clicks(found(seconds=3).beats, 3, channels=2)
    assert (stereo[0] == stereo[1]).all() and stereo.any()
    assert not clicks((), 3).any()
    assert list(click_blocks((), RATE, 0)) == []


def test_hours_of_clicks_are_made_block_by_block() -> None:
    beats = tuple(Beat(time_seconds=0.5 * index, position=index % 4 + 1) for index in range(8 * 3600))
    blocks = click_blocks(beats, RATE, 4 * 3600 * RATE)
    next(blocks)
    tracemalloc.start()
    try:
        for _ in range(50):
            next(blocks)
        _, most = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert most < 2e6


# JAMS


def loaded(analysis: Analysis) -> jams.JAMS:
    text = json.dumps(jams_document(analysis, "A song"))
    document = jams.load(io.StringIO(text), validate=True, strict=True, fmt="jams")
    assert document.validate(strict=True)
    assert document.file_metadata.title == "A song"
    return document


def test_jams_holds_what_was_found() -> None:
    analysis = found(seconds=30, bpm=100)
    document = loaded(analysis)
    assert document.file_metadata.duration == 30
    times, positions = document.search(namespace="beat")[0].to_event_values()
    assert times == pytest.approx([beat.time_seconds for beat in analysis.beats])
    assert positions == [beat.position for beat in analysis.beats]
    assert [each.value for each in document.search(namespace="tempo")[0].data] == [100]
    assert [each.value for each in document.search(namespace="key_mode")[0].data] == ["C:major", "Eb:minor"]


@pytest.mark.parametrize(("namespace", "field"), [("chord", "chords"), ("segment_open", "sections")])
def test_spans_can_be_scored_as_they_are(namespace: str, field: str) -> None:
    analysis = found(seconds=30)
    intervals, values = loaded(analysis).search(namespace=namespace)[0].to_interval_values()
    assert values == [span.label for span in getattr(analysis, field)]
    assert intervals.ravel() == pytest.approx(
        [edge for span in getattr(analysis, field) for edge in (span.start_seconds, span.end_seconds)]
    )
    assert intervals[0, 0] == 0 and intervals[-1, 1] == 30
    if namespace == "chord":
        assert mir_eval.chord.evaluate(intervals, values, intervals, values)["majmin"] == pytest.approx(1)
    else:
        assert mir_eval.segment.pairwise(intervals, values, intervals, values)[2] == 1


def test_what_has_no_namespace_is_in_the_sandbox_with_its_units() -> None:
    sandbox = jams_document(found(seconds=5), "")["sandbox"]
    assert sandbox["tuning"]["reference_hz"] == 442.5
    assert sandbox["loudness"] == {"integrated_lufs": -14.2, "range_lu": 5.1, "true_peak_dbtp": -1.0}
    assert sandbox["spectral_features"]["spectral_centroid"]["unit"] == "Hz"


def test_a_file_in_which_nothing_was_found_is_valid_all_the_same() -> None:
    document = loaded(nothing_found(0.3))
    assert [len(document.search(namespace=name)[0].data) for name in ("beat", "tempo")] == [0, 0]
    assert [each.value for each in document.search(namespace="key_mode")[0].data] == ["N"]
    assert [each.value for each in document.search(namespace="chord")[0].data] == ["N"]


def test_beats_without_bars_have_no_position() -> None:
    beats = (Beat(time_seconds=0.1, position=0), Beat(time_seconds=0.6, position=0))
    document = loaded(nothing_found(1).model_copy(update={"beats": beats}))
    assert [each.value for each in document.search(namespace="beat")[0].data] == [None, None]


# Summary


def test_a_summary_says_the_most_important() -> None:
    told = summary(found(seconds=30, bpm=100))
    assert told["tempo_bpm"] == 100 and told["beats_per_bar"] == 4
    assert told["key"] == "C major"
    assert told["sections"] == "ABAB"
    assert told["first_chords"][:5] == ["C", "G", "Am7", "N", "C"]
    assert told["integrated_lufs"] == -14.2
    assert summary(nothing_found(0.3))["key"] is None


def test_a_summary_of_four_hours_is_as_small() -> None:
    analysis = found(seconds=4 * 3600, bpm=180, sections=900)
    told = summary(analysis)
    assert len(json.dumps(told)) < 4000
    assert len(told["first_chords"]) == 16
    assert told["sections"].endswith("…")
    assert told["chords"] == len(analysis.chords)
