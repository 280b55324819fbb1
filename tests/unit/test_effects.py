"""Each effect does to the sound what its settings say, and a chain of them leaves time alone."""

from __future__ import annotations

import subprocess
import sys
import tracemalloc
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
from av._core import library_meta
from av.filter import Filter
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from pydantic import TypeAdapter, ValidationError

from core.audio.effects.chain import apply_effects, apply_to
from core.audio.effects.filters import Filtered, filters_of
from core.audio.effects.processor import LOUDEST
from core.audio.effects.request import AnyEffect, EffectChain
from core.audio.effects.reverb import impulse_response
from core.errors import InvalidRequest

Samples = NDArray[np.float32]

SAMPLE_RATE = 44100
CHAINS: TypeAdapter[Any] = TypeAdapter(EffectChain)
EVERY_KIND: list[dict[str, Any]] = [
    {"type": "equalizer", "bands": [{"frequency_hz": 1000, "gain_db": 6}]},
    {"type": "compressor"},
    {"type": "gate"},
    {"type": "limiter"},
    {"type": "drive"},
    {"type": "delay", "time_ms": 20},
    {"type": "reverb", "decay_seconds": 0.3},
    {"type": "lowpass", "frequency_hz": 3000},
    {"type": "highpass", "frequency_hz": 100},
    {"type": "bandpass", "frequency_hz": 1000},
]
every_kind = pytest.mark.parametrize("effect", EVERY_KIND, ids=lambda effect: effect["type"])


def effect_of(settings: dict[str, Any]) -> AnyEffect:
    (effect,) = CHAINS.validate_python([settings])
    return effect


def applied(samples: Samples, *effects: dict[str, Any], sample_rate: int = SAMPLE_RATE, tail: float = 0.0) -> Samples:
    return apply_to(CHAINS.validate_python(effects), samples, sample_rate, tail)


def noise(seconds: float, channels: int = 1, level: float = 0.2) -> Samples:
    frames = round(seconds * SAMPLE_RATE)
    return (level * np.random.default_rng(1).standard_normal((channels, frames))).astype(np.float32)


def tone(frequency_hz: float, amplitude: float, seconds: float = 1.0) -> Samples:
    time = np.arange(round(seconds * SAMPLE_RATE)) / SAMPLE_RATE
    return (amplitude * np.sin(2 * np.pi * frequency_hz * time)).astype(np.float32)[np.newaxis]


def impulse(frames: int = SAMPLE_RATE, at: int = 0, height: float = 0.25) -> Samples:
    samples = np.zeros((1, frames), np.float32)
    samples[0, at] = height
    return samples


