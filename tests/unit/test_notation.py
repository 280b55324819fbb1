from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.theory.chords import QUALITIES, Chord, ChordError, parse_chord
from core.theory.harmony import function_of, roman, temporary_tonic
from core.theory.keys import Key, key_on, parse_key
from core.theory.notation import ProgressionError, parse_progression, read_chord
from core.theory.transposition import best_capo, simplified, to_key, transposed

ROOTS = ["C", "C#", "Db", "D", "D#", "Eb", "E", "F", "F#", "Gb", "G", "G#", "Ab", "A", "Bb", "B"]
CHORDS = st.builds(
    lambda root, quality: parse_chord(root + quality),
    st.sampled_from(ROOTS),
    st.sampled_from(sorted(QUALITIES.values())),
)
KEYS = st.builds(key_on, st.integers(0, 11), st.sampled_from(["major", "minor"]))


def chords_of(text: str) -> list[Chord]:
    return parse_progression(text.split())


def symbols(entries: str, key: str | None = None) -> str:
    return " ".join(chord.symbol for chord in parse_progression(entries.split(), parse_key(key) if key else None))


@pytest.mark.parametrize(
    ("entries", "key", "expected"),
    [
        ("C F♯m7 B♭maj9 D/F#", None, "C F#m7 Bbmaj9 D/F#"),
        ("1 4 5 6m", "C", "C F G Am"),
        ("1 2- 5/7 b7", "C", "C D- G/B Bb"),
        ("1 4maj7 57 #4°", "Eb", "Eb Abmaj7 Bb7 Adim"),
        ("1- b3 b6 b7", "A minor", "A- C F G"),
        ("I V vi IV", "C", "C G Am F"),
        ("I V vi IV", "F#", "F# C# D#m B"),
        ("ii7 V7 Imaj7", "Bb", "Cm7 F7 Bbmaj7"),
        ("iiø7 V7 i", "C minor", "Dm7b5 G7 Cm"),
        ("i VI III VII", "A minor", "Am F C G"),
        ("i ♭VI bIII bVII", "A minor", "Am F C G"),
        ("vii° #vi° V", "A minor", "G#dim F#dim E"),
        ("V/V V7/ii vii°7/V V7/vi", "C", "D A7 F#dim7 E7"),
        ("V7/III V/V", "A minor", "G7 B"),
        ("iv bVI bVII bIII", "C", "Fm Ab Bb Eb"),
        ("N6 N V", "C minor", "Db/F Db G"),
        ("IV6 IV/6 I64 V65 V42", "C", "F6 F/A C/G G7/B G7/F"),
        ("Vsus4 iisus4 I+ IVadd9", "G", "Dsus4 Asus4 G+ Cadd9"),
        ("C 4 V Am", "C", "C F G Am"),
        ("16/9 5sus 57sus4 57b9 57b5 2-7b5 6mmaj7", "C", "C6/9 Gsus G7sus4 G7b9 G7b5 Dm7b5 Ammaj7"),
        ("I6/9 I6/9/3 V7#9/V iv6/9", "C", "C6/9 C6/9/E D7#9 Fm6/9"),
        ("imaj7 iadd9 ii7b5 ii7(b5) iimin7 v7sus4 viidim7", "C minor", "Cmmaj7 Cmadd9 Dm7b5 Dm7b5 Dm7 G7sus4 Bdim7"),
        ("ii11 V13sus4 V7#5 Imaj13 vimi7 VImi7", "F", "Gm11 C13sus4 C7#5 Fmaj13 Dm7 Dmi7"),
    ],
)
def test_reads_symbols_numbers_and_numerals(entries: str, key: str | None, expected: str) -> None:
    assert symbols(entries, key) == expected


def test_every_wrong_entry_is_named_with_what_was_expected() -> None:
    with pytest.raises(ProgressionError) as refusal:
        parse_progression(["C", "H7", "Am", "8", "VX"], parse_key("C"))
    assert [index for index, _ in refusal.value.faults] == [1, 3, 4]
    assert all("expected a chord symbol" in detail for _, detail in refusal.value.faults)


