"""Tabs as MusicXML 4.0, partwise: one part on a tablature staff, with chord symbols (https://www.w3.org/2021/06/musicxml40)."""

from __future__ import annotations

from typing import Literal
from xml.etree.ElementTree import Element, SubElement, indent, tostring

from core.tablature.score import Beat, Score, TabNote
from core.tablature.spelling import spelled
from core.tablature.tabs import Tab
from core.theory.chords import Chord
from core.theory.neck import Neck
from core.theory.transposition import parts

_DOCTYPE = (
    '<?xml version="1.0" encoding="UTF-8"?>\n'
    '<!DOCTYPE score-partwise PUBLIC "-//Recordare//DTD MusicXML 4.0 Partwise//EN" '
    '"http://www.musicxml.org/dtds/partwise.dtd">\n'
)
_DIVISIONS = 2
"""Of a quarter: one is an eighth."""

_Degree = tuple[int, int, Literal["add", "alter"]]
_TYPES = {1: "eighth", 2: "quarter", 4: "half", 8: "whole"}
_KINDS: dict[tuple[int, ...], tuple[str, tuple[_Degree, ...]]] = {
    (0, 4, 7): ("major", ()),
    (0, 3, 7): ("minor", ()),
    (0, 7): ("power", ()),
    (0, 4, 7, 9): ("major-sixth", ()),
    (0, 3, 7, 9): ("minor-sixth", ()),
    (0, 4, 7, 9, 14): ("major-sixth", ((9, 0, "add"),)),
    (0, 3, 7, 9, 14): ("minor-sixth", ((9, 0, "add"),)),
    (0, 4, 7, 10): ("dominant", ()),
    (0, 4, 7, 11): ("major-seventh", ()),
    (0, 3, 7, 10): ("minor-seventh", ()),
    (0, 3, 7, 11): ("major-minor", ()),
    (0, 3, 6, 10): ("half-diminished", ()),
    (0, 3, 6): ("diminished", ()),
    (0, 3, 6, 9): ("diminished-seventh", ()),
    (0, 4, 8): ("augmented", ()),
    (0, 2, 7): ("suspended-second", ()),
    (0, 5, 7): ("suspended-fourth", ()),
    (0, 4, 7, 14): ("major", ((9, 0, "add"),)),
    (0, 3, 7, 14): ("minor", ((9, 0, "add"),)),
    (0, 4, 7, 17): ("major", ((11, 0, "add"),)),
    (0, 4, 7, 10, 14): ("dominant-ninth", ()),
    (0, 3, 7, 10, 14): ("minor-ninth", ()),
    (0, 4, 7, 11, 14): ("major-ninth", ()),
    (0, 3, 7, 11, 14): ("major-minor", ((9, 0, "add"),)),
    (0, 4, 7, 10, 14, 17): ("dominant-11th", ()),
    (0, 3, 7, 10, 14, 17): ("minor-11th", ()),
    (0, 4, 7, 10, 14, 17, 21): ("dominant-13th", ()),
    (0, 3, 7, 10, 14, 21): ("minor-13th", ()),
    (0, 4, 7, 11, 14, 21): ("major-13th", ()),
    (0, 5, 7, 10): ("suspended-fourth", ((7, 0, "add"),)),
    (0, 5, 7, 10, 14): ("suspended-fourth", ((7, 0, "add"), (9, 0, "add"))),
    (0, 5, 7, 10, 14, 21): ("suspended-fourth", ((7, 0, "add"), (9, 0, "add"), (13, 0, "add"))),
    (0, 4, 6, 10): ("dominant", ((5, -1, "alter"),)),
    (0, 4, 8, 10): ("augmented-seventh", ()),
    (0, 4, 7, 10, 13): ("dominant", ((9, -1, "add"),)),
    (0, 4, 7, 10, 15): ("dominant", ((9, 1, "add"),)),
    (0, 4, 7, 10, 18): ("dominant", ((11, 1, "add"),)),
    (0, 4, 7, 10, 20): ("dominant", ((13, -1, "add"),)),
    (0, 4, 8, 11): ("major-seventh", ((5, 1, "alter"),)),
    (0, 4, 7, 11, 18): ("major-seventh", ((11, 1, "add"),)),
}
"""The standard's kind, and what changes it: degree, semitones, and whether it is added or altered. Added degrees count
from those of a dominant chord, whose seventh is minor (degree-alter in the MusicXML 4.0 reference)."""

