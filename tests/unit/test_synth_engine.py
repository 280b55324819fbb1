"""What every stem can be relied on for."""

import itertools
import tracemalloc

import numpy as np
import pytest

from core.engines.synth.engine import SynthEngine, synthesise
from core.engines.synth.mixing import SoundCache
from core.errors import ModelNotFound
from core.theory.chords import ChordError
from tests.unit.synth_measures import SAMPLE_RATE, STEMS, STYLES, distance, excerpt, mono, rendered, request

SHORT_CHORDS = ("C", "F#m7b5", "Bb13/D")


@pytest.mark.parametrize("style", [*STYLES, "gregorian"])
@pytest.mark.parametrize("stem", STEMS)
def test_every_stem_in_every_style_is_sound_audio(stem: str, style: str) -> None:
    audio = rendered(request(stem, 7.3, 131, style, SHORT_CHORDS, temperature=1.0))
    assert audio.dtype == np.float32
    assert audio.shape == (2, round(7.3 * SAMPLE_RATE))
    assert np.all(np.isfinite(audio))
    assert 0.1 < np.max(np.abs(audio)) <= 1
    assert np.max(np.abs(audio.mean(axis=1))) < 2e-3


@pytest.mark.parametrize("stem", STEMS)
def test_the_densest_take_stays_within_full_scale(stem: str) -> None:
    for style in STYLES:
        assert np.max(np.abs(rendered(request(stem, 8, 300, style, ("C13", "F#m9"), temperature=2.0)))) <= 1


@pytest.mark.parametrize("tempo_bpm", [30.0, 300.0])
@pytest.mark.parametrize("duration_seconds", [0.5, 0.7513])
@pytest.mark.parametrize("stem", STEMS)
def test_the_shortest_clips_are_exact_too(stem: str, duration_seconds: float, tempo_bpm: float) -> None:
    audio = rendered(request(stem, duration_seconds, tempo_bpm, temperature=2.0))
    assert audio.shape == (2, round(duration_seconds * SAMPLE_RATE))
    assert np.max(np.abs(audio)) > 0.01
    assert np.all(audio[:, [0, -1]] == 0)


@pytest.mark.parametrize("stem", STEMS)
def test_both_ends_fade_over_100_ms(stem: str) -> None:
    audio = np.abs(rendered(request(stem, 4.05, style="rock", temperature=1.0)))
    fade = np.sin(np.arange(4410) / 4410 * np.pi / 2) ** 2
    assert np.all(audio[:, :4410] <= fade + 1e-6)
    assert np.all(audio[:, :-4411:-1] <= fade + 1e-6)


@pytest.mark.parametrize("stem", STEMS)
def test_a_seed_is_a_take(stem: str) -> None:
    take = request(stem, 4, temperature=1.0, seed=1)
    np.testing.assert_array_equal(rendered(take), rendered(take))
    other_take = request(stem, 4, temperature=1.0, seed=2)
    assert distance(rendered(take), rendered(other_take)) > 0.3


@pytest.mark.parametrize("seed", [0, -1, 2**63, 2**80])
def test_any_whole_number_is_a_seed(seed: int) -> None:
    assert distance(rendered(request("bass", 1, seed=seed)), rendered(request("bass", 1, seed=7))) > 0


def test_stems_of_one_seed_stay_in_time_and_takes_side_by_side_do_not_mix() -> None:
    alone = rendered(request("piano", 4, temperature=1.0))
    together = zip(synthesise(request("piano", 4, temperature=1.0)), synthesise(request("drums", 4)), strict=True)
    np.testing.assert_array_equal(np.concatenate([piano for piano, _ in together], axis=1), alone)


@pytest.mark.parametrize("stem", STEMS)
def test_stereo_survives_the_sum_to_mono(stem: str) -> None:
    audio = rendered(request(stem, 8, style="rock", temperature=1.0))
    assert np.mean(mono(audio) ** 2) > 0.7 * np.mean(audio.astype(float) ** 2)
    width = np.mean((audio[0] - audio[1]) ** 2) / np.mean(audio**2)
    assert width == 0 if stem == "bass" else width > 1e-3


