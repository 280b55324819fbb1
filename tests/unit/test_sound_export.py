"""A batch as a zip: what a sampler makes of the SFZ, what the manifest says, and what is left out."""

from __future__ import annotations

import io
import json
import re
import zipfile
from collections.abc import Iterable, Iterator
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.soundbank.batch import BatchNote, NoteSelection, expand
from core.soundbank.export import export_files, file_names
from core.soundbank.sample import Pitch, Sample, SoundMaker
from core.soundbank.sfz import OUTERMOST_SEMITONES, key_of, midi_velocity, sfz_document
from core.theory.fretboard import INSTRUMENTS
from core.theory.notes import midi_of, note_name
from core.theory.techniques import sounding_hz
from functions.http.zip_stream import zip_stream

GUITAR = INSTRUMENTS["acoustic_guitar"]
STANDARD = GUITAR.open_pitches("standard")
CREATED_AT = datetime(2026, 3, 1, 12, 30, tzinfo=UTC)
MAKER = SoundMaker(engine="plucked_string", version="1", model="plucked_string", licence="MIT")

V1_OPCODES = {
    *("sample", "lokey", "hikey", "lovel", "hivel", "pitch_keycenter", "tune", "seq_length", "seq_position"),
    *("loop_mode", "ampeg_release", "amp_veltrack"),
}

Region = dict[str, str]


def sample(
    string: int = 6,
    fret: int = 0,
    velocity: float = 0.8,
    technique: tuple[str, ...] = ("pluck",),
    bend: float = 0.0,
    deviation: float | None = None,
    **fields: Any,
) -> Sample:
    open_pitch = STANDARD[-string]
    asked = sounding_hz(open_pitch, fret, technique, bend)
    measured = None if asked is None or deviation is None else asked * 2 ** (deviation / 1200)
    note = None if asked is None else note_name(midi_of(asked))
    return Sample(
        sample_id=f"id-{string}-{fret}-{velocity}",
        job_id="job",
        instrument="acoustic_guitar",
        tuning="standard",
        string=string,
        fret=fret,
        open_pitch=open_pitch,
        velocity=velocity,
        technique=technique,
        duration_seconds=2.0,
        random_seed=1,
        made_by=MAKER,
        fingerprint="f",
        family="g",
        pitch=Pitch(note=note, frequency_hz=asked, measured_hz=measured, deviation_cents=deviation),
        file_size_bytes=7,
        sample_rate=44100,
        channels=2,
        sha256="0" * 64,
        created_at=CREATED_AT,
    ).evolve(**fields)


def made(**chosen: Any) -> list[tuple[BatchNote, Sample | None]]:
    """A batch in standard tuning of which every note has a sound."""
    notes = expand(NoteSelection.model_validate(chosen), GUITAR, STANDARD)
    return [(note, sample(note.string, note.fret, note.velocity)) for note in notes]


def content(sound: Sample) -> Iterator[bytes]:
    yield b"RIFF"
    yield sound.sample_id.encode()


def unzipped(notes: list[tuple[BatchNote, Sample | None]]) -> dict[str, bytes]:
    pieces = zip_stream(export_files("batch-1", CREATED_AT, notes, content))
    with zipfile.ZipFile(io.BytesIO(b"".join(pieces))) as archive:
        assert archive.testzip() is None
        return {name: archive.read(name) for name in archive.namelist()}


def parsed(document: str) -> list[Region]:
    """The regions of an SFZ file, each with its group's opcodes; strict in what it takes."""
    group: Region = {}
    regions: list[Region] = []
    scope: Region | None = None
    for line in document.splitlines():
        if line == "<group>":
            group = scope = {}
        elif line == "<region>":
            scope = dict(group)
            regions.append(scope)
        elif line:
            assert scope is not None, f"{line} comes before any header"
            for opcode in line.split(" "):
                match = re.fullmatch(r"([a-z_]+)=([\w./-]+)", opcode)
                assert match, opcode
                assert match[1] in V1_OPCODES
                assert match[1] not in scope
                scope[match[1]] = match[2]
    return regions


def regions_of(sounds: Iterable[Sample]) -> list[Region]:
    return parsed(sfz_document(file_names(sounds)))


