"""What is played and when: measured on the notes."""

import dataclasses
import itertools

import numpy as np
import pytest

from core.engines.synth.harmony import bass_pitch, essential_intervals, voicing
from core.engines.synth.patterns import PATTERNS, bar_of, style_named
from core.engines.synth.score import Score, TimedNote
from core.ports import StemRequest
from core.theory.chords import ChordError, parse_chord
from tests.unit.synth_measures import CHORDS, SAMPLE_RATE, STEMS, STYLES, request

EVERY_STEM_AND_STYLE = [*itertools.product(STEMS, STYLES)]
PITCHED = [stem for stem in STEMS if stem != "drums"]


def notes_of(stem: StemRequest) -> list[list[TimedNote]]:
    return [notes for _, notes in Score(stem).bars()]


def beats_of(notes: list[TimedNote], sound: str, tempo_bpm: float = 120.0) -> list[float]:
    return [note.start / SAMPLE_RATE * tempo_bpm / 60 for note in notes if note.sound == sound]


@pytest.mark.parametrize(("stem", "style"), EVERY_STEM_AND_STYLE)
def test_grids_divide_the_bar_and_stay_in_it(stem: str, style: str) -> None:
    assert all(len(cells) in (12, 16) for cells in PATTERNS[stem][style].values())
    assert all(
        step.beat >= 0 and step.beat + step.beats <= 4 and 0 < step.velocity <= 1 for step in bar_of(stem, style)
    )


@pytest.mark.parametrize("stem", STEMS)
def test_no_two_styles_play_alike(stem: str) -> None:
    rhythms = {style: tuple((step.beat, step.lane) for step in bar_of(stem, style)) for style in STYLES}
    assert len(set(rhythms.values())) == len(STYLES)


@pytest.mark.parametrize(
    ("text", "style"),
    [("rock", "rock"), ("Indie ROCK", "rock"), ("electronic/pop", "electronic"), ("polka", "pop"), ("", "pop")],
)
def test_a_style_is_found_in_free_text(text: str, style: str) -> None:
    assert style_named(text) == style


@pytest.mark.parametrize("style", STYLES)
@pytest.mark.parametrize("tempo_bpm", [30.0, 97.3, 300.0])
@pytest.mark.parametrize("temperature", [0.0, 2.0])
def test_the_kick_is_on_every_beat(style: str, tempo_bpm: float, temperature: float) -> None:
    stem = request("drums", 16 * 60 / tempo_bpm, tempo_bpm, style, temperature=temperature)
    kicks = beats_of(list(itertools.chain(*notes_of(stem))), "kick", tempo_bpm)
    loose = 0.0126 * tempo_bpm / 60 if temperature else 1e-4
    assert all(min(abs(kick - beat) for kick in kicks) <= loose for beat in range(16))


def test_jazz_swings_and_rock_does_not() -> None:
    [ride] = [beats_of(notes, "ride") for notes in notes_of(request("drums", 2, style="jazz"))]
    [hat] = [beats_of(notes, "hat") for notes in notes_of(request("drums", 2, style="rock"))]
    assert 1 + 2 / 3 in [pytest.approx(beat, abs=1e-3) for beat in ride]
    assert hat == pytest.approx(np.arange(0, 4, 0.5), abs=1e-3)


@pytest.mark.parametrize(("stem", "style"), EVERY_STEM_AND_STYLE)
def test_at_temperature_0_bars_of_one_chord_are_alike(stem: str, style: str) -> None:
    plain = request(stem, 16, style=style, chords=("Am",))
    bars = notes_of(plain)
    shifted = [[dataclasses.replace(note, start=note.start - bars.index(bar) * 88200) for note in bar] for bar in bars]
    if stem == "vocals":  # its melody takes four bars
        assert shifted[0:4] == shifted[4:8]
    else:
        assert all(bar == shifted[0] for bar in shifted)


@pytest.mark.parametrize("stem", STEMS)
def test_the_warmer_the_further_from_the_plain_bar(stem: str) -> None:
    def surprises(temperature: float) -> int:
        plain = {(note.start, note.sound, note.pitch, note.velocity) for note in everything(0.0)}
        return sum((n.start, n.sound, n.pitch, n.velocity) not in plain for n in everything(temperature))

    def timing_spread(temperature: float) -> float:
        grid = np.unique([note.start for note in everything(0.0)])
        return float(np.mean([np.min(np.abs(grid - note.start)) for note in everything(temperature)]))

    def everything(temperature: float) -> list[TimedNote]:
        return list(itertools.chain(*notes_of(request(stem, 64, temperature=temperature))))

    assert surprises(0.5) > 0
    assert timing_spread(0.2) < timing_spread(1.0) < timing_spread(2.0)


