"""What is played of the shapes, and how it is written."""

from __future__ import annotations

from itertools import pairwise

import pytest

from core.tablature.arrangement import Pattern, arranged
from core.tablature.ascii import ascii_tab
from core.tablature.patterns import strum
from core.tablature.score import EIGHTHS_PER_BAR, Bar, Score
from core.theory.chords import parse_chord
from core.theory.hand_movement import UnplayableChord, progression_shapes
from core.theory.neck import Neck, neck_of
from core.theory.voicings import chord_shapes

GUITAR = neck_of("acoustic_guitar")
BASS = neck_of("bass_guitar")
PATTERNS: tuple[Pattern, ...] = ("strum", "fingerpicking", "bass", "walking_bass")


def bars(line: str, pattern: Pattern, neck: Neck = GUITAR) -> tuple[Bar, ...]:
    chords = [parse_chord(symbol) for symbol in line.split()]
    return arranged(chords, progression_shapes(chords, neck), neck, pattern)


def score(line: str, pattern: Pattern, neck: Neck = GUITAR) -> Score:
    return Score("acoustic_guitar", neck, bars(line, pattern, neck))


def pitches(bar: Bar) -> list[int]:
    return [note.pitch for beat in bar.beats for note in beat.notes]


# Patterns


@pytest.mark.parametrize("pattern", PATTERNS)
@pytest.mark.parametrize("neck", [GUITAR, BASS, neck_of("ukulele"), neck_of("electric_guitar", strings=7)])
def test_every_bar_is_full_and_its_notes_are_where_they_are_written(pattern: Pattern, neck: Neck) -> None:
    for bar in bars("C Am7 Dm G13 F#m7b5 B5 D/F# Gsus4", pattern, neck):
        assert sum(beat.eighths for beat in bar.beats) == EIGHTHS_PER_BAR
        for beat in bar.beats:
            strings = [note.string for note in beat.notes]
            assert strings == sorted(set(strings), reverse=True), "each string once, the lowest first"
            for note in beat.notes:
                assert note.pitch == neck.open_pitches[-note.string] + note.fret
                assert 0 <= note.fret <= neck.highest_fret


def test_a_strum_goes_down_on_the_beats_and_up_between_them() -> None:
    (bar,) = bars("G", "strum")
    at = 0
    for beat in bar.beats:
        assert beat.stroke == ("up" if at % 2 else "down")
        assert len(beat.notes) == (4 if beat.stroke == "up" else 6)
        at += beat.eighths


def test_the_thumb_alternates_between_the_lowest_strings_on_every_beat() -> None:
    (bar,) = bars("Am", "fingerpicking")
    on_the_beat = [min(note.pitch for note in beat.notes) for beat in bar.beats[::2]]
    assert on_the_beat == [45, 52, 45, 52]
    assert all(len(beat.notes) == 1 and beat.notes[0].string <= 2 for beat in bar.beats[1::2])


def test_roots_and_fifths_are_all_that_a_steady_bass_plays() -> None:
    for symbol, line in {"C": [36, 36, 43, 43], "F#m7b5": [30, 30, 36, 36], "C/G": [31, 31, 36, 36]}.items():
        (bar,) = bars(symbol, "bass", BASS)
        assert pitches(bar) == line, symbol


def test_a_walking_bass_leads_into_every_next_chord_from_a_semitone_away() -> None:
    line = bars("C Am Dm7 G7 C/E F F C5 Bdim", "walking_bass", BASS)
    for bar, following in pairwise(line):
        first, second, third, last = pitches(bar)
        assert abs(pitches(following)[0] - last) == 1, bar.symbol
        assert len({second, third, last}) == 3
        chord = parse_chord(bar.symbol)
        assert first % 12 == chord.bass
        assert {second % 12, third % 12} <= set(chord.pitch_classes)
    assert pitches(line[-1])[0] == pitches(line[-1])[-1], "it comes home"


def test_a_bass_line_stays_low_and_close() -> None:
    frets = [
        note.fret for bar in bars("C Am Dm G " * 8, "walking_bass", BASS) for beat in bar.beats for note in beat.notes
    ]
    assert max(frets) <= 5


def test_a_note_that_is_nowhere_on_the_neck_is_no_endless_search() -> None:
    short = Neck(("C4",) * 4, frets=7)
    with pytest.raises(UnplayableChord, match="G# cannot be held on C4 C4 C4 C4 with 7 frets") as found:
        arranged([parse_chord("C"), parse_chord("G#")], [], short, "bass")
    assert found.value.index == 1


# ASCII


def test_lines_of_a_tab_are_aligned_and_wrapped_at_the_width() -> None:
    for width in (20, 40, 80, 200):
        text = ascii_tab(score("C G Am F " * 4, "strum"), width)
        for system in text.rstrip("\n").split("\n\n"):
            chords, *strings, strokes = system.split("\n")
            assert [line[0] for line in strings] == list("eBGDAE")
            assert len({len(line) for line in strings}) == 1
            assert len({tuple(i for i, sign in enumerate(line) if sign == "|") for line in strings}) == 1
            assert len(strings[0]) <= width
            assert len(chords) <= len(strings[0])
            assert set(strokes) == {" ", "D", "U"}


def test_chords_stand_above_the_first_note_of_their_bar() -> None:
    chords, top, *_ = ascii_tab(score("C Cmaj7/G F#m7b5", "strum")).split("\n")
    for symbol in ("C ", "Cmaj7/G", "F#m7b5"):
        at = (chords + " ").index(symbol)
        assert top[at].isdigit() or top[at] == "-"
        assert top[at - 2] == "|"


def test_frets_of_two_digits_widen_every_column_alike() -> None:
    high = Neck(GUITAR.notes)
    shape = next(each for each in chord_shapes(parse_chord("D"), high, "barre") if each.position == 10)
    text = ascii_tab(Score("acoustic_guitar", high, (strum("D", shape, high), *bars("Em", "strum"))))
    top, *others = (line for line in text.split("\n") if "|" in line)
    assert top == "e|-10----10-10----10-10-10-|-0-----0--0-----0--0--0--|"
    assert {len(line) for line in others} == {len(top)}


def test_strings_are_labelled_as_they_are_tuned() -> None:
    def labels(neck: Neck) -> list[str]:
        return [line.split("|")[0].strip() for line in ascii_tab(score("C", "strum", neck)).split("\n") if "|" in line]

    assert labels(neck_of("acoustic_guitar", "half_step_down")) == ["eb", "Bb", "Gb", "Db", "Ab", "Eb"]
    assert labels(neck_of("acoustic_guitar", "drop_d")) == ["E", "B", "G", "D", "A", "D"]
    assert labels(neck_of("ukulele")) == ["A", "E", "C", "G"]


def test_reading_a_tab_back_gives_every_note() -> None:
    written = score("C G/B Am7 Fmaj7", "fingerpicking")
    lines = [line.split("|")[1:-1] for line in ascii_tab(written).split("\n") if "|" in line]
    for index, bar in enumerate(written.bars):
        at = 0
        for beat in bar.beats:
            column = {
                string: int(line[index][2 * at + 1])
                for string, line in enumerate(lines, start=1)
                if line[index][2 * at + 1].isdigit()
            }
            assert column == {note.string: note.fret for note in beat.notes}
            at += beat.eighths