def answers(regions: list[Region]) -> dict[tuple[int, int], list[Region]]:
    """The regions that each key and velocity is answered by, whoever's turn it is."""
    found: dict[tuple[int, int], list[Region]] = {}
    for region in regions:
        for key in range(int(region["lokey"]), int(region["hikey"]) + 1):
            for velocity in range(int(region["lovel"]), int(region["hivel"]) + 1):
                found.setdefault((key, velocity), []).append(region)
    return found


def keys(regions: list[Region]) -> dict[int, tuple[int, int]]:
    return {int(each["pitch_keycenter"]): (int(each["lokey"]), int(each["hikey"])) for each in regions}


def layers(regions: list[Region]) -> list[tuple[int, int]]:
    return [(int(each["lovel"]), int(each["hivel"])) for each in regions]


def assert_one_sound_for_each_key(regions: list[Region], lowest: int, highest: int) -> None:
    answered = answers(regions)
    assert set(answered) == {(key, velocity) for key in range(lowest, highest + 1) for velocity in range(128)}
    for taking_turns in answered.values():
        turns = [(each.get("seq_length", "1"), each.get("seq_position", "1")) for each in taking_turns]
        assert turns == [(str(len(turns)), str(turn)) for turn in range(1, len(turns) + 1)]


def place(note: tuple[int, int, float]) -> tuple[int, int, int]:
    """What no two notes of a batch share."""
    string, fret, velocity = note
    return string, fret, midi_velocity(velocity)


# The instrument


def test_whatever_is_played_in_range_one_sound_answers() -> None:
    sounds = [sound for _, sound in made(region={"fret_min": 0, "fret_max": 12}, velocities=[0.3, 0.6, 1.0]) if sound]
    assert_one_sound_for_each_key(regions_of(sounds), STANDARD[0] - 2, STANDARD[-1] + 12 + 2)


@given(
    st.lists(
        st.tuples(st.integers(1, 6), st.integers(0, 20), st.floats(0, 1)),
        min_size=1,
        max_size=12,
        unique_by=place,
    ),
    st.sampled_from([("pluck",), ("pluck", "harmonic"), ("pluck", "dead_note")]),
)
def test_so_it_does_whatever_was_deleted_since(notes: list[tuple[int, int, float]], technique: tuple[str, ...]) -> None:
    sounds = [sample(*note, technique=technique) for note in notes]
    pitches = [key_of(sound) for sound in sounds]
    regions = regions_of(sounds)
    assert len(regions) == len(sounds)
    assert_one_sound_for_each_key(regions, min(pitches) - OUTERMOST_SEMITONES, max(pitches) + OUTERMOST_SEMITONES)


def test_keys_between_two_notes_are_shared_out_halfway() -> None:
    assert keys(regions_of([sample(6, 0), sample(6, 5), sample(6, 7)])) == {40: (38, 42), 45: (43, 46), 47: (47, 49)}


def test_layers_meet_halfway_and_are_as_loud_as_they_were_played() -> None:
    regions = regions_of([sample(velocity=velocity) for velocity in (0.25, 0.5, 1.0)])
    assert layers(regions) == [(0, 48), (49, 95), (96, 127)]
    assert {region["amp_veltrack"] for region in regions} == {"0"}


def test_a_single_layer_takes_all_velocities_and_follows_them() -> None:
    (region,) = regions_of([sample(velocity=0.2)])
    assert layers([region]) == [(0, 127)]
    assert "amp_veltrack" not in region


def test_strings_that_give_the_same_key_take_turns() -> None:
    regions = regions_of([sample(6, 5), sample(5, 0), sample(5, 1)])
    turns = [(each["sample"], each.get("seq_length"), each.get("seq_position")) for each in regions]
    assert turns == [
        ("samples/s6_f05_v080.wav", "2", "1"),
        ("samples/s5_f00_v080.wav", "2", "2"),
        ("samples/s5_f01_v080.wav", None, None),
    ]


