"""What every note can be relied on for."""

import itertools

import numpy as np
import pytest

from core.engines.plucked_string.engine import PluckedStringEngine
from core.errors import ModelNotFound
from core.ports import NoteRequest
from core.theory.fretboard import INSTRUMENTS
from core.theory.techniques import TECHNIQUES, contradictions
from tests.unit.plucked_string_measures import SAMPLE_RATE, note, played

every_instrument = pytest.mark.parametrize("instrument", INSTRUMENTS)


@pytest.mark.parametrize("seconds", [0.1, 0.7513, 2.0])
@pytest.mark.parametrize("technique", TECHNIQUES)
@every_instrument
def test_every_technique_of_every_instrument_is_sound_audio(instrument: str, technique: str, seconds: float) -> None:
    for string, fret, style in (
        (1, INSTRUMENTS[instrument].frets - 1, "metal"),
        (INSTRUMENTS[instrument].strings, 1, ""),
    ):
        audio = played(note(instrument, string, fret, [technique], seconds, velocity=1.0, style=style))
        assert audio.dtype == np.float32
        assert audio.shape == (2, round(seconds * SAMPLE_RATE))
        assert audio.flags.c_contiguous
        assert np.all(np.isfinite(audio))
        assert 0.3 < np.max(np.abs(audio)) < 0.71


def test_all_that_goes_together_can_be_played_together() -> None:
    for pair in itertools.combinations(TECHNIQUES, 2):
        if not contradictions(pair):
            audio = played(note("electric_guitar", 2, 7, pair, seconds=1.0))
            assert np.all(np.isfinite(audio))
            assert np.max(np.abs(audio)) > 0.01


@every_instrument
def test_the_softest_touch_is_no_silence(instrument: str) -> None:
    audio = played(note(instrument, velocity=0.0))
    assert 0.01 < np.max(np.abs(audio)) < 0.02


def test_the_longest_note_and_the_furthest_tuning_are_played() -> None:
    long = played(note("bass_guitar", 4, 0, ["vibrato", "let_ring"], seconds=30.0))
    assert long.shape == (2, 30 * SAMPLE_RATE)
    for semitones in (-12, 12):
        usual = note("ukulele", 1, 18)
        retuned = NoteRequest(**{**vars(usual), "open_pitch": usual.open_pitch + semitones})
        assert np.all(np.isfinite(played(retuned)))


@pytest.mark.parametrize("technique", TECHNIQUES)
def test_a_seed_is_a_take(technique: str) -> None:
    request = note("acoustic_guitar", 2, 5, [technique], seed=3)
    np.testing.assert_array_equal(played(request), played(request))
    other = played(note("acoustic_guitar", 2, 5, [technique], seed=4))
    assert np.max(np.abs(played(request) - other)) > 1e-3


@pytest.mark.parametrize("seed", [0, -1, 2**63, 2**80])
def test_any_whole_number_is_a_seed(seed: int) -> None:
    assert np.any(played(note(seed=seed)) != played(note(seed=7)))


def test_a_note_does_not_depend_on_its_neighbours() -> None:
    requests = [note(technique_of, string=2, fret=5, seed=9) for technique_of in INSTRUMENTS]
    told: list[float] = []
    takes = list(PluckedStringEngine().render([*requests, *reversed(requests)], told.append))
    assert [take.note for take in takes] == list(range(10))
    for take, request in zip(takes, [*requests, *reversed(requests)], strict=True):
        np.testing.assert_array_equal(take.samples, played(request))
        assert (take.tries, take.correction_cents) == (1, 0.0)
    assert told == sorted(told)
    assert told[-1] == 1


def test_what_step_raises_ends_the_run() -> None:
    class StoppedError(Exception):
        pass

    def stop(share: float) -> None:
        raise StoppedError

    takes = PluckedStringEngine().render([note(), note()], stop)
    next(takes)
    with pytest.raises(StoppedError):
        next(takes)


def test_it_knows_one_model_and_refuses_others() -> None:
    engine = PluckedStringEngine()
    for name in (None, "plucked_string"):
        with engine.load(name, lambda: None) as renderer:
            assert (renderer.sample_rate, renderer.channels, renderer.weights, renderer.compute) == (
                44100,
                2,
                None,
                None,
            )
    with pytest.raises(ModelNotFound, match="leave it out"):
        engine.load("small", lambda: None)
    assert engine.loaded() == {"plucked_string": None}