def settled_db(samples: Samples) -> float:
    """The level of the second half, where every attack and release is over."""
    half = samples[:, samples.shape[1] // 2 :]
    return float(10 * np.log10(np.mean(np.square(half, dtype=np.float64)) + 1e-30))


def gain_db(effect: dict[str, Any], frequency_hz: float) -> float:
    """What a filter makes of a frequency, out of its answer to an impulse."""
    response = applied(impulse(height=1.0), effect)[0].astype(np.float64)
    turns = np.exp(-2j * np.pi * frequency_hz * np.arange(response.size) / SAMPLE_RATE)
    return float(20 * np.log10(np.abs(np.sum(response * turns))))


# Equalizer and passes


@pytest.mark.parametrize("frequency_hz", [40.0, 1000.0, 15000.0])
@pytest.mark.parametrize("band_gain_db", [-18.0, 6.0])
def test_a_peaking_band_has_its_gain_at_its_frequency_and_none_far_away(
    frequency_hz: float, band_gain_db: float
) -> None:
    equalizer = {"type": "equalizer", "bands": [{"frequency_hz": frequency_hz, "gain_db": band_gain_db, "q": 2}]}
    assert gain_db(equalizer, frequency_hz) == pytest.approx(band_gain_db, abs=0.1)
    assert gain_db(equalizer, 300.0 if frequency_hz > 300 else 3000.0) == pytest.approx(0, abs=1.0)


@pytest.mark.parametrize(("kind", "raised_hz", "left_hz"), [("low_shelf", 30, 12000), ("high_shelf", 12000, 30)])
def test_a_shelf_reaches_its_gain_at_one_end_half_of_it_at_its_frequency_and_leaves_the_other_end(
    kind: str, raised_hz: float, left_hz: float
) -> None:
    shelf = {"type": "equalizer", "bands": [{"type": kind, "frequency_hz": 700, "gain_db": 9}]}
    assert gain_db(shelf, raised_hz) == pytest.approx(9, abs=0.1)
    assert gain_db(shelf, 700) == pytest.approx(4.5, abs=0.1)
    assert gain_db(shelf, left_hz) == pytest.approx(0, abs=0.1)


@pytest.mark.parametrize("order", [2, 4, 6, 8])
@pytest.mark.parametrize(("kind", "towards"), [("lowpass", 2.0), ("highpass", 0.5)])
def test_a_pass_is_3_db_down_at_its_frequency_and_falls_by_6_db_an_octave_for_each_order(
    kind: str, towards: float, order: int
) -> None:
    effect = {"type": kind, "frequency_hz": 500, "order": order}
    assert gain_db(effect, 500) == pytest.approx(-3.01, abs=0.05)
    slope_db = gain_db(effect, 500 * towards) - gain_db(effect, 500 * towards**2)
    assert slope_db == pytest.approx(6.02 * order, abs=0.5)
    assert gain_db(effect, 500 / towards**3) == pytest.approx(0, abs=0.1)


@pytest.mark.parametrize("q", [1.0, 5.0])
def test_a_bandpass_lets_its_frequency_pass_and_is_3_db_down_at_either_edge(q: float) -> None:
    effect = {"type": "bandpass", "frequency_hz": 1000, "q": q}
    half = 1 / (2 * q)
    edges = [1000 * (np.hypot(1, half) + side * half) for side in (-1, 1)]
    assert edges[1] - edges[0] == pytest.approx(1000 / q)
    assert gain_db(effect, 1000) == pytest.approx(0, abs=0.05)
    assert [gain_db(effect, edge) for edge in edges] == pytest.approx([-3.01, -3.01], abs=0.1)


# Dynamics


@pytest.mark.parametrize("ratio", [2.0, 4.0, 20.0])
def test_above_its_threshold_a_compressor_lets_one_db_out_for_each_ratio_db_in(ratio: float) -> None:
    effect = {"type": "compressor", "threshold_db": -30, "ratio": ratio, "knee_db": 0}
    levels = [settled_db(applied(tone(1000, amplitude), effect)) for amplitude in (0.25, 0.5)]
    assert levels[1] - levels[0] == pytest.approx(6.02 / ratio, abs=0.1)


def test_a_steady_tone_leaves_a_compressor_at_the_level_that_threshold_and_ratio_give() -> None:
    effect = {"type": "compressor", "threshold_db": -24, "ratio": 4, "knee_db": 0, "makeup_db": 3}
    effect |= {"attack_ms": 100, "release_ms": 100}  # a quicker attack would have it follow the peaks
    samples = tone(1000, 0.5)
    expected = -24 + (settled_db(samples) + 24) / 4 + 3
    assert settled_db(applied(samples, effect)) == pytest.approx(expected, abs=0.2)


def test_what_stays_below_the_threshold_a_compressor_leaves_alone() -> None:
    samples = tone(1000, 0.01)
    effect = {"type": "compressor", "threshold_db": -20, "knee_db": 0}
    np.testing.assert_allclose(applied(samples, effect), samples, atol=1e-7)


def test_a_compressor_takes_both_channels_down_alike() -> None:
    stereo = np.concatenate((tone(1000, 0.5), tone(300, 0.05)))
    compressed = applied(stereo, {"type": "compressor", "threshold_db": -30, "ratio": 8})
    gains = [settled_db(compressed[side : side + 1]) - settled_db(stereo[side : side + 1]) for side in (0, 1)]
    assert gains[0] < -10
    assert gains[1] == pytest.approx(gains[0], abs=0.2)


def test_an_attack_is_as_quick_as_it_says() -> None:
    loud_from = SAMPLE_RATE // 2
    samples = np.concatenate((tone(2000, 0.01, 0.5), tone(2000, 0.8, 1.0)), axis=1)
    peaks = []
    for attack_ms in (1, 50):
        effect = {"type": "compressor", "threshold_db": -30, "ratio": 10, "attack_ms": attack_ms}
        compressed = np.abs(applied(samples, effect)[0])
        peaks.append(compressed[loud_from + 220 : loud_from + 441].max())  # 5 to 10 ms after the onset
    assert peaks[1] > 2 * peaks[0]


def test_a_gate_closes_on_what_is_quiet_as_far_as_its_range_and_opens_for_what_is_loud() -> None:
    effect = {"type": "gate", "threshold_db": -40, "range_db": -50, "ratio": 100}
    loud, quiet = tone(1000, 0.3), tone(1000, 0.003)
    np.testing.assert_allclose(applied(loud, effect)[:, SAMPLE_RATE // 2 :], loud[:, SAMPLE_RATE // 2 :], atol=1e-6)
    assert settled_db(applied(quiet, effect)) - settled_db(quiet) == pytest.approx(-50, abs=1)


def test_a_gate_of_a_small_ratio_turns_down_by_it() -> None:
    effect = {"type": "gate", "threshold_db": -30, "range_db": -90, "ratio": 2}
    levels = [settled_db(applied(tone(1000, amplitude), effect)) for amplitude in (0.005, 0.01)]
    assert levels[1] - levels[0] == pytest.approx(2 * 6.02, abs=0.3)


@settings(max_examples=15, deadline=None)
@given(ceiling_db=st.floats(-24, 0), level=st.floats(0.05, 30), channels=st.integers(1, 2))
def test_no_sample_passes_a_limiters_ceiling(ceiling_db: float, level: float, channels: int) -> None:
    samples = noise(0.3, channels, level)
    limited = applied(samples, {"type": "limiter", "ceiling_db": ceiling_db})
    assert np.abs(limited).max() <= np.float32(10 ** (ceiling_db / 20)) * (1 + 2**-23)


def test_a_limiter_leaves_alone_what_is_below_its_ceiling() -> None:
    samples = tone(500, 0.4)
    np.testing.assert_allclose(applied(samples, {"type": "limiter", "ceiling_db": -6}), samples, atol=1e-6)


# Delay, reverb, drive


def test_echoes_come_at_the_very_sample_each_quieter_by_the_feedback() -> None:
    samples = impulse(at=100, height=1.0)
    delayed = applied(samples, {"type": "delay", "time_ms": 250, "feedback": 0.5, "mix": 0.4})
    expected = np.zeros_like(samples)
    expected[0, [100, 100 + 11025, 100 + 22050, 100 + 33075]] = [0.6, 0.4, 0.2, 0.1]
    np.testing.assert_allclose(delayed, expected, atol=1e-7)


def decay_time_seconds(response: Samples, frequency_hz: float) -> float:
    """Around a frequency: ISO 3382's T20, that is Schroeder's integral and a line from −5 to −25 dB, times 3."""
    frames = 2 * response.size  # what the band's filter rings before the beginning must not wrap into the end
    frequencies = np.fft.rfftfreq(frames, 1 / SAMPLE_RATE)
    band = np.exp(-(((frequencies - frequency_hz) / (0.2 * frequency_hz)) ** 2))
    filtered = np.fft.irfft(np.fft.rfft(response.astype(np.float64), frames) * band, frames)[: response.size]
    energy = np.cumsum(filtered[::-1] ** 2)[::-1]
    level_db = 10 * np.log10(energy / energy[0] + 1e-30)
    inside = np.flatnonzero((level_db < -5) & (level_db > -25))
    return float(-60 / np.polyfit(inside / SAMPLE_RATE, level_db[inside], 1)[0])


@pytest.mark.parametrize("decay_seconds", [0.5, 2.0, 8.0])
def test_a_room_decays_by_60_db_in_its_time_and_in_half_of_it_at_its_damping(decay_seconds: float) -> None:
    effect = {"type": "reverb", "decay_seconds": decay_seconds, "pre_delay_ms": 0, "damping_hz": 6000, "mix": 1}
    response = applied(impulse(100), effect, tail=1.5 * decay_seconds)[0]
    low = [decay_time_seconds(response, frequency_hz) for frequency_hz in (250, 350, 500, 700)]  # noise varies
    assert np.mean(low) == pytest.approx(decay_seconds, rel=0.15)
    assert decay_time_seconds(response, 6000) == pytest.approx(decay_seconds / 2, rel=0.15)
    assert decay_time_seconds(response, 10392) == pytest.approx(decay_seconds / 4, rel=0.15)


def test_a_room_answers_after_its_pre_delay_as_loud_as_what_came_and_differently_on_both_sides() -> None:
    effect = {"type": "reverb", "decay_seconds": 0.5, "pre_delay_ms": 100, "mix": 1}
    stereo = np.repeat(impulse(100, height=1.0), 2, axis=0)
    answer = applied(stereo, effect, tail=1.0)
    assert np.abs(answer[:, :4400]).max() < 1e-6
    assert np.abs(answer[:, 4410:4500]).max() > 1e-3
    assert np.sum(answer**2, axis=1) == pytest.approx([1, 1], rel=1e-3)
    assert abs(np.corrcoef(answer)[0, 1]) < 0.1


def test_drawing_up_a_long_room_takes_a_few_times_the_rooms_own_memory_and_no_more() -> None:
    tracemalloc.start()
    try:
        room = impulse_response(10.0, 0.0, 500.0, SAMPLE_RATE, 2)
        _, peak_bytes = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak_bytes < 12 * room.nbytes


def test_a_room_is_a_convolution_with_its_impulse_response() -> None:
    samples = noise(1.0)
    response = impulse_response(0.6, 0.02, 4000.0, SAMPLE_RATE, 1)
    effect = {"type": "reverb", "decay_seconds": 0.6, "pre_delay_ms": 20, "damping_hz": 4000, "mix": 1}
    size = 2**18
    product = np.fft.rfft(samples[0].astype(np.float64), size) * np.fft.rfft(response[0].astype(np.float64), size)
    expected = np.fft.irfft(product)[: samples.shape[1]]
    np.testing.assert_allclose(applied(samples, effect)[0], expected, atol=2e-6)


def harmonics(samples: Samples, frequency_hz: int, count: int) -> NDArray[np.float64]:
    """The amplitudes of a tone's first harmonics, out of its last second."""
    spectrum = np.abs(np.fft.rfft(samples[0, -SAMPLE_RATE:].astype(np.float64))) * 2 / SAMPLE_RATE
    return spectrum[frequency_hz * np.arange(1, count + 1)]


def test_drive_adds_odd_harmonics_that_grow_with_it_and_stays_within_full_scale() -> None:
    shares = []
    for drive_db in (0, 12, 36):
        driven = applied(tone(500, 0.5, 1.5), {"type": "drive", "drive_db": drive_db, "tone_hz": 20000})
        amplitudes = harmonics(driven, 500, 5)
        assert amplitudes[1] < 1e-3 * amplitudes[0]
        assert np.abs(driven).max() < 1.2  # a square wave whose harmonics end rings by 9 % of its step
        shares.append(amplitudes[2] / amplitudes[0])
    assert shares == sorted(shares)
    assert shares[0] < 0.03
    assert shares[2] == pytest.approx(1 / 3, abs=0.03)  # a square wave's


def test_drive_brings_no_tones_that_are_no_harmonics() -> None:
    driven = applied(tone(5003, 0.9, 1.5), {"type": "drive", "drive_db": 12, "tone_hz": 20000})
    spectrum = np.abs(np.fft.rfft(driven[0, -SAMPLE_RATE:].astype(np.float64) * np.hanning(SAMPLE_RATE)))
    expected = np.zeros(spectrum.size, bool)
    for harmonic in (5003, 3 * 5003):
        expected[harmonic - 5 : harmonic + 6] = True
    assert spectrum[~expected].max() < 10 ** (-60 / 20) * spectrum.max()
    bent = np.tanh(4 * tone(5003, 0.9, 1.5))  # what it would be without oversampling
    folded = np.abs(np.fft.rfft(bent[0, -SAMPLE_RATE:].astype(np.float64) * np.hanning(SAMPLE_RATE)))
    assert folded[~expected].max() > 10 ** (-40 / 20) * folded.max()


def test_a_tone_control_softens_what_lies_above_it() -> None:
    driven = [applied(tone(1000, 0.5, 1.5), {"type": "drive", "drive_db": 30, "tone_hz": hz}) for hz in (20000, 1500)]
    bright, soft = (harmonics(samples, 1000, 9)[8] for samples in driven)
    assert soft < bright / 20


# Chains


def test_the_order_of_a_chain_matters() -> None:
    lowpass, drive = {"type": "lowpass", "frequency_hz": 800, "order": 8}, {"type": "drive", "drive_db": 30}
    samples = tone(500, 0.5, 1.5)
    fuzzy, dull = applied(samples, lowpass, drive), applied(samples, drive, lowpass)
    assert harmonics(fuzzy, 500, 3)[2] > 100 * harmonics(dull, 500, 3)[2]


def test_an_empty_chain_changes_nothing_and_still_adds_its_tail() -> None:
    samples = noise(0.1, 2)
    processed = applied(samples, tail=0.5)
    np.testing.assert_array_equal(processed[:, : samples.shape[1]], samples)
    assert processed.shape[1] == samples.shape[1] + SAMPLE_RATE // 2


@every_kind
@pytest.mark.parametrize("channels", [1, 2])
def test_blocks_of_any_size_make_what_the_whole_makes(effect: dict[str, Any], channels: int) -> None:
    samples = noise(1.0, channels)
    whole = applied(samples, effect, tail=0.25)
    sizes = np.random.default_rng(3).integers(0, 3000, 200)

    def blocks() -> Iterator[Samples]:
        start = 0
        for size in [*sizes, samples.shape[1]]:
            yield samples[:, start : start + size]
            start += size

    streamed = list(apply_effects(CHAINS.validate_python([effect]), blocks(), SAMPLE_RATE, channels, 0.25))
    assert {block.dtype for block in streamed} == {np.dtype(np.float32)}
    np.testing.assert_allclose(np.concatenate(streamed, axis=1), whole, atol=1e-6)


@every_kind
@pytest.mark.parametrize("frames", [0, 1, 999])
def test_as_many_frames_come_out_as_went_in(effect: dict[str, Any], frames: int) -> None:
    assert applied(noise(1.0)[:, :frames], effect).shape == (1, frames)
    assert applied(noise(1.0, 2)[:, :frames], effect, sample_rate=192_000, tail=0.01).shape == (2, frames + 1920)


@every_kind
def test_silence_stays_silence(effect: dict[str, Any]) -> None:
    assert not applied(np.zeros((2, SAMPLE_RATE), np.float32), effect).any()


@pytest.mark.parametrize(
    "effect",
    [
        {"type": "equalizer", "bands": [{"frequency_hz": 1000, "gain_db": 0}]},
        {"type": "compressor", "threshold_db": 0},
        {"type": "gate", "threshold_db": -90},
        {"type": "limiter"},
        {"type": "drive", "drive_db": 0, "tone_hz": 20000},
        {"type": "delay"},
        {"type": "reverb"},
        {"type": "bandpass", "frequency_hz": 8000, "q": 0.2},
    ],
    ids=lambda effect: effect["type"],
)
def test_an_impulse_stays_where_it_was(effect: dict[str, Any]) -> None:
    processed = np.abs(applied(impulse(at=7000), effect)[0])
    assert np.argmax(processed) == 7000
    assert processed[:6900].max() < 1e-4


def test_a_long_chain_that_raises_everything_still_makes_finite_samples() -> None:
    bands = [{"frequency_hz": 1000, "gain_db": 24}] * 10
    processed = applied(noise(0.2, 2), *[{"type": "equalizer", "bands": bands}] * 16)
    assert np.isfinite(processed).all()
    assert np.abs(processed).max() == LOUDEST


def test_levels_beyond_full_scale_pass_between_effects() -> None:
    up, down = ([{"frequency_hz": 1000, "gain_db": gain}] for gain in (24, -24))
    samples = tone(1000, 0.9)
    processed = applied(samples, {"type": "equalizer", "bands": up}, {"type": "equalizer", "bands": down})
    np.testing.assert_allclose(processed, samples, atol=1e-5)


# Requests


def pointers(*effects: Any) -> dict[str, str]:
    with pytest.raises(ValidationError) as caught:
        CHAINS.validate_python(effects)
    return {"/".join(map(str, error["loc"])): error["msg"] for error in caught.value.errors()}


def test_what_is_wrong_is_pointed_at_with_what_is_allowed() -> None:
    assert "1 to 20" in pointers({"type": "compressor", "ratio": 0.5})["0/ratio"]
    assert "10 to 90000 Hz" in pointers({"type": "reverb"}, {"type": "lowpass", "frequency_hz": 1})["1/frequency_hz"]
    assert list(pointers({"type": "equalizer", "bands": [{"frequency_hz": 100}]})) == ["0/bands/0/gain_db"]
    assert "reverb" in pointers({"type": "flanger"})["0/type"]
    assert "reverb" in pointers({})["0/type"]
    assert "object" in pointers("reverb")["0"]
    assert list(pointers({"type": "reverb", "room": 1})) == ["0/room"]
    assert "at most 16" in pointers(*[{"type": "reverb"}] * 17)[""]
    assert (
        "at most 10" in pointers({"type": "equalizer", "bands": [{"frequency_hz": 9e2, "gain_db": 0}] * 11})["0/bands"]
    )


@pytest.mark.parametrize("wrong", [{}, 3, "reverb"])
def test_of_too_many_nothing_is_said_but_that_they_are_too_many(wrong: object) -> None:
    assert list(pointers(*[wrong] * 500_000)) == [""]
    assert list(pointers({"type": "equalizer", "bands": [wrong] * 500_000})) == ["0/bands"]


@pytest.mark.parametrize("chain", [None, {"type": "reverb"}, 3, "3", "null", '"[]"'])
def test_what_is_no_list_is_told_in_words_of_json(chain: object) -> None:
    with pytest.raises(ValidationError, match="must be a list of effects, such as"):
        CHAINS.validate_python(chain)


def test_a_chain_may_come_as_json_text_and_goes_out_with_every_setting() -> None:
    chain = CHAINS.validate_python('[{"type": "delay", "mix": 0.5}]')
    assert CHAINS.dump_python(chain) == ({"type": "delay", "time_ms": 350.0, "feedback": 0.35, "mix": 0.5},)
    assert CHAINS.validate_python(CHAINS.dump_python(chain, mode="json")) == chain
    with pytest.raises(ValidationError, match="as JSON"):
        CHAINS.validate_python("reverb")


def test_a_frequency_that_the_sample_rate_cannot_have_is_refused_with_its_place() -> None:
    bands = [{"frequency_hz": 1000, "gain_db": 1}, {"frequency_hz": 4000, "gain_db": 1}]
    effects = {"type": "equalizer", "bands": bands}, {"type": "highpass", "frequency_hz": 5000}
    with pytest.raises(InvalidRequest) as caught:
        applied(noise(0.1), *effects, sample_rate=8000)
    assert [error.pointer for error in caught.value.errors] == [
        "/effects/0/bands/1/frequency_hz", "/effects/1/frequency_hz",
    ]  # fmt: skip
    assert "below 4000 Hz" in caught.value.errors[0].detail


def test_the_schema_describes_every_effect_with_its_bounds() -> None:
    schema = CHAINS.json_schema()
    assert schema["maxItems"] == 16
    assert len(schema["items"]["anyOf"]) == len(EVERY_KIND)
    ratio = schema["$defs"]["Compressor"]["properties"]["ratio"]
    assert (ratio["minimum"], ratio["maximum"], ratio["default"]) == (1, 20, 4.0)


def test_the_filters_are_of_a_library_under_the_lgpl_that_was_built_without_its_gpl_parts() -> None:
    library = library_meta["libavfilter"]
    assert library["license"].startswith("LGPL")
    assert "--enable-gpl" not in library["configuration"]
    used = [filters_of(effect) for effect in map(effect_of, EVERY_KIND) if isinstance(effect, Filtered)]
    assert all(Filter(name).name == name for filters in used for name, _ in filters)


def test_the_request_can_be_described_without_numbers_or_codecs() -> None:
    program = "import sys, core.audio.effects.request; print([m for m in ('numpy', 'av', 'soxr') if m in sys.modules])"
    printed = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True).stdout
    assert printed.strip() == "[]"
