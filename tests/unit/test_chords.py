import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.engines.synth.harmony import MOST_TONES, voicing
from core.theory.chords import LONGEST_SYMBOL, QUALITIES, ChordError, parse_chord

MAJOR, MINOR = (0, 4, 7), (0, 3, 7)


@pytest.mark.parametrize(
    ("symbol", "root", "intervals", "bass"),
    [
        ("C", 0, MAJOR, 0),
        ("Cmaj", 0, MAJOR, 0),
        ("CM", 0, MAJOR, 0),
        ("F#m", 6, MINOR, 6),
        ("Emin", 4, MINOR, 4),
        ("E-", 4, MINOR, 4),
        ("Am7", 9, (0, 3, 7, 10), 9),
        ("Amin7", 9, (0, 3, 7, 10), 9),
        ("G7", 7, (0, 4, 7, 10), 7),
        ("Bbmaj7", 10, (0, 4, 7, 11), 10),
        ("BbM7", 10, (0, 4, 7, 11), 10),
        ("Gsus4", 7, (0, 5, 7), 7),
        ("Dsus2", 2, (0, 2, 7), 2),
        ("Bdim", 11, (0, 3, 6), 11),
        ("B°", 11, (0, 3, 6), 11),
        ("Bdim7", 11, (0, 3, 6, 9), 11),
        ("B°7", 11, (0, 3, 6, 9), 11),
        ("Bm7b5", 11, (0, 3, 6, 10), 11),
        ("Bm7♭5", 11, (0, 3, 6, 10), 11),
        ("Bø", 11, (0, 3, 6, 10), 11),
        ("Bø7", 11, (0, 3, 6, 10), 11),
        ("Caug", 0, (0, 4, 8), 0),
        ("C+", 0, (0, 4, 8), 0),
        ("A6", 9, (0, 4, 7, 9), 9),
        ("Am6", 9, (0, 3, 7, 9), 9),
        ("D9", 2, (0, 4, 7, 10, 14), 2),
        ("Dm9", 2, (0, 3, 7, 10, 14), 2),
        ("Dmaj9", 2, (0, 4, 7, 11, 14), 2),
        ("Dadd9", 2, (0, 4, 7, 14), 2),
        ("D11", 2, (0, 4, 7, 10, 14, 17), 2),
        ("D13", 2, (0, 4, 7, 10, 14, 17, 21), 2),
        ("D5", 2, (0, 7), 2),
        ("D/F#", 2, MAJOR, 6),
        ("Am7/G", 9, (0, 3, 7, 10), 7),
        ("F♯m/C♯", 6, MINOR, 1),
        ("B♭", 10, MAJOR, 10),
        ("Cb", 11, MAJOR, 11),
        ("B#", 0, MAJOR, 0),
    ],
)
def test_reads_a_symbol(symbol: str, root: int, intervals: tuple[int, ...], bass: int) -> None:
    chord = parse_chord(symbol)
    assert (chord.symbol, chord.root, chord.intervals, chord.bass) == (symbol, root, intervals, bass)


@pytest.mark.parametrize(
    "text",
    [
        "",
        " ",
        "c",
        "H",
        "C ",
        " C",
        "Cm7b",
        "C##",
        "Cbb",
        "C/",
        "C/H",
        "C/E/G",
        "D/f#",
        "Cmaj77",
        "Csus3",
        "C(7)",
        "C(m)",
        "Cm(maj7",
        "C7(b9)(#11)",
        "C/9",
        "C6/9/",
        "Cmajmaj7",
        "C7alt",
        "C2",
        "C4",
        "N.C.",
        "C\n",
    ],
)
def test_refuses_what_is_not_a_chord_and_says_what_is(text: str) -> None:
    with pytest.raises(ChordError, match="expected a root A to G"):
        parse_chord(text)