@pytest.mark.parametrize(
    ("deviation", "keycenter", "tune"),
    [(None, 45, 0), (0.4, 45, 0), (7.6, 45, -8), (-12.2, 45, 12), (130.0, 46, -30), (-1190.0, 33, -10)],
)
def test_a_sampler_brings_a_sound_from_where_it_is_to_where_it_was_asked_to_be(
    deviation: float | None, keycenter: int, tune: int
) -> None:
    (region,) = regions_of([sample(5, 0, deviation=deviation)])
    assert (int(region["pitch_keycenter"]), int(region["tune"])) == (keycenter, tune)
    assert (int(region["lokey"]), int(region["hikey"])) == (43, 47)
    heard_cents = 100 * (45 - keycenter) + tune + (deviation or 0.0)
    assert abs(heard_cents) <= 0.5


@pytest.mark.parametrize(
    ("fret", "technique", "bend", "key"),
    [
        (5, ("pluck",), 0.0, 50),
        (5, ("pluck", "dead_note"), 0.0, 50),
        (12, ("pluck", "harmonic"), 0.0, 57),
        (7, ("pluck", "harmonic"), 0.0, 64),
        (4, ("pluck", "harmonic"), 0.0, 73),
        (3, ("pluck", "harmonic"), 0.0, 60),
        (5, ("pluck", "bend"), 2.0, 52),
    ],
)
def test_a_sound_lies_on_the_key_where_it_comes_to_rest(
    fret: int, technique: tuple[str, ...], bend: float, key: int
) -> None:
    assert key_of(sample(5, fret, technique=technique, bend=bend)) == key


@pytest.mark.parametrize("digits", [2, 15])
@pytest.mark.parametrize("string", [1, 2, 3, 4, 5, 6])
def test_bends_by_half_a_semitone_have_a_key_each(string: int, digits: int) -> None:
    bent = [sample(string, fret, technique=("pluck", "bend"), bend=0.5) for fret in range(21)]
    stored = [each.evolve(pitch=Pitch(frequency_hz=round(each.pitch.frequency_hz or 0.0, digits))) for each in bent]
    assert [key_of(each) for each in stored] == [STANDARD[-string] + fret + 1 for fret in range(21)]


@pytest.mark.parametrize("technique", ["dead_note", "let_ring"])
def test_what_does_not_end_with_the_key_is_played_to_its_end(technique: str) -> None:
    (region,) = regions_of([sample(technique=("pluck", technique))])
    assert region["loop_mode"] == "one_shot"
    assert "ampeg_release" not in region


def test_any_other_sound_fades_when_its_key_is_let_go() -> None:
    (region,) = regions_of([sample(technique=("pluck", "palm_mute"))])
    assert (region["loop_mode"], region["ampeg_release"]) == ("no_loop", "0.3")


# The zip


def test_the_zip_holds_the_instrument_the_manifest_and_every_file_that_they_name() -> None:
    notes = made(region={"strings": [6, 5], "fret_min": 4, "fret_max": 5}, velocities=[0.07, 0.7])
    files = unzipped(notes)
    sounds = [name for name in files if name.startswith("samples/")]
    assert list(files) == ["acoustic_guitar_pluck.sfz", "manifest.json", *sounds]
    assert sounds[:2] == ["samples/s6_f04_v007.wav", "samples/s6_f04_v070.wav"]
    assert files["samples/s5_f05_v070.wav"] == b"RIFFid-5-5-0.7"
    named_in_manifest = [entry["file"] for entry in json.loads(files["manifest.json"])["notes"]]
    named_in_instrument = [region["sample"] for region in parsed(files["acoustic_guitar_pluck.sfz"].decode())]
    assert named_in_manifest == sounds
    assert sorted(named_in_instrument) == sorted(sounds)


def test_sounds_that_would_share_a_name_have_their_id_in_it() -> None:
    close, other = sample(velocity=0.8), sample(velocity=0.804)
    names = file_names([close, other, sample(velocity=0.5)])
    assert list(names) == [
        "samples/s6_f00_v080_id-6-0-0.8.wav",
        "samples/s6_f00_v080_id-6-0-0.804.wav",
        "samples/s6_f00_v050.wav",
    ]


def test_files_are_read_when_their_turn_comes() -> None:
    opened: list[str] = []

    def read(sound: Sample) -> list[bytes]:
        opened.append(sound.sample_id)
        return []

    files = export_files("batch-1", CREATED_AT, made(notes=[{"string": 6, "fret": fret} for fret in (0, 1)]), read)
    seen = []
    for name, _ in files:
        seen.append((name, len(opened)))
    assert [count for _, count in seen] == [0, 0, 1, 2]


