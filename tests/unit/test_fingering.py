"""What a hand can hold, and which shapes are found for a chord."""

from __future__ import annotations

from itertools import pairwise, product

import pytest

from core.theory.chords import QUALITIES, Chord, parse_chord
from core.theory.fingering import fingering_of, reach
from core.theory.hand_movement import easiest_path, movement, progression_shapes
from core.theory.neck import Neck, neck_of
from core.theory.voicings import COSTS, Frets, Level, Shape, chord_shapes, effort, missing, missing_costs

GUITAR = neck_of("acoustic_guitar")
NECKS = {
    "standard": GUITAR,
    "drop_d": neck_of("acoustic_guitar", "drop_d"),
    "open_g": neck_of("acoustic_guitar", "open_g"),
    "half_step_down": neck_of("acoustic_guitar", "half_step_down"),
    "seven_strings": neck_of("electric_guitar", strings=7),
    "bass": neck_of("bass_guitar"),
    "ukulele": neck_of("ukulele"),
    "banjo": Neck(("G4", "D3", "G3", "B3", "D4")),
}
ROOTS = ("C", "C#", "D", "Eb", "E", "F", "F#", "G", "Ab", "A", "Bb", "B")


def frets(text: str) -> Frets:
    return tuple(None if sign == "x" else int(sign) for sign in text)


def written(shape: Shape) -> str:
    return "".join("x" if fret is None else str(fret) for fret in shape.frets)


def fingers(text: str) -> str | None:
    found = fingering_of(frets(text))
    return found and "".join(map(str, found.fingers))


def best(symbol: str, neck: Neck = GUITAR, level: Level = "any") -> str:
    return written(chord_shapes(parse_chord(symbol), neck, level)[0])


def sounding(shape: Shape, neck: Neck) -> list[int]:
    return [pitch for pitch in shape.pitches(neck) if pitch is not None]


# The hand


@pytest.mark.parametrize(
    ("shape", "held"),
    {
        "x32010": "032010",
        "320003": "210003",
        "022100": "023100",
        "xx0232": "000132",
        "133211": "134211",
        "x24432": "013421",
        "244222": "134111",
        "000000": "000000",
        "577xxx": "134000",
    }.items(),
)
def test_fingers_lie_as_chord_books_show_them(shape: str, held: str) -> None:
    assert fingers(shape) == held


@pytest.mark.parametrize(
    ("shape", "why"),
    {
        "123450": "five fingers",
        "1xxxx5": "five frets near the nut",
        "220222": "a barre that would have to leave a string open",
        "22x222": "a barre that would have to mute a string",
        "134561": "four fingers above a barre",
    }.items(),
)
def test_what_no_hand_can_hold_is_refused(shape: str, why: str) -> None:
    assert fingers(shape) is None, why


def test_the_hand_reaches_a_fret_further_where_frets_are_as_close_as_four_are_at_the_nut() -> None:
    def millimetres(first: int, last: int) -> float:
        return 650 * (2 ** (-first / 12) - 2 ** (-last / 12))

    assert [reach(fret) for fret in (1, 4, 5, 12)] == [4, 4, 5, 5]
    assert abs(millimetres(1, 4) - 97.6) < 0.1
    assert millimetres(5, 9) < millimetres(1, 4) + 3 < millimetres(4, 8)


def test_a_capo_brings_the_hand_to_where_frets_are_closer() -> None:
    assert fingering_of(frets("1xxxx5"), capo=4) is not None
    assert reach(1, capo=3) == 4


# Shapes


@pytest.mark.parametrize(
    ("symbol", "shape"),
    {
        "C": "x32010", "G": "320003", "Am": "x02210", "F": "133211", "D": "xx0232", "E": "022100", "Em": "022000",
        "A": "x02220", "Dm": "xx0231", "B7": "x21202", "G7": "320001", "C7": "x32310", "D7": "xx0212", "E7": "020100",
        "A7": "x02020", "Bm": "x24432", "F#m": "244222", "Bb": "x13331", "Cmaj7": "x32000", "Am7": "x02010",
        "D/F#": "200232", "E5": "022xxx",
    }.items(),
)  # fmt: skip
def test_the_shapes_are_those_of_every_chord_book(symbol: str, shape: str) -> None:
    assert best(symbol) == shape