@pytest.mark.parametrize("stem", STEMS)
def test_no_click_where_blocks_meet(stem: str) -> None:
    blocks = list(synthesise(request(stem, 12, 97, "ballad", temperature=1.0)))
    audio = mono(np.concatenate(blocks, axis=1))
    steps = np.abs(np.diff(audio))
    for border in np.cumsum([block.shape[1] for block in blocks])[:-1]:
        assert steps[border - 1] <= np.max(steps[border - 200 : border - 1]) + np.max(steps[border : border + 200])


@pytest.mark.parametrize("stem", ["bass", "piano", "synth", "vocals"])
def test_no_click_where_bars_meet(stem: str) -> None:
    audio = rendered(request(stem, 8, style="ballad", chords=("C", "F#")))
    highs = [np.diff(excerpt(audio, at - 0.02, at + 0.02), 3) for at in (2.0, 4.0, 6.0)]
    anywhere = np.max(np.abs(np.diff(excerpt(audio, 0.2, 7.8), 3)))
    assert anywhere < 0.05
    assert all(np.max(np.abs(high)) <= anywhere for high in highs)


def test_the_caller_may_stop_between_blocks() -> None:
    started = synthesise(request("drums", 600, temperature=1.0))
    assert [block.shape for block in itertools.islice(started, 2)] == [(2, 65536)] * 2
    started.close()  # type: ignore[attr-defined]  # a generator, as callers that stop early rely on
    assert next(started, None) is None


@pytest.mark.parametrize("stem", ["drums", "synth"])
def test_memory_is_flat(stem: str) -> None:
    def heap_peak(duration_seconds: float) -> int:
        tracemalloc.start()
        for block in synthesise(request(stem, duration_seconds, temperature=1.0)):
            assert block.shape[1] <= 65536
        peak = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        return peak

    assert heap_peak(600) < 1.3 * heap_peak(30) + 2**20


def test_the_cache_forgets_the_longest_unused_and_makes_it_again() -> None:
    made: list[int] = []

    def voice(sound: str, pitch: int, frames: int) -> np.ndarray:
        made.append(pitch)
        return np.full((1, frames), pitch, np.float32)

    cache = SoundCache(voice, limit_bytes=8000)
    for pitch in (1, 2, 1, 3, 1, 2):
        assert cache("key", pitch, 1000)[0, 0] == pitch
    assert made == [1, 2, 3, 2]


def test_a_bad_request_is_refused_at_the_call() -> None:
    with pytest.raises(ValueError, match="unknown stem type"):
        synthesise(request("kazoo"))
    with pytest.raises(ChordError):
        synthesise(request("bass", chords=("Q",)))


def test_it_says_what_it_is() -> None:
    info = SynthEngine.info
    assert (info.name, info.tasks, info.hardware) == ("synth", ("generation",), "cpu")
    model = info.default
    assert (model.sample_rate, model.channels, model.longest_seconds) == (44100, 2, 600)
    assert model.commercial_use
    assert model.weights is None


def test_it_renders_several_stems_one_after_the_other_and_says_how_far_it_is() -> None:
    wanted = [request("piano", 2), request("drums", 1)]
    shares: list[float] = []
    with SynthEngine().load(None, lambda: None) as renderer:
        pieces = list(renderer.render(wanted, shares.append))
    for index, stem in enumerate(wanted):
        whole = np.concatenate([piece.block for piece in pieces if piece.stem == index], axis=1)
        np.testing.assert_array_equal(whole, rendered(stem))
    assert shares == sorted(shares)
    assert shares[-1] == 1


def test_it_has_no_other_model() -> None:
    with pytest.raises(ModelNotFound, match="leave it out"):
        SynthEngine().load("large", lambda: None)