def test_a_symbol_with_a_wrong_quality_is_told_which_there_are() -> None:
    with pytest.raises(ChordError, match="then one of maj, m, 5, 6"):
        read_chord("Cmaj77")


@pytest.mark.parametrize("entry", ["V", "2-", "b7", "N6"])
def test_numbers_and_numerals_without_a_key_ask_for_one(entry: str) -> None:
    with pytest.raises(ChordError, match="need a key"):
        read_chord(entry)


def test_a_long_entry_is_not_repeated() -> None:
    with pytest.raises(ChordError, match="at most 16 characters, this one has 100000"):
        read_chord("V" * 100_000, parse_key("C"))


@given(st.text(max_size=16), KEYS)
def test_any_text_is_a_chord_or_a_chord_error(text: str, key: Key) -> None:
    try:
        chord = read_chord(text, key)
    except ChordError:
        return
    assert chord.intervals[0] == 0


@given(CHORDS, KEYS)
def test_reading_a_numeral_gives_the_chord_back(chord: Chord, key: Key) -> None:
    for numeral in (roman(chord, key), function_of(chord, key).roman):
        again = read_chord(numeral, key)
        assert (again.root, again.intervals) == (chord.root, chord.intervals), numeral


@pytest.mark.parametrize(
    ("symbol", "key", "numeral", "role"),
    [
        ("C", "C", "I", "tonic"),
        ("Am7", "C", "vi7", "tonic"),
        ("Dm7", "C", "ii7", "predominant"),
        ("G7", "C", "V7", "dominant"),
        ("Bdim", "C", "vii°", "dominant"),
        ("D7", "C", "V7/V", "secondary dominant"),
        ("A7", "C", "V7/ii", "secondary dominant"),
        ("C7", "C", "V7/IV", "secondary dominant"),
        ("F#dim7", "C", "vii°7/V", "secondary dominant"),
        ("Fm", "C", "iv", "borrowed"),
        ("Bb", "C", "bVII", "borrowed"),
        ("Ab", "C", "bVI", "borrowed"),
        ("Db/F", "C", "N6", "neapolitan"),
        ("Db7", "C", "bII7", "tritone substitution"),
        ("F#m7", "C", "#iv7", "chromatic"),
        ("E7", "Am", "V7", "dominant"),
        ("G", "Am", "VII", "dominant"),
        ("G7", "Am", "VII7", "dominant"),
        ("F", "Am", "VI", "predominant"),
        ("Bm7b5", "Am", "iiø7", "predominant"),
        ("A", "Am", "V/iv", "secondary dominant"),
        ("D", "Am", "IV", "borrowed"),
        ("C/E", "C", "I/3", "tonic"),
        ("C6/9", "C", "I6/9", "tonic"),
        ("G7b9", "C", "V7b9", "dominant"),
        ("G7#5", "C", "V7#5", "dominant"),
        ("G7sus4", "C", "V7sus4", "dominant"),
        ("A7b5", "C", "V7b5/ii", "secondary dominant"),
        ("C7sus4", "C", "V7sus4/IV", "secondary dominant"),
        ("Cmaj7#11", "C", "Imaj7#11", "tonic"),
        ("Ammaj7", "Am", "imaj7", "tonic"),
        ("Dm11", "C", "ii11", "predominant"),
    ],
)
def test_a_chord_has_its_numeral_and_role(symbol: str, key: str, numeral: str, role: str) -> None:
    function = function_of(parse_chord(symbol), parse_key(key))
    assert (function.roman, function.role) == (numeral, role)


def test_a_blues_is_at_home_on_its_sevenths() -> None:
    roles = [function_of(parse_chord(each), parse_key("E"), blues=True) for each in ("E7", "A7", "B7")]
    assert [(each.roman, each.role) for each in roles] == [
        ("I7", "tonic"), ("IV7", "predominant"), ("V7", "dominant")
    ]  # fmt: skip


def test_a_secondary_dominant_knows_where_it_leads() -> None:
    key = parse_key("Eb")
    assert temporary_tonic(function_of(parse_chord("C7"), key), key) == "Fm"
    assert temporary_tonic(function_of(parse_chord("F7"), key), key) == "Bb"


# Moving chords