@pytest.mark.parametrize("temperature", [0.0, 1.0, 2.0])
@pytest.mark.parametrize(("stem", "style"), EVERY_STEM_AND_STYLE)
def test_no_note_comes_before_its_bar_or_too_loud(stem: str, style: str, temperature: float) -> None:
    for bar_start, notes in Score(request(stem, 16, style=style, temperature=temperature)).bars():
        assert all(note.start >= bar_start and 0 < note.velocity <= 1 and note.frames > 0 for note in notes)


def test_fills_come_in_fourth_bars_of_warm_takes_alone() -> None:
    def bars_with_toms(temperature: float) -> set[int]:
        bars = notes_of(request("drums", 128, temperature=temperature))
        return {index % 4 for index, notes in enumerate(bars) if any(note.sound == "tom" for note in notes)}

    assert bars_with_toms(0.0) == set()
    assert bars_with_toms(1.0) == {3}


@pytest.mark.parametrize("stem", ["guitar", "piano", "synth", "vocals", "other"])
@pytest.mark.parametrize("style", STYLES)
@pytest.mark.parametrize("temperature", [0.0, 2.0])
def test_players_keep_to_the_chord(stem: str, style: str, temperature: float) -> None:
    chords = ("Cmaj9", "D/F#", "Bm7b5", "G13", "E5")
    for symbol, notes in zip(chords, notes_of(request(stem, 10, 120, style, chords, temperature)), strict=True):
        chord = parse_chord(symbol)
        allowed = {*chord.pitch_classes, chord.bass}
        assert {note.pitch % 12 for note in notes} <= allowed


@pytest.mark.parametrize("symbol", ["C", "G", "Am", "D/F#", "Bbm7", "E"])
@pytest.mark.parametrize("style", STYLES)
def test_the_bass_begins_each_bar_on_its_note_around_55_hz(symbol: str, style: str) -> None:
    [notes] = notes_of(request("bass", 2, style=style, chords=(symbol,)))
    assert notes[0].pitch % 12 == parse_chord(symbol).bass
    assert 41 < 440 * 2 ** ((notes[0].pitch - 69) / 12) < 78


def test_a_walking_bass_leads_into_the_next_chord() -> None:
    bars = notes_of(request("bass", 8, style="jazz"))
    for notes, following in itertools.pairwise(bars):
        assert abs(notes[-1].pitch - following[0].pitch) == 1


@pytest.mark.parametrize(
    ("symbol", "intervals"),
    [("C", (0, 4, 7)), ("C9", (0, 4, 7, 10, 14)), ("C11", (0, 4, 10, 14, 17)), ("C13", (0, 4, 10, 14, 21))],
)
def test_big_chords_lose_what_a_hand_leaves_out(symbol: str, intervals: tuple[int, ...]) -> None:
    assert essential_intervals(parse_chord(symbol)) == intervals


def test_voicings_move_little_from_chord_to_chord() -> None:
    shapes = [voicing(parse_chord(symbol), 52) for symbol in CHORDS]
    for before, after in itertools.pairwise(shapes):
        assert max(abs(a - b) for a, b in zip(before, after, strict=True)) <= 5
    assert [bass_pitch(parse_chord(symbol)) for symbol in ("A", "A/E")] == [33, 28]


@pytest.mark.parametrize("tempo_bpm", [30.0, 121.7, 300.0])
def test_rounding_does_not_add_up(tempo_bpm: float) -> None:
    starts = [start for start, _ in Score(request("bass", 600, tempo_bpm)).bars()]
    exact = np.arange(len(starts)) * 4 * 60 / tempo_bpm * SAMPLE_RATE
    assert np.max(np.abs(starts - exact)) <= 0.5
    assert starts[-1] < 600 * SAMPLE_RATE


def test_refuses_what_it_cannot_play() -> None:
    with pytest.raises(ValueError, match="unknown stem type 'kazoo': expected one of drums, bass"):
        Score(request("kazoo"))
    with pytest.raises(ChordError):
        Score(request("bass", chords=("C", "H")))


def test_no_chords_play_the_usual_four() -> None:
    assert notes_of(request("piano", chords=())) == notes_of(request("piano", chords=CHORDS))
