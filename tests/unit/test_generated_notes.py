"""Notes cut from what a generation model makes: in tune, in time, and taken again where they are not."""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from core.audio.pitch import measure_pitch
from core.engines.catalogue import MUSICGEN
from core.engines.checkpoints import CheckpointStore
from core.engines.generated_notes import (
    LOUDEST_DBFS,
    MOST_TOGETHER,
    QUIETEST_DBFS,
    TOLERANCE_CENTS,
    GeneratedNotes,
    describe,
    stem_request,
)
from core.engines.musicgen.engine import MusicGenEngine
from core.engines.musicgen.renderer import MusicGenRenderer
from core.engines.warm import WarmModels
from core.engines.weights import ModelFolders
from core.errors import CancelRequested, EngineFailed, NotFinite
from core.ports import NoteRequest, Piece, StemRequest, Take
from core.storage.memory import MemoryBlobs
from core.theory.notes import cents_between, parse_note
from core.theory.techniques import Articulation, canonical, settled
from tests.demucs_models import one_thread  # noqa: F401 - a fixture that works by being here
from tests.musicgen_models import audiocraft_folder

if TYPE_CHECKING:
    from core.ports import Block

SAMPLE_RATE = 32000
TUNING = {6: "E2", 5: "A2", 4: "D3", 3: "G3", 2: "B3", 1: "E4"}


def note(string: int = 3, fret: int = 5, *techniques: str, **options: Any) -> NoteRequest:
    """A note of an electric guitar; ``options`` are fields of it, or details of its articulation."""
    details = {name: options.pop(name) for name in list(options) if name in Articulation.model_fields}
    seconds = options.get("duration_seconds", 1.0)
    plain = NoteRequest(
        instrument="electric_guitar",
        string=string,
        fret=fret,
        open_pitch=parse_note(TUNING[string]),
        velocity=0.7,
        techniques=canonical(techniques),
        articulation=settled(Articulation(**details), techniques, fret, seconds),
        duration_seconds=seconds,
        style="",
        seed=1,
    )
    return replace(plain, **options)


def tone(frequency_hz: float, seconds: float, late_seconds: float = 0.0) -> Block:
    """A plucked tone ``[1, T]`` that begins late, over a faint hiss."""
    frames, late = round(seconds * SAMPLE_RATE), round(late_seconds * SAMPLE_RATE)
    time = np.arange(frames - late) / SAMPLE_RATE
    audio = 1e-3 * np.random.default_rng(0).standard_normal(frames)
    for number in range(1, 9):
        audio[late:] += np.sin(2 * np.pi * number * frequency_hz * time) / number * np.exp(-time * (1 + 0.2 * number))
    return (0.3 * audio)[None].astype(np.float32)


def silence(seconds: float) -> Block:
    return np.zeros((1, round(seconds * SAMPLE_RATE)), np.float32)