_ALTER = {"#": 1, "♯": 1, "b": -1, "♭": -1}


def musicxml(tab: Tab) -> str:
    """The tab as a document: notes sound as written, each with its string and fret."""
    score = tab.score
    root = Element("score-partwise", version="4.0")
    part_list = SubElement(root, "part-list")
    listed = SubElement(part_list, "score-part", id="P1")
    _text(listed, "part-name", score.instrument.replace("_", " ").capitalize())
    part = SubElement(root, "part", id="P1")
    for number, (chord, bar) in enumerate(zip(tab.chords, score.bars, strict=True), start=1):
        measure = SubElement(part, "measure", number=str(number))
        if number == 1:
            _attributes(measure, score.neck)
            _tempo(measure, score)
        _harmony(measure, chord)
        for beat in bar.beats:
            _beat(measure, beat, chord)
    indent(root)
    return _DOCTYPE + tostring(root, encoding="unicode") + "\n"


def _text(parent: Element, tag: str, content: object, **attributes: str) -> Element:
    child = SubElement(parent, tag, attributes)
    child.text = str(content)
    return child


def _attributes(measure: Element, neck: Neck) -> None:
    attributes = SubElement(measure, "attributes")
    _text(attributes, "divisions", _DIVISIONS)
    _text(SubElement(attributes, "key"), "fifths", 0)
    time = SubElement(attributes, "time")
    _text(time, "beats", 4)
    _text(time, "beat-type", 4)
    _text(SubElement(attributes, "clef"), "sign", "TAB")
    staff = SubElement(attributes, "staff-details")
    _text(staff, "staff-lines", neck.strings)
    for line, note in enumerate(neck.notes, start=1):
        _note(SubElement(staff, "staff-tuning", line=str(line)), note.strip(), "tuning-")
    if neck.capo:
        _text(staff, "capo", neck.capo)


def _tempo(measure: Element, score: Score) -> None:
    direction = SubElement(measure, "direction", placement="above")
    metronome = SubElement(SubElement(direction, "direction-type"), "metronome")
    _text(metronome, "beat-unit", "quarter")
    _text(metronome, "per-minute", f"{score.tempo_bpm:g}")
    SubElement(direction, "sound", tempo=f"{score.tempo_bpm:g}")


def _harmony(measure: Element, chord: Chord) -> None:
    root, quality, bass = parts(chord)
    kind, degrees = _KINDS[chord.intervals]
    harmony = SubElement(measure, "harmony")
    _note_of_symbol(harmony, "root", root)
    _text(harmony, "kind", kind, text=quality)
    if bass:
        _note_of_symbol(harmony, "bass", bass)
    for value, alter, change in degrees:
        degree = SubElement(harmony, "degree", {"print-object": "no"})
        for name, content in (("value", value), ("alter", alter), ("type", change)):
            _text(degree, f"degree-{name}", content)


def _note_of_symbol(harmony: Element, role: str, name: str) -> None:
    parent = SubElement(harmony, role)
    _text(parent, f"{role}-step", name[0])
    if name[1:]:
        _text(parent, f"{role}-alter", _ALTER[name[1:]])


def _beat(measure: Element, beat: Beat, chord: Chord) -> None:
    for index, tab_note in enumerate(beat.notes):
        note = SubElement(measure, "note")
        if index:
            SubElement(note, "chord")
        _note(SubElement(note, "pitch"), spelled(tab_note.pitch, chord))
        _text(note, "duration", beat.eighths)
        _text(note, "voice", 1)
        _text(note, "type", _TYPES[beat.eighths])
        _technical(note, tab_note, beat if index == 0 else None)


def _technical(note: Element, tab_note: TabNote, stroke_of: Beat | None) -> None:
    technical = SubElement(SubElement(note, "notations"), "technical")
    if stroke_of and stroke_of.stroke:
        SubElement(technical, f"{stroke_of.stroke}-bow")  # a bow's signs are a pick's as well
    _text(technical, "string", tab_note.string)
    _text(technical, "fret", tab_note.fret)


def _note(parent: Element, name: str, prefix: str = "") -> None:
    """A note spelled as its name is: E♭ stays E♭."""
    letter, accidental, octave = name[0].upper(), name[1:].rstrip("-0123456789"), name.lstrip("ABCDEFGabcdefg#♯♭")
    _text(parent, f"{prefix}step", letter)
    if accidental:
        _text(parent, f"{prefix}alter", _ALTER[accidental])
    _text(parent, f"{prefix}octave", octave)
