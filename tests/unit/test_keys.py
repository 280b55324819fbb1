import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.theory.keys import Key, KeyNameError, Mode, fifths_of, key_on, note_at, parse_key
from core.theory.scales import pitch_classes, root_pitch_class


@pytest.mark.parametrize(
    ("text", "tonic", "mode"),
    [
        ("C", "C", "major"),
        ("c major", "C", "major"),
        ("F#m", "F#", "minor"),
        ("F♯ minor", "F#", "minor"),
        ("Bb major", "Bb", "major"),
        ("B♭", "Bb", "major"),
        ("a minor", "A", "minor"),
        ("A-", "A", "minor"),
        (" Ebmaj ", "Eb", "major"),
        ("CM", "C", "major"),
        ("G#", "Ab", "major"),
        ("G# minor", "G#", "minor"),
        ("Fb", "E", "major"),
        ("Cb", "Cb", "major"),
        ("C#", "C#", "major"),
        ("Db minor", "C#", "minor"),
    ],
)
def test_reads_a_key_and_gives_one_that_nobody_writes_its_usual_name(text: str, tonic: str, mode: str) -> None:
    key = parse_key(text)
    assert (key.tonic, key.mode) == (tonic, mode)


@pytest.mark.parametrize("text", ["", "H", "C##", "C dorian", "major", "C7", "C" * 100_000])
def test_refuses_what_is_no_key_and_says_what_is(text: str) -> None:
    with pytest.raises(KeyNameError, match="such as C, F#m") as refusal:
        parse_key(text)
    assert len(str(refusal.value)) < 250


@pytest.mark.parametrize(
    ("name", "scale"),
    [
        ("C", "C D E F G A B"),
        ("Eb", "Eb F G Ab Bb C D"),
        ("F#", "F# G# A# B C# D# E#"),
        ("Gb", "Gb Ab Bb Cb Db Eb F"),
        ("A minor", "A B C D E F G"),
        ("F# minor", "F# G# A B C# D E"),
        ("Eb minor", "Eb F Gb Ab Bb Cb Db"),
    ],
)
def test_a_scale_uses_each_letter_once(name: str, scale: str) -> None:
    assert parse_key(name).scale == tuple(scale.split())


@given(st.integers(0, 11), st.sampled_from(["major", "minor"]))
def test_a_scale_has_the_pitches_that_scales_know(tonic: int, mode: Mode) -> None:
    key = key_on(tonic, mode)
    assert {root_pitch_class(note) for note in key.scale if note not in ("Cb", "B#")} <= pitch_classes(key.tonic, mode)
    assert len({note[0] for note in key.scale}) == 7


@given(st.integers(0, 11), st.sampled_from(["major", "minor"]), st.integers(0, 11))
def test_a_note_keeps_its_pitch_however_it_is_spelled(tonic: int, mode: Mode, pitch: int) -> None:
    key = key_on(tonic, mode)
    assert key.pitch_class == tonic
    for name in (key.spell(pitch), key.spell(pitch, leading=True)):
        assert fifths_of(name) * 7 % 12 == pitch
        assert len(name) <= 2


def test_chromatic_notes_are_flats_in_flat_keys_and_sharps_where_they_lead_upwards() -> None:
    assert Key("F").spell(3) == "Eb"
    assert Key("E").spell(3) == "D#"
    assert Key("C").spell(10) == "Bb"
    assert Key("C").spell(6) == "F#"
    assert Key("C").spell(1) == "Db"
    assert Key("C").spell(1, leading=True) == "C#"


def test_the_smaller_signature_is_taken() -> None:
    names = [key_on(tonic, "major").tonic for tonic in range(12)]
    assert names == ["C", "Db", "D", "Eb", "E", "F", "F#", "G", "Ab", "A", "Bb", "B"]
    assert [key_on(tonic, "minor").tonic for tonic in (1, 3, 6, 8, 10)] == ["C#", "D#", "F#", "G#", "Bb"]


@given(st.integers(-8, 12))
def test_a_name_and_its_place_on_the_line_of_fifths_are_one(fifths: int) -> None:
    assert fifths_of(note_at(fifths)) == fifths


def test_parallel_keys_share_their_tonic() -> None:
    assert Key("A").parallel == Key("A", "minor")
    assert Key("Db").parallel == Key("C#", "minor")