@pytest.mark.parametrize(
    ("entries", "semitones", "expected"),
    [
        ("C G Am F", 2, "D A Bm G"),
        ("C G Am F", 1, "Db Ab Bbm Gb"),
        ("Bb Eb F7 Gm Bb/D", 1, "B E F#7 G#m B/D#"),
        ("F# C# G#m", 1, "G D Am"),
        ("C7alt", 0, None),
        ("C6/9 F♯m(maj7)/A B♭7(♭9)", 2, "D6/9 G#m(maj7)/B C7(b9)"),
        ("Dm7b5 G7 Cm", -3, "Bm7b5 E7 Am"),
    ],
)
def test_chords_are_moved_and_spelled_as_one_writes_them(entries: str, semitones: int, expected: str | None) -> None:
    if expected is None:
        with pytest.raises(ProgressionError):
            parse_progression(entries.split())
        return
    moved = transposed(parse_progression(entries.split()), semitones)
    assert " ".join(chord.symbol for chord in moved) == expected


@given(st.lists(CHORDS, min_size=1, max_size=8), st.integers(-24, 24))
def test_moved_chords_keep_their_tones_in_relation(chords: list[Chord], semitones: int) -> None:
    for chord, moved in zip(chords, transposed(chords, semitones), strict=True):
        assert moved.root == (chord.root + semitones) % 12
        assert moved.intervals == chord.intervals
        assert (moved.bass - moved.root) % 12 == (chord.bass - chord.root) % 12


@given(CHORDS, st.integers(-11, 11))
def test_moved_there_and_back_a_chord_is_what_it_was(chord: Chord, semitones: int) -> None:
    (back,) = transposed(transposed([chord], semitones), -semitones)
    assert (back.root, back.intervals, back.bass) == (chord.root, chord.intervals, chord.bass)


@given(CHORDS)
def test_every_chord_has_a_simpler_one_with_no_other_tones_below_the_octave(chord: Chord) -> None:
    four, three = simplified(chord, 4), simplified(chord)
    assert len(four.intervals) <= 4
    assert len(three.intervals) == 3
    assert (four.root, three.root) == (chord.root, chord.root)
    assert set(four.intervals) <= set(chord.intervals)
    assert {3, 4} & set(three.intervals)


def test_chords_go_to_another_key_with_its_spelling() -> None:
    chords = chords_of("C E7 Am Fm")
    moved = to_key(chords, parse_key("C"), parse_key("Eb"))
    assert [chord.symbol for chord in moved] == ["Eb", "G7", "Cm", "Abm"]


def test_a_capo_turns_barre_chords_into_open_ones() -> None:
    capo = best_capo(chords_of("Bb Eb F7 Gm"))
    assert (capo.fret, capo.shapes, capo.open_chords) == (3, ("G", "C", "D7", "Em"), 4)


def test_a_chord_is_open_in_whatever_spelling() -> None:
    assert best_capo(chords_of("Dsus Amin CM7 A7sus")).open_chords == 4


def test_open_chords_need_no_capo() -> None:
    assert best_capo(chords_of("C G Am Em")).fret == 0


@pytest.mark.parametrize(
    ("symbol", "four", "three"),
    [
        ("Cmaj9", "Cmaj7", "C"),
        ("C13", "C7", "C"),
        ("Dm9", "Dm7", "Dm"),
        ("D/F#", "D", "D"),
        ("Bm7b5", "Bm7b5", "Bdim"),
        ("Gsus4", "Gsus4", "G"),
        ("Eaug", "Eaug", "Eaug"),
        ("A5", "A5", "A"),
        ("Cadd9", "C", "C"),
        ("C6/9", "C6", "C"),
        ("Cm(add9)", "Cm", "Cm"),
        ("C9sus", "C7sus4", "C"),
        ("Cm(maj9)", "Cmmaj7", "Cm"),
        ("C7#9", "C7", "C"),
        ("C7b5", "C7b5", "C"),
        ("C+7", "C7#5", "Caug"),
    ],
)
def test_a_chord_is_made_simpler_step_by_step(symbol: str, four: str, three: str) -> None:
    chord = parse_chord(symbol)
    assert (simplified(chord, 4).symbol, simplified(chord).symbol) == (four, three)