class Player:
    """A generation engine and its renderer, that plays what ``play`` says: by a note's place and try, and its length.

    Attributes:
        calls: the requests of each call.
        closed: how many runs were given up or ended.
    """

    info = MUSICGEN
    sample_rate, channels = SAMPLE_RATE, 1
    weights: str | None = "7" * 64
    compute: str | None = "float32 on cpu"
    follows_melody = False

    def __init__(self, play: Callable[[StemRequest, int], Block]) -> None:
        self.calls: list[list[StemRequest]] = []
        self.models: list[str | None] = []
        self.closed = 0
        self._play = play

    @contextmanager
    def load(self, model: str | None, wait: Callable[[], None]) -> Iterator[Player]:
        self.models.append(model)
        yield self

    def loaded(self) -> dict[str, str | None]:
        return {"small": self.weights}

    def render(self, requests: Sequence[StemRequest], step: Callable[[float], None]) -> Iterator[Piece]:
        """The stems side by side, in blocks of half a second."""
        self.calls.append(list(requests))
        stems = [self._play(request, len(self.calls)) for request in requests]
        try:
            longest = max(stem.shape[1] for stem in stems)
            for start in range(0, longest, SAMPLE_RATE // 2):
                for index, stem in enumerate(stems):
                    yield Piece(index, stem[:, start : start + SAMPLE_RATE // 2])
                step(min(start + SAMPLE_RATE // 2, longest) / longest)
        finally:
            self.closed += 1


def played(player: Player, *notes: NoteRequest, tries: int = 3, step: Callable[[float], None] = float) -> list[Take]:
    """The takes by their notes' places."""
    with GeneratedNotes(player, tries=tries).load("small", lambda: None) as renderer:
        takes = list(renderer.render(notes, step))
    assert sorted(take.note for take in takes) == list(range(len(notes)))
    return sorted(takes, key=lambda take: take.note)


def detuned(*cents: float, of: NoteRequest, late_seconds: float = 0.0) -> Player:
    """A player that is off by so many cents at its first call, its second, and so on."""
    hz = of.sounding_hz
    assert hz is not None
    return Player(
        lambda request, call: tone(hz * 2 ** (cents[call - 1] / 1200), request.duration_seconds, late_seconds)
    )


def off_cents(take: Take, of: NoteRequest) -> float:
    measured = measure_pitch(take.samples, SAMPLE_RATE)
    assert measured is not None
    assert of.sounding_hz is not None
    return cents_between(measured.frequency_hz, of.sounding_hz)


# Pitch


@pytest.mark.parametrize("cents", [-99.0, -40.0, -5.0, 3.0, 60.0, 99.0])
@pytest.mark.parametrize(("string", "fret"), [(6, 0), (3, 5), (1, 22)])
def test_what_is_less_than_a_semitone_off_is_put_right(cents: float, string: int, fret: int) -> None:
    asked = note(string, fret)
    (take,) = played(detuned(cents, of=asked), asked)
    assert take.tries == 1
    assert abs(off_cents(take, asked)) <= TOLERANCE_CENTS
    assert take.correction_cents == pytest.approx(-cents, abs=TOLERANCE_CENTS)


def test_what_is_right_is_left_as_it_is() -> None:
    asked = note()
    (take,) = played(detuned(1.0, of=asked), asked)
    assert (take.tries, take.correction_cents) == (1, 0.0)
    assert off_cents(take, asked) == pytest.approx(1.0, abs=0.2)


@pytest.mark.parametrize("wrong_cents", [200.0, -200.0, 1200.0, -1200.0, 702.0])
def test_another_note_is_played_again(wrong_cents: float) -> None:
    asked = note()
    player = detuned(wrong_cents, 20.0, of=asked)
    (take,) = played(player, asked)
    assert take.tries == 2
    assert abs(off_cents(take, asked)) <= TOLERANCE_CENTS
    assert take.correction_cents == pytest.approx(-20, abs=TOLERANCE_CENTS)
    assert len({call[0].seed for call in player.calls}) == 2


def test_of_what_is_never_right_the_nearest_is_kept_as_it_was_played() -> None:
    asked = note()
    (take,) = played(detuned(-500.0, 170.0, 300.0, of=asked), asked)
    assert (take.tries, take.correction_cents) == (3, 0.0)
    assert off_cents(take, asked) == pytest.approx(170, abs=1)


def test_a_take_without_a_pitch_is_further_off_than_any() -> None:
    asked = note()
    hz = asked.sounding_hz or 0.0
    player = Player(
        lambda request, call: tone(hz * 2, request.duration_seconds) if call == 2 else silence(request.duration_seconds)
    )
    (take,) = played(player, asked)
    assert take.tries == 3
    assert off_cents(take, asked) == pytest.approx(1200, abs=1)


def test_silence_stays_silence() -> None:
    (take,) = played(Player(lambda request, call: silence(request.duration_seconds)), note(), tries=2)
    assert (take.tries, take.correction_cents) == (2, 0.0)
    assert not take.samples.any()


def test_a_dead_note_needs_no_pitch() -> None:
    player = Player(lambda request, call: silence(request.duration_seconds) + np.float32(0.1))
    (take,) = played(player, note(3, 5, "dead_note"))
    assert (take.tries, take.correction_cents, len(player.calls)) == (1, 0.0, 1)


def test_a_bent_note_is_right_where_the_bend_leads() -> None:
    asked = note(3, 5, "bend", bend_semitones=2)
    (take,) = played(detuned(30.0, of=asked), asked)
    assert asked.sounding_hz == pytest.approx(261.63 * 2 ** (2 / 12), abs=0.01)
    assert abs(off_cents(take, asked)) <= TOLERANCE_CENTS


# Time and level


@pytest.mark.parametrize("late_seconds", [0.0, 0.1, 0.37])
@pytest.mark.parametrize("cents", [0.0, -80.0, 80.0])
def test_a_note_that_begins_late_begins_at_once(late_seconds: float, cents: float) -> None:
    asked = note(duration_seconds=1.337)
    (take,) = played(detuned(cents, of=asked, late_seconds=late_seconds), asked)
    level = np.abs(take.samples[0])
    assert take.samples.shape == (1, round(1.337 * SAMPLE_RATE))
    assert np.argmax(level > 0.2 * level.max()) < 0.005 * SAMPLE_RATE
    assert level[-SAMPLE_RATE // 10 : -SAMPLE_RATE // 20].max() > 0.1 * level.max()  # and it is there to the end


@pytest.mark.parametrize("duration_seconds", [0.1, 0.5, 2.0])
def test_a_note_is_as_long_as_asked_and_its_ends_are_nothing(duration_seconds: float) -> None:
    asked = note(duration_seconds=duration_seconds)
    (take,) = played(detuned(-30, of=asked), asked)
    assert take.samples.shape == (1, round(duration_seconds * SAMPLE_RATE))
    assert take.samples.dtype == np.float32
    assert take.samples[0, 0] == take.samples[0, -1] == 0


@pytest.mark.parametrize(("velocity", "dbfs"), [(0.0, QUIETEST_DBFS), (0.5, -19.5), (1.0, LOUDEST_DBFS)])
def test_the_level_is_that_of_the_velocity(velocity: float, dbfs: float) -> None:
    asked = note(velocity=velocity)
    (take,) = played(detuned(10, of=asked), asked)
    assert 20 * math.log10(np.abs(take.samples).max()) == pytest.approx(dbfs, abs=0.01)


# How it is asked for


def test_all_notes_are_made_in_one_call_and_only_the_wrong_ones_again() -> None:
    notes = [note(string, fret) for string, fret in itertools.product((1, 2, 3), (0, 5))]
    wrong = {describe(notes[1]), describe(notes[4])}
    pitches = {describe(each): each.sounding_hz or 0.0 for each in notes}

    def play(request: StemRequest, call: int) -> Block:
        astray = 2 ** (3 / 12) if call == 1 and request.description in wrong else 1.0
        return tone(pitches[request.description] * astray, request.duration_seconds)

    player = Player(play)
    takes = played(player, *notes)
    assert [len(call) for call in player.calls] == [6, 2]
    assert [take.tries for take in takes] == [1, 2, 1, 1, 2, 1]


def test_a_call_makes_a_limited_number_of_notes() -> None:
    asked = note(duration_seconds=0.2)
    player = detuned(*[0.0] * 3, of=asked)
    played(player, *[asked] * (2 * MOST_TOGETHER + 3))
    assert [len(call) for call in player.calls] == [MOST_TOGETHER, MOST_TOGETHER, 3]


def test_no_notes_are_no_work() -> None:
    shares: list[float] = []
    assert played(Player(lambda request, call: silence(1)), step=shares.append) == []
    assert shares == [1.0]


def test_takes_come_while_others_are_still_made() -> None:
    short, long = note(1, 0, duration_seconds=0.2), note(1, 0, duration_seconds=5.0)
    player = detuned(0.0, of=short)
    with GeneratedNotes(player).load(None, lambda: None) as renderer:
        takes = renderer.render([long, short], float)
        assert next(takes).note == 1
        assert player.closed == 0
        takes.close()  # type: ignore[attr-defined] # it is a generator
    assert player.closed == 1
    assert player.models == [None]


@pytest.mark.parametrize("tries", [1, 2, 3])
@pytest.mark.parametrize("cents", [0.0, 300.0])
def test_progress_goes_from_nothing_to_all_and_never_back(tries: int, cents: float) -> None:
    shares: list[float] = []
    asked = note(duration_seconds=0.3)
    player = detuned(*[cents] * 2 * tries, of=asked)
    played(player, *[asked] * (MOST_TOGETHER + 1), tries=tries, step=shares.append)
    assert shares == sorted(shares)
    assert 0 < shares[0] < 0.9
    assert shares[-1] == 1
    assert max(np.diff(shares)) < 0.6


def test_what_step_raises_ends_the_run() -> None:
    def stop(share: float) -> None:
        raise CancelRequested

    asked = note()
    player = detuned(0.0, of=asked)
    with pytest.raises(CancelRequested):
        played(player, asked, step=stop)
    assert player.closed == 1


@pytest.mark.parametrize(
    ("spoil", "error"),
    [
        (lambda block: np.repeat(block, 2, axis=0), EngineFailed),
        (lambda block: block[0], EngineFailed),
        (lambda block: np.concatenate([block, block], axis=1), EngineFailed),
        (lambda block: block[:, :-1], EngineFailed),
        (lambda block: block * np.float32("nan"), NotFinite),
    ],
)
def test_what_is_no_stem_fails(spoil: Callable[[Block], Block], error: type[EngineFailed]) -> None:
    class Spoilt(Player):
        def render(self, requests: Sequence[StemRequest], step: Callable[[float], None]) -> Iterator[Piece]:
            for index, request in enumerate(requests):
                yield Piece(index, spoil(tone(220, request.duration_seconds)))

    with pytest.raises(error) as raised:
        played(Spoilt(lambda request, call: silence(1)), note())
    assert type(raised.value) is error


def test_the_renderer_is_what_it_plays_on() -> None:
    player = Player(lambda request, call: silence(1))
    notes = GeneratedNotes(player)
    assert notes.info is MUSICGEN
    assert notes.loaded() == {"small": "7" * 64}
    with notes.load("small", lambda: None) as renderer:
        assert (renderer.sample_rate, renderer.channels) == (SAMPLE_RATE, 1)
        assert (renderer.weights, renderer.compute) == (player.weights, player.compute)


def test_the_same_note_and_seed_ask_for_the_same_and_another_seed_for_another() -> None:
    assert stem_request(note(), 1) == stem_request(note(), 1)
    seeds = {stem_request(note(seed=seed), number).seed for seed in (-1, 1, 2) for number in (1, 2, 3)}
    assert len(seeds) == 9
    assert stem_request(note(duration_seconds=0.1), 1).duration_seconds >= 0.5
    assert stem_request(note(instrument="bass_guitar"), 1).stem_type == "bass"
    assert stem_request(note(), 1).stem_type == "guitar"


@pytest.mark.parametrize(
    ("asked", "words"),
    [
        (note(), "a single electric guitar note, C4, played firmly, clean tone, solo, no other instruments, dry"),
        (
            note(1, 0, "palm_mute", velocity=0.4, style=" crunchy  rock tone. "),
            "a single electric guitar note, E4, palm muted, played softly, crunchy rock tone, solo, "
            "no other instruments, dry",
        ),
        (note(3, 5, "bend", bend_semitones=2), "C4, bent up to D4, played firmly"),
        (note(3, 5, "bend", bend_semitones=0.25), "C4, bent up a little"),
        (note(3, 5, "slide", from_fret=2), "C4, slid into from A3"),
        (note(3, 5, "hammer_on", "vibrato"), "C4, hammered on from A#3, with vibrato"),
        (note(3, 5, "pull_off"), "C4, pulled off from D4"),
        (note(3, 12, "harmonic"), "G4, natural harmonic"),
        (note(3, 5, "harmonic", "let_ring"), "G5, natural harmonic, left to ring"),
        (note(3, 3, "harmonic"), "A#4, artificial harmonic"),
        (note(3, 5, "tremolo", velocity=1.0), "C4, tremolo picked, played hard"),
        (note(3, 5, "dead_note", velocity=0.0), "note, dead note, muted string, no pitch, played very softly"),
        (note(instrument="classical_guitar"), "a single nylon-string classical guitar note"),
        (note(instrument="bass_guitar"), "a single electric bass guitar note"),
    ],
)
def test_a_note_is_described_in_the_words_of_a_caption(asked: NoteRequest, words: str) -> None:
    assert words in describe(asked)


# MusicGen


def test_musicgen_plays_notes_from_end_to_end(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    calls: list[int] = []
    render = MusicGenRenderer.render

    def counted(self: MusicGenRenderer, requests: Sequence[StemRequest], step: Callable[[float], None]) -> Any:
        calls.append(len(requests))
        return render(self, requests, step)

    monkeypatch.setattr(MusicGenRenderer, "render", counted)
    (tmp_path / "musicgen").mkdir()
    (tmp_path / "musicgen" / "small").symlink_to(audiocraft_folder("small"))
    folders = ModelFolders(CheckpointStore(tmp_path, MemoryBlobs(), {}, tmp_path / "cache"))
    engine = MusicGenEngine(folders, WarmModels(lambda: 10**12), "cpu", "float32", 2**30)
    asked = [note(3, 5, duration_seconds=0.6), note(6, 0, "palm_mute", duration_seconds=0.25), note(1, 3, "dead_note")]
    with GeneratedNotes(engine, tries=2).load("small", lambda: None) as renderer:
        takes = sorted(renderer.render(asked, float), key=lambda take: take.note)
        again = sorted(renderer.render(asked[:1], float), key=lambda take: take.note)
        assert renderer.compute == "float32 on cpu"
        assert len(renderer.weights or "") == 64
    wrong = [place for place in (0, 1) if takes[place].tries == 2]
    assert calls[: 1 + bool(wrong)] == [3, len(wrong)][: 1 + bool(wrong)]
    assert takes[2].tries == 1
    for take, each in zip(takes, asked, strict=True):
        assert take.samples.shape == (1, round(each.duration_seconds * SAMPLE_RATE))
        assert np.abs(take.samples).max() == pytest.approx(10 ** ((-36 + 0.7 * 33) / 20), rel=1e-4)
    assert np.array_equal(again[0].samples, takes[0].samples)  # whatever it is played with
