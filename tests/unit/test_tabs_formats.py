"""Tabs as alphaTex, MusicXML, MIDI and chord diagrams: what one reads in them is what was arranged."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any
from xml.etree import ElementTree
from xml.etree.ElementTree import Element

import pytest

from core.tablature.alphatex import alphatex
from core.tablature.diagram import chord_diagram, chord_diagrams, described
from core.tablature.midi import TICKS_PER_QUARTER, midi_file
from core.tablature.musicxml import musicxml
from core.tablature.request import TabRequest
from core.tablature.score import EIGHTHS_PER_BAR
from core.tablature.spelling import spelled
from core.tablature.tabs import Tab, make_tab
from core.theory.chords import QUALITIES, parse_chord
from core.theory.notes import parse_note

PROGRESSION = ("C", "G/B", "F♯m7b5", "Cadd9", "Eb13")
PATTERNS = ("strum", "fingerpicking", "bass", "walking_bass")
SVG = "{http://www.w3.org/2000/svg}"


def tab(*chords: str, **fields: Any) -> Tab:
    return make_tab(TabRequest(chords=chords or PROGRESSION, **fields))


# Spelling


@pytest.mark.parametrize(
    ("symbol", "notes"),
    {
        "Eb": "Eb G Bb",
        "F#m7b5": "F# A C E",
        "B7": "B D# F# A",
        "Bdim7": "B D F Ab",
        "Caug": "C E G#",
        "A♭maj9": "Ab C Eb G Bb",
        "Cm7b5": "C Eb Gb Bb",
        "C7b9": "C E G Bb Db",
        "C7#9": "C E G Bb D#",
        "E7#9": "E G# B D G",
        "C7#11": "C E G Bb F#",
        "F7b13": "F A C Eb Db",
        "G+7": "G B D# F",
        "D6/9": "D F# A B E",
        "Cm(maj7)/B": "C Eb G B",
    }.items(),
)
def test_chords_are_spelled_in_thirds(symbol: str, notes: str) -> None:
    chord = parse_chord(symbol)
    names = [spelled(60 + tone, chord) for tone in chord.pitch_classes]
    assert [name.rstrip("0123456789") for name in names] == notes.split()
    assert [parse_note(name) for name in names] == [60 + tone for tone in chord.pitch_classes]


def test_the_bass_is_spelled_as_the_slash_says_and_the_rest_likewise() -> None:
    assert spelled(46, parse_chord("C/Bb")) == "Bb2"
    assert spelled(46, parse_chord("C/A#")) == "A#2"
    assert spelled(59, parse_chord("Cb")) == "Cb4", "it is the B below the C of its octave"
    assert [spelled(61, parse_chord(symbol)) for symbol in ("F", "F7", "G")] == ["C#4", "Db4", "C#4"]


# alphaTex


def test_alphatex_begins_with_tempo_instrument_tuning_and_capo() -> None:
    lines = alphatex(tab(tuning="drop_d", capo=2, tempo_bpm=92.5)).splitlines()
    assert lines[:5] == [
        "\\tempo 92.5",
        '\\track "Acoustic guitar" { instrument 25 }',
        "\\staff { tabs }",
        "\\tuning (E4 B3 G3 D3 A2 D2)",
        "\\capo 2",
    ]
    assert "\\capo" not in alphatex(tab())


def test_alphatex_names_each_diagram_once_from_the_first_string_on() -> None:
    text = alphatex(tab("C", "G", "C", level="open"))
    assert re.findall(r"\\chord .*", text) == ['\\chord ("C" 0 1 0 2 3 x)', '\\chord ("G" 3 0 0 0 2 3)']


@pytest.mark.parametrize("pattern", PATTERNS)
def test_every_beat_can_be_read_back_from_alphatex(pattern: str) -> None:
    arranged = tab(pattern=pattern)
    bars = [line for line in alphatex(arranged).splitlines() if line.endswith(" |")]
    assert len(bars) == len(PROGRESSION)
    for line, bar in zip(bars, arranged.score.bars, strict=True):
        read = re.findall(r"\(([\d. ]+)\)\.(\d)(?: \{ (?:ch \"([^\"]+)\" ?)?(s[du])? ?\})?", line)
        assert [symbol for _, _, symbol, _ in read if symbol] == [bar.symbol]
        for (notes, duration, _, stroke), beat in zip(read, bar.beats, strict=True):
            assert notes.split() == [f"{note.fret}.{note.string}" for note in beat.notes]
            assert int(duration) * beat.eighths == EIGHTHS_PER_BAR
            assert stroke == {"down": "sd", "up": "su", None: ""}[beat.stroke]


# MusicXML


def parsed_xml(arranged: Tab) -> Element:
    text = musicxml(arranged)
    assert text.startswith('<?xml version="1.0" encoding="UTF-8"?>\n<!DOCTYPE score-partwise PUBLIC')
    return ElementTree.fromstring(text.encode())


def content(element: Element, path: str) -> str:
    found = element.find(path)
    assert found is not None, path
    return found.text or ""


def sounding_pitch(pitch: Element, prefix: str = "") -> int:
    letter = {"C": 0, "D": 2, "E": 4, "F": 5, "G": 7, "A": 9, "B": 11}[content(pitch, f"{prefix}step")]
    alter = int(pitch.findtext(f"{prefix}alter") or 0)
    return letter + alter + 12 * (int(content(pitch, f"{prefix}octave")) + 1)


@pytest.mark.parametrize("pattern", PATTERNS)
def test_every_measure_lasts_four_quarters_and_holds_the_notes_of_its_bar(pattern: str) -> None:
    arranged = tab(pattern=pattern, capo=3)
    measures = parsed_xml(arranged).findall("part/measure")
    assert len(measures) == len(PROGRESSION)
    for measure, bar in zip(measures, arranged.score.bars, strict=True):
        notes = measure.findall("note")
        assert sum(int(content(note, "duration")) for note in notes if note.find("chord") is None) == 8
        assert [sounding_pitch(note.find("pitch")) for note in notes] == [  # type: ignore[arg-type] # none is a rest
            note.pitch for beat in bar.beats for note in beat.notes
        ]
        types = {"eighth": 1, "quarter": 2, "half": 4}
        assert all(types[content(note, "type")] == int(content(note, "duration")) for note in notes)


def test_string_and_fret_lead_to_the_same_pitch_as_the_note() -> None:
    root = parsed_xml(tab(tuning="half_step_down", capo=2))
    staff = root.find("part/measure/attributes/staff-details")
    assert staff is not None
    opened = [sounding_pitch(tuning, "tuning-") for tuning in staff.findall("staff-tuning")]
    assert opened == [39, 44, 49, 54, 58, 63]
    assert content(staff, "staff-tuning/tuning-step") == "E", "spelled as the tuning is: E flat, not D sharp"
    assert content(root, "part/measure/attributes/clef/sign") == "TAB"
    capo = int(content(staff, "capo"))
    for note in root.iter("note"):
        string, fret = (int(content(note, f"notations/technical/{name}")) for name in ("string", "fret"))
        assert sounding_pitch(note.find("pitch")) == opened[-string] + capo + fret  # type: ignore[arg-type] # as above


def test_chord_symbols_are_harmonies() -> None:
    harmonies = parsed_xml(tab()).findall("part/measure/harmony")
    assert [content(each, "kind") for each in harmonies] == [
        "major", "major", "half-diminished", "major", "dominant-13th",
    ]  # fmt: skip
    assert content(harmonies[1], "bass/bass-step") == "B"
    assert content(harmonies[2], "root/root-alter") == "1"
    assert content(harmonies[4], "root/root-alter") == "-1"
    assert [content(harmonies[3], f"degree/degree-{name}") for name in ("value", "alter", "type")] == ["9", "0", "add"]


KINDS = {
    "major": (0, 4, 7), "minor": (0, 3, 7), "augmented": (0, 4, 8), "diminished": (0, 3, 6), "power": (0, 7),
    "suspended-second": (0, 2, 7), "suspended-fourth": (0, 5, 7), "major-sixth": (0, 4, 7, 9),
    "minor-sixth": (0, 3, 7, 9), "dominant": (0, 4, 7, 10), "major-seventh": (0, 4, 7, 11),
    "minor-seventh": (0, 3, 7, 10), "diminished-seventh": (0, 3, 6, 9), "augmented-seventh": (0, 4, 8, 10),
    "half-diminished": (0, 3, 6, 10), "major-minor": (0, 3, 7, 11), "dominant-ninth": (0, 4, 7, 10, 14),
    "major-ninth": (0, 4, 7, 11, 14), "minor-ninth": (0, 3, 7, 10, 14), "dominant-11th": (0, 4, 7, 10, 14, 17),
    "minor-11th": (0, 3, 7, 10, 14, 17), "dominant-13th": (0, 4, 7, 10, 14, 17, 21),
    "major-13th": (0, 4, 7, 11, 14, 17, 21), "minor-13th": (0, 3, 7, 10, 14, 17, 21),
}  # fmt: skip
"""As the MusicXML 4.0 reference describes its kind-value."""

DOMINANT = {5: 7, 7: 10, 9: 14, 11: 17, 13: 21}
"""The degrees that added ones are counted from, in semitones."""


def harmony_tones(harmony: Element) -> set[int]:
    tones = set(KINDS[content(harmony, "kind")])
    for degree in harmony.findall("degree"):
        value, alter, change = (content(degree, f"degree-{name}") for name in ("value", "alter", "type"))
        if change == "alter":
            tones.remove(DOMINANT[int(value)])
        tones.add(DOMINANT[int(value)] + int(alter))
    return tones


def test_kinds_and_degrees_say_what_each_quality_sounds() -> None:
    arranged = tab(*(f"C{quality}" for quality in QUALITIES.values()))
    for chord, harmony in zip(arranged.chords, parsed_xml(arranged).iter("harmony"), strict=True):
        optional = {17} if 21 in chord.intervals else set()
        assert harmony_tones(harmony) - optional == set(chord.intervals) - optional, chord.symbol


def test_a_kind_is_shown_as_it_was_spelled_and_the_nine_of_a_sixth_is_no_bass() -> None:
    harmonies = parsed_xml(tab("C6/9", "F♯m7♭5", "E♭6/9/G")).findall("part/measure/harmony")
    assert [kind.get("text") for each in harmonies for kind in each.iter("kind")] == ["6/9", "m7b5", "6/9"]
    assert [each.findtext("bass/bass-step") for each in harmonies] == [None, None, "G"]
    assert [each.findtext("root/root-alter") for each in harmonies] == [None, "1", "-1"]


@pytest.mark.parametrize("quality", QUALITIES.values())
def test_every_quality_is_written_in_every_format(quality: str) -> None:
    for instrument in ("acoustic_guitar", "ukulele"):
        arranged = tab(f"F#{quality}", "Bb/D", instrument=instrument)
        assert f'ch "F#{quality}"' in alphatex(arranged)
        assert f">F#{quality}<" in chord_diagrams(arranged)
        assert midi_file(arranged.score).startswith(b"MThd")


# MIDI


def variable_length(track: bytes, at: int) -> tuple[int, int]:
    number = 0
    while True:
        number = number << 7 | track[at] & 0x7F
        at += 1
        if not track[at - 1] & 0x80:
            return number, at


def events(file: bytes) -> Iterator[tuple[int, bytes]]:
    """Each message of the one track with the tick at which it comes."""
    length = int.from_bytes(file[18:22], "big")
    track = file[22:]
    assert file[:14] == b"MThd\x00\x00\x00\x06\x00\x00\x00\x01" + TICKS_PER_QUARTER.to_bytes(2, "big")
    assert file[14:18] == b"MTrk"
    assert len(track) == length
    now = at = 0
    while at < length:
        delta, at = variable_length(track, at)
        now += delta
        size = 3 + track[at + 2] if track[at] == 0xFF else 2 if track[at] & 0xF0 == 0xC0 else 3
        yield now, track[at : at + size]
        at += size


@pytest.mark.parametrize("pattern", PATTERNS)
def test_a_midi_file_plays_every_note_of_the_tab_and_ends_it(pattern: str) -> None:
    arranged = tab(pattern=pattern, tempo_bpm=90)
    read = list(events(midi_file(arranged.score)))
    began = [message[1] for _, message in read if message[0] == 0x90]
    assert sorted(began) == sorted(
        pitch for bar in arranged.score.bars for beat in bar.beats for pitch in {note.pitch for note in beat.notes}
    )
    sounding: dict[int, int] = {}
    for at, message in read:
        if message[0] == 0x90:
            assert message[1] not in sounding, "a note begins anew only after its end"
            sounding[message[1]] = at
        if message[0] == 0x80:
            assert sounding.pop(message[1]) < at
    assert not sounding
    assert read[-1] == (len(PROGRESSION) * 4 * TICKS_PER_QUARTER, b"\xff\x2f\x00")


def test_tempo_and_instrument_stand_at_the_beginning() -> None:
    read = list(events(midi_file(tab(pattern="bass", tempo_bpm=90).score)))
    assert (0, b"\xff\x51\x03" + round(60_000_000 / 90).to_bytes(3, "big")) in read
    assert (0, b"\xc0\x21") in read, "a fingered bass"


def test_strums_run_across_the_strings_in_the_direction_of_the_hand() -> None:
    began = [(at, message[1]) for at, message in events(midi_file(tab("Em", level="open").score)) if message[0] == 0x90]
    down, up = began[:6], began[12:16]
    assert [pitch for _, pitch in down] == sorted(pitch for _, pitch in down)
    assert [pitch for _, pitch in up] == sorted((pitch for _, pitch in up), reverse=True)
    assert down[-1][0] - down[0][0] < TICKS_PER_QUARTER / 8


# Diagrams


def circles(drawing: Element) -> list[tuple[float, float]]:
    return [
        (float(each.get("cx", "")), float(each.get("cy", "")))
        for each in drawing.iter(f"{SVG}circle")
        if each.get("fill") != "none"
    ]


def test_a_diagram_tells_in_words_what_it_shows() -> None:
    arranged = tab("C")
    drawing = ElementTree.fromstring(chord_diagram("C", arranged.shapes[0], arranged.score.neck))
    assert drawing.tag == f"{SVG}svg"
    assert drawing.get("role") == "img"
    assert drawing[0].tag == f"{SVG}title"
    assert drawing[0].text == (
        "C: E2 muted, A2 fret 3 finger 3, D3 fret 2 finger 2, G3 open, B3 fret 1 finger 1, E4 open"
    )


def test_dots_stand_on_their_strings_and_frets() -> None:
    arranged = tab("C")
    drawing = ElementTree.fromstring(chord_diagram("C", arranged.shapes[0], arranged.score.neck))
    by_string = sorted(circles(drawing))
    assert [x for x, _ in by_string] == [54, 74, 114], "A, D and B"
    rows = [y for _, y in by_string]
    assert rows == sorted(rows, reverse=True)
    assert rows[0] - rows[1] == rows[1] - rows[2] == 20
    texts = [each.text for each in drawing.iter(f"{SVG}text")]
    assert texts.count("\N{MULTIPLICATION SIGN}") == 1
    assert len([each for each in drawing.iter(f"{SVG}circle") if each.get("fill") == "none"]) == 2


def test_a_barre_is_one_line_and_a_high_shape_says_where_it_is() -> None:
    arranged = tab("D", level="barre")
    (high,) = arranged.shapes
    assert high.position == 5
    drawing = ElementTree.fromstring(chord_diagram("D", high, arranged.score.neck))
    assert "5" in [each.text for each in drawing.iter(f"{SVG}text")]
    thick = [each for each in drawing.iter(f"{SVG}line") if each.get("stroke-linecap") == "round"]
    assert len(thick) == 1
    assert all(y < 150 for _, y in circles(drawing))


def test_a_sheet_shows_every_shape_once_in_the_order_of_the_progression() -> None:
    sheet = ElementTree.fromstring(chord_diagrams(tab("C", "G", "C", "Am", "G", level="open")))
    titles = [each.text or "" for each in sheet.iter(f"{SVG}title")]
    assert [title.partition(":")[0] for title in titles] == ["C", "G", "Am"]
    places = [(each.get("x"), each.get("y")) for each in sheet.iter(f"{SVG}svg")][1:]
    assert len(set(places)) == 3


def test_a_capo_is_part_of_the_words() -> None:
    arranged = tab("D", capo=2, level="open")
    assert described("D", arranged.shapes[0], arranged.score.neck).startswith("D, capo 2: E2 muted, A2 fret 3")