@pytest.mark.parametrize(
    ("symbol", "shape"),
    {"C": "x35553", "G": "355433", "Am": "577555", "A": "577655", "G7": "353433", "C5": "x355xx"}.items(),
)
def test_barre_chords_are_the_movable_ones(symbol: str, shape: str) -> None:
    shapes = chord_shapes(parse_chord(symbol), GUITAR, "barre")
    assert shape in map(written, shapes[:2])
    assert 0 not in shapes[0].frets


@pytest.mark.parametrize("symbol", ["C", "G", "D", "A", "E", "Am", "Em", "Dm", "Bm", "C7", "Fmaj7", "D7"])
def test_open_chords_have_open_strings_and_no_barre(symbol: str) -> None:
    shape = chord_shapes(parse_chord(symbol), GUITAR, "open")[0]
    assert 0 in shape.frets
    assert shape.fingering.barre is None
    assert shape.position <= 3


@pytest.mark.parametrize(
    ("symbol", "shape"), {"C": "0003", "Am": "2000", "F": "2010", "G": "0232", "G7": "0212"}.items()
)
def test_on_a_ukulele_the_lowest_note_may_be_another(symbol: str, shape: str) -> None:
    assert best(symbol, NECKS["ukulele"]) == shape


def test_a_capo_turns_a_chord_into_the_shape_of_another() -> None:
    assert best("D", neck_of("acoustic_guitar", capo=2), "open") == best("C", level="open")


def chords(*symbols: str) -> list[Chord]:
    return [parse_chord(symbol) for symbol in symbols]


EVERY_CHORD = chords(*(root + quality for root, quality in product(ROOTS, QUALITIES.values())))

IMPOSSIBLE = {
    "bass": {f"{root}{quality}" for root in ("F", "F#", "G", "Ab") for quality in ("13", "m13", "13sus4")},
    "ukulele": {"Bmmaj9"},
}
"""All four strings are needed, and the four notes lie too far apart."""


@pytest.mark.parametrize("name", NECKS)
def test_every_chord_has_a_shape_that_can_be_played_and_sounds_nothing_else(name: str) -> None:
    neck = NECKS[name]
    for chord in EVERY_CHORD:
        shape = chord_shapes(chord, neck)[0]
        held = [fret for fret in shape.frets if fret]
        heard = {pitch % 12 for pitch in sounding(shape, neck)}
        assert fingering_of(shape.frets) == shape.fingering
        assert shape.fingering.count <= 4
        alone = [finger for finger in shape.fingering.fingers if finger > (1 if shape.fingering.barre else 0)]
        assert len(set(alone)) == len(alone), "a finger that is no barre holds one string"
        assert not held or max(held) - min(held) < (4 if min(held) < 5 else 5), chord
        assert len(sounding(shape, neck)) >= 3
        assert heard <= set(chord.pitch_classes), chord
        essential = {tone for tone, cost in missing_costs(chord).items() if cost >= 8}
        assert heard >= essential or chord.symbol in IMPOSSIBLE.get(name, ()), chord
        assert "x" not in written(shape).strip("x"), "a string muted between others"
        assert neck.is_reentrant or min(sounding(shape, neck)) % 12 == chord.bass, chord


@pytest.mark.parametrize("name", NECKS)
@pytest.mark.parametrize("symbol", ["D/F#", "C/G", "Am/G", "G9/B", "C/Bb", "Fmaj7/E"])
def test_the_bass_of_a_slash_is_the_lowest_note_on_every_tuning(name: str, symbol: str) -> None:
    chord = parse_chord(symbol)
    shape = chord_shapes(chord, NECKS[name])[0]
    assert min(sounding(shape, NECKS[name])) % 12 == chord.bass


def test_the_fifth_may_go_and_what_tells_the_chord_apart_stays() -> None:
    assert missing_costs(parse_chord("C7"))[7] < 1 < missing_costs(parse_chord("C7"))[10]
    assert missing_costs(parse_chord("C6"))[7] > 5, "without its fifth it is A minor"
    assert missing_costs(parse_chord("C5"))[7] > 5
    assert 5 not in missing_costs(parse_chord("C13")), "the eleventh grates against the third"
    assert missing_costs(parse_chord("C/Bb"))[10] >= 8