def test_the_manifest_says_what_was_asked_what_was_made_and_by_what() -> None:
    sound = sample(
        3, 5, 0.7, ("pluck", "vibrato"), deviation=1.5, peak_dbfs=-3.0, loudness_lufs=-18.5, style_prompt="warm Übung"
    )
    manifest = json.loads(unzipped([(BatchNote(3, 5, 0.7), sound)])["manifest.json"])
    (note,) = manifest.pop("notes")
    assert manifest == {
        "format": "stemworks.sound-batch",
        "version": 1,
        "batch_id": "batch-1",
        "created_at": "2026-03-01T12:30:00+00:00",
        "sfz": "acoustic_guitar_pluck_vibrato.sfz",
        "instrument": "acoustic_guitar",
        "tuning": "standard",
        "technique": ["pluck", "vibrato"],
        "style_prompt": "warm Übung",
        "effects": [],
        "made_by": [
            {
                "engine": "plucked_string",
                "version": "1",
                "model": "plucked_string",
                "weights_sha256": None,
                "compute": None,
                "licence": "MIT",
                "weights_licence": None,
            }
        ],
        "totals": {"notes": 1, "files": 1, "missing": 0, "duration_seconds": 2.0, "file_size_bytes": 7},
        "missing": [],
    }
    assert note.pop("asked_hz") == pytest.approx(261.6256, abs=1e-4)
    assert note.pop("measured_hz") == pytest.approx(261.8524, abs=1e-4)
    assert note == {
        "file": "samples/s3_f05_v070.wav",
        "sample_id": "id-3-5-0.7",
        "string": 3,
        "fret": 5,
        "velocity": 0.7,
        "technique": ["pluck", "vibrato"],
        "midi": 60,
        "note": "C4",
        "deviation_cents": 1.5,
        "peak_dbfs": -3.0,
        "loudness_lufs": -18.5,
        "duration_seconds": 2.0,
        "sha256": "0" * 64,
        "file_size_bytes": 7,
    }


def test_the_manifest_is_the_same_bytes_for_the_same_batch() -> None:
    notes = made(scale={"root": "E", "name": "blues"})
    assert unzipped(notes)["manifest.json"] == unzipped(notes)["manifest.json"]


def test_makers_are_named_once_each() -> None:
    older = MAKER.evolve(version="0")
    notes = [(BatchNote(6, fret, 0.8), sample(6, fret, made_by=maker)) for fret, maker in enumerate([MAKER, older] * 2)]
    manifest = json.loads(unzipped(list(notes))["manifest.json"])
    assert [maker["version"] for maker in manifest["made_by"]] == ["1", "0"]


def test_a_sound_that_is_gone_is_left_out_and_named_as_missing() -> None:
    notes = made(notes=[{"string": 6, "fret": fret} for fret in (0, 1, 2)])
    notes[1] = (notes[1][0], None)
    files = unzipped(notes)
    manifest = json.loads(files["manifest.json"])
    assert manifest["missing"] == [{"string": 6, "fret": 1, "velocity": 0.8}]
    assert manifest["totals"] | {"duration_seconds": 4.0} == {
        "notes": 3,
        "files": 2,
        "missing": 1,
        "duration_seconds": 4.0,
        "file_size_bytes": 14,
    }
    assert keys(parsed(files["acoustic_guitar_pluck.sfz"].decode())) == {40: (38, 41), 42: (42, 44)}


def test_where_no_sound_is_left_the_manifest_alone_says_so() -> None:
    files = unzipped([(BatchNote(6, 0, 0.8), None)])
    assert list(files) == ["manifest.json"]
    manifest = json.loads(files["manifest.json"])
    assert manifest["sfz"] is None
    assert manifest["totals"]["missing"] == 1


def test_the_largest_batch_becomes_one_instrument() -> None:
    notes = made(region={"fret_min": 0, "fret_max": 20}, velocities=[n / 7 for n in range(1, 8)])
    files = unzipped(notes)
    regions = parsed(files["acoustic_guitar_pluck.sfz"].decode())
    assert len(regions) == len(notes) == 6 * 21 * 7
    assert len(files) == len(notes) + 2
    assert max(int(region.get("seq_length", 1)) for region in regions) <= 100