SPELLINGS = {
    (0, 4, 7): "C CM Cmaj CMaj Cma",
    (0, 3, 7): "Cm Cmin Cmi C- C−",  # noqa: RUF001 - with a minus sign for the hyphen
    (0, 7): "C5 Cno3 C(no3)",
    (0, 4, 7, 9, 14): "C6/9 C69 C6add9 C6(add9)",
    (0, 3, 7, 9, 14): "Cm6/9 Cm69 C-6/9 Cmin6/9 Cmi69 Cm6(add9)",
    (0, 4, 7, 11): "Cmaj7 CM7 CMaj7 Cma7 CMa7 Cj7 CΔ CΔ7 C∆ C△7 C^7 C^ C(maj7)",
    (0, 3, 7, 10): "Cm7 Cmin7 Cmi7 C-7",
    (0, 3, 7, 11): "Cmmaj7 CmMaj7 CmM7 Cm(maj7) Cm(Maj7) Cm(M7) Cminmaj7 Cmin(maj7) C-maj7 C-M7 C-Δ7 CmΔ Cmima7",
    (0, 3, 6, 10): "Cm7b5 Cmin7b5 C-7b5 Cm7(b5) Cm7-5 Cm7♭5 Cø Cø7",
    (0, 3, 6): "Cdim C° Cº Co Cmb5 Cm(b5)",
    (0, 3, 6, 9): "Cdim7 C°7 Cº7 Co7",
    (0, 5, 7): "Csus Csus4 C(sus4) C(sus)",
    (0, 5, 7, 10): "C7sus4 C7sus C7(sus4)",
    (0, 5, 7, 10, 14): "C9sus4 C9sus",
    (0, 5, 7, 10, 14, 21): "C13sus4 C13sus",
    (0, 4, 7, 14): "Cadd9 C(add9) Cadd2",
    (0, 3, 7, 14): "Cmadd9 Cm(add9) Cmin(add9) C-add9",
    (0, 4, 7, 17): "Cadd11 C(add11) Cadd4",
    (0, 3, 7, 11, 14): "Cmmaj9 CmMaj9 Cm(maj9) CmM9",
    (0, 3, 7, 10, 14, 17): "Cm11 Cmin11 C-11",
    (0, 3, 7, 10, 14, 21): "Cm13 Cmin13 C-13",
    (0, 4, 7, 11, 14, 21): "Cmaj13 CM13 CMaj13 CΔ13",
    (0, 4, 6, 10): "C7b5 C7♭5 C7(b5) C7-5",
    (0, 4, 8, 10): "C7#5 C7♯5 C7(#5) C7+5 C7+ C+7 Caug7",
    (0, 4, 7, 10, 13): "C7b9 C7(b9) C7(♭9) C7-9 C7(-9)",
    (0, 4, 7, 10, 15): "C7#9 C7(#9) C7+9 C7(+9)",
    (0, 4, 7, 10, 18): "C7#11 C7(#11)",
    (0, 4, 7, 10, 20): "C7b13 C7(b13)",
    (0, 4, 8, 11): "Cmaj7#5 CM7#5 Cmaj7(#5) C+maj7 C+M7 Cmaj7+5",
    (0, 4, 7, 11, 18): "Cmaj7#11 CM7#11 Cmaj7(#11) CΔ#11",
}


@pytest.mark.parametrize(("intervals", "line"), SPELLINGS.items())
def test_a_quality_is_read_in_every_spelling_that_chord_sheets_have(intervals: tuple[int, ...], line: str) -> None:
    for symbol in line.split():
        assert parse_chord(symbol).intervals == intervals, symbol
        over = parse_chord(f"B♭{symbol[1:]}/G#")
        assert (over.root, over.intervals, over.bass) == (10, intervals, 8), over.symbol


def test_the_nine_of_a_sixth_chord_is_no_bass() -> None:
    assert parse_chord("C6/9").bass == 0
    assert parse_chord("C6/9/E").bass == 4
    assert parse_chord("C6/G").bass == 7


@pytest.mark.parametrize(("intervals", "name"), QUALITIES.items())
def test_a_quality_has_one_name_and_tones_that_fit_a_hand(intervals: tuple[int, ...], name: str) -> None:
    assert parse_chord(f"F#{name}").intervals == intervals
    pitches = voicing(parse_chord(f"F#{name}"), 55)
    assert len(intervals) >= len(set(pitches)) == len(pitches) <= MOST_TONES


def test_refuses_a_long_text_without_repeating_it() -> None:
    with pytest.raises(ChordError, match=f"at most {LONGEST_SYMBOL} characters, this one has 100000") as refusal:
        parse_chord("C" * 100_000)
    assert len(str(refusal.value)) < 200


def test_folds_extensions_into_pitch_classes() -> None:
    assert parse_chord("G9/B").pitch_classes == (7, 11, 2, 5, 9)


@given(st.text(max_size=20))
def test_any_text_is_a_chord_or_a_chord_error(text: str) -> None:
    try:
        chord = parse_chord(text)
    except ChordError:
        return
    assert text[0] in "ABCDEFG"
    assert chord.intervals[0] == 0
    assert {chord.root, chord.bass} <= set(range(12))