def test_the_search_leaves_out_no_shape_that_is_easier() -> None:
    """Against every choice of the first five frets that there is: some thousands for each chord."""
    for chord in chords("C", "Bb", "F#m7", "A13", "D/F#", "Bm7b5"):
        tones = missing_costs(chord)
        choices = [
            [None, *(fret for fret in range(6) if (pitch + fret) % 12 in tones)] for pitch in GUITAR.open_pitches
        ]
        easiest = min(cost_of(each, tones) for each in product(*choices) if is_right(each, chord))
        assert chord_shapes(chord, GUITAR)[0].cost == pytest.approx(easiest), chord


def is_right(played: Frets, chord: Chord) -> bool:
    pitches = [p + f for p, f in zip(GUITAR.open_pitches, played, strict=True) if f is not None]
    return len(pitches) >= 3 and min(pitches) % 12 == chord.bass and fingering_of(played) is not None


def cost_of(played: Frets, tones: dict[int, float]) -> float:
    held = fingering_of(played)
    assert held is not None
    return effort(played, held, COSTS["any"]) + missing(played, tones, GUITAR)


# Progressions


def brute_force(layers: list[tuple[Shape, ...]]) -> float:
    return min(total(path) for path in product(*layers))


def total(path: tuple[Shape, ...] | list[Shape]) -> float:
    moves = sum(movement(one, other) for one, other in pairwise(path))
    return sum(shape.cost for shape in path) + moves


def test_the_hands_do_least_of_all_ways_there_are() -> None:
    progression = chords("F", "Bb", "C7", "Dm")
    layers = [chord_shapes(chord, GUITAR, "barre")[:8] for chord in progression]
    path = easiest_path(layers, lambda shape: shape.cost, movement)
    assert total(path) == pytest.approx(brute_force(layers))


def test_a_chord_takes_another_shape_if_that_is_nearer() -> None:
    alone = chord_shapes(parse_chord("D"), GUITAR, "barre")[0]
    between = progression_shapes(chords("Am", "D", "Am"), GUITAR, "barre")[1]
    far = progression_shapes(chords("A", "E7", "A"), GUITAR, "barre")
    assert movement(far[0], far[1]) <= movement(far[0], chord_shapes(parse_chord("E7"), GUITAR, "barre")[0])
    assert abs(between.position - 5) <= abs(alone.position - 5)


def test_fingers_that_both_shapes_share_stay_where_they_are() -> None:
    c, am = (next(s for s in chord_shapes(parse_chord(x), GUITAR) if written(s) == y)
             for x, y in (("C", "x32010"), ("Am", "x02210")))  # fmt: skip
    assert movement(c, c) == 0
    assert movement(c, am) == pytest.approx(0.3), "the third finger alone comes down anew"


def test_the_same_progression_always_gets_the_same_shapes() -> None:
    once = progression_shapes(chords("C", "G", "Am", "F"), GUITAR)
    assert [written(shape) for shape in once] == ["x32010", "320003", "x02210", "133211"]
    assert progression_shapes(chords("C", "G", "Am", "F"), GUITAR) == once
    assert progression_shapes([], GUITAR) == []


# Necks


def test_a_neck_takes_names_and_notes_and_more_strings() -> None:
    assert neck_of("acoustic_guitar", "drop_d").open_pitches[0] == 38
    assert neck_of("acoustic_guitar", ["D2", "A2", "D3", "F#3", "A3", "D4"], capo=2).open_pitches[0] == 40
    assert neck_of("bass_guitar", strings=5).open_pitches == (23, 28, 33, 38, 43)
    assert neck_of("ukulele").is_reentrant
    assert not neck_of("electric_guitar", strings=7).is_reentrant


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        ({"instrument": "lute"}, "there are acoustic_guitar"),
        ({"instrument": "ukulele", "tuning": "drop_d"}, "it has standard, open_g, half_step_down"),
        ({"instrument": "acoustic_guitar", "tuning": ["E2", "A2", "D3"]}, "4 to 7 notes, not 3"),
        ({"instrument": "acoustic_guitar", "tuning": ["E2", "A2", "D3", "H3"]}, "'H3' is no note"),
        ({"instrument": "acoustic_guitar", "strings": 5}, "has 6 strings, not 5"),
        ({"instrument": "acoustic_guitar", "capo": 12}, "fret 1 to 11"),
        ({"instrument": "acoustic_guitar", "tuning": ["E2", "A2", "D3", "G9"]}, "above G9"),
    ],
)
def test_what_is_no_neck_says_what_there_is(arguments: dict[str, object], expected: str) -> None:
    with pytest.raises(ValueError, match=expected):
        neck_of(**arguments)  # type: ignore[arg-type] # a table of keyword arguments
