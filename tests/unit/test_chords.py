import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.theory.chords import LONGEST_SYMBOL, ChordError, parse_chord

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
        "Csus",
        "N.C.",
        "C\n",
    ],
)
def test_refuses_what_is_not_a_chord_and_says_what_is(text: str) -> None:
    with pytest.raises(ChordError, match="expected a root A to G"):
        parse_chord(text)


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
