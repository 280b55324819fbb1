"""One client's conversation about live chords."""

from __future__ import annotations

import base64
import io
import json
from collections.abc import Callable
from functools import cache
from typing import Any

import numpy as np
import pytest
import soundfile
from hypothesis import given, settings
from hypothesis import strategies as st

from core.live.connection import MOST_STATE_BYTES, LiveConnection
from core.live.messages import MOST_MESSAGE_BYTES
from core.live.state import pack
from tests.audio_files import Audio, by_libav, by_soundfile
from tests.music import Music, guitar
from tests.unit.live_client import answers_to, chords_in, errors_in, labels_in, pcm, pieces, resampled, said, start

ACK = {"ack": True}
CHORDS = ("C", "G", "Am")
EXPECTED = ["C:maj", "G:maj", "A:min"]


@cache
def strums() -> Music:
    return guitar(CHORDS, tempo_bpm=120, bars=3)


def wav(audio: Audio, rate: int, subtype: str = "PCM_16") -> bytes:
    file = io.BytesIO()
    soundfile.write(file, audio.T, rate, format="WAV", subtype=subtype)
    return file.getvalue()


def sent(content: bytes, size: int = 4000, **fields: Any) -> list[str]:
    return [said(piece, **fields) for piece in pieces(content, size)]


# What is heard

MESSAGES: dict[str, Callable[[], list[str | bytes]]] = {
    "PCM in base64, its form stated once": lambda: [
        start(format="pcm", sample_rate=16000, channels=1), *sent(pcm(resampled(strums(), 16000)), 3200)
    ],
    "PCM in base64, its form in every message": lambda: [
        *sent(pcm(resampled(strums(), 48000, 2)), 19200, format="pcm", sample_rate=48000, channels=2)
    ],
    "PCM in binary frames": lambda: [
        start(format="pcm", sample_rate=8000), *pieces(pcm(resampled(strums(), 8000)), 1601)
    ],
    "PCM as characters": lambda: [
        json.dumps({"data": piece.decode("latin-1"), "sample_rate": 22050})
        for piece in pieces(pcm(resampled(strums(), 22050)), 4410)
    ],
    "PCM as numbers": lambda: [
        json.dumps({"data": list(piece), "sample_rate": 12000})
        for piece in pieces(pcm(resampled(strums(), 12000)), 4000)
    ],
    "PCM of which nothing is said": lambda: [*sent(pcm(resampled(strums(), 44100)), 8820)],
    "WAV of 16 bits": lambda: [*sent(wav(strums().samples, 44100), 17640)],
    "WAV of 24 bits in small pieces": lambda: [*sent(wav(resampled(strums(), 12000), 12000, "PCM_24"), 1001)],
    "WAV of floats, the header in single bytes": lambda: [
        *pieces(wav(resampled(strums(), 32000), 32000, "FLOAT")[:80], 1),
        *pieces(wav(resampled(strums(), 32000), 32000, "FLOAT")[80:], 12800),
    ],
    "a WAV file in every message": lambda: [
        said(wav(resampled(strums(), 44100)[:, place : place + 8820], 44100, "PCM_U8" if place else "PCM_16"))
        for place in range(0, resampled(strums(), 44100).shape[1], 8820)
    ],
    "Opus": lambda: [*sent(_opus(resampled(strums(), 48000)), 700, format="ogg")],
    "Opus in stereo, in binary frames": lambda: [*pieces(_opus(resampled(strums(), 48000, 2)), 1500)],
    "Opus in WebM, as Chromium records it": lambda: [
        *sent(by_libav("webm", "libopus", "flt", {"live": "1"})(resampled(strums(), 48000), 48000), 1500)
    ],
    "Vorbis": lambda: [*sent(by_soundfile("OGG", "VORBIS")(strums().samples, 44100), 2000)],
}  # fmt: skip


def _opus(audio: Audio) -> bytes:
    return by_libav("ogg", "libopus", "flt", {"page_duration": "200000"})(audio, 48000)


@pytest.mark.parametrize("moving", [False, True], ids=["one process", "a process for each message"])
@pytest.mark.parametrize("form", MESSAGES)
def test_chords_are_heard_in_every_form_of_audio(form: str, moving: bool) -> None:
    messages = MESSAGES[form]()
    answers = answers_to(messages, moving)
    assert errors_in(answers) == []
    assert labels_in(answers) == EXPECTED
    audio = [batch for message, batch in zip(messages, answers, strict=True) if "start" not in str(message)[:20]]
    assert all(batch[0] == ACK and batch.count(ACK) == 1 for batch in audio)


@pytest.mark.parametrize("form", MESSAGES)
def test_the_answers_are_the_same_in_one_process_and_in_many(form: str) -> None:
    messages = MESSAGES[form]()
    assert answers_to(messages, moving=True) == answers_to(messages)


def test_a_chord_comes_with_its_symbol_its_time_and_its_confidence() -> None:
    found = chords_in(answers_to(MESSAGES["WAV of 16 bits"]()))
    assert [chord.symbol for chord in found] == list(CHORDS)
    assert [chord.seconds for chord in found] == pytest.approx([0, 2, 4], abs=0.2)
    assert all(0.5 < chord.confidence <= 1 for chord in found)


def test_times_go_on_over_files_and_begin_anew_after_a_start() -> None:
    music = resampled(strums(), 16000)
    states = [start(format="pcm", sample_rate=16000), *sent(pcm(music), 32000)]
    times = [chord.seconds for chord in chords_in(answers_to(states * 2))]
    assert times[3:] == times[:3]
    files = answers_to([said(wav(music, 16000)), said(wav(resampled(strums(), 22050), 22050)), '{"type": "stop"}'])
    assert [round(chord.seconds) for chord in chords_in(files)] == [0, 2, 4, 6, 8, 10]


def test_how_messages_are_cut_does_not_matter() -> None:
    content = wav(strums().samples, 44100)
    chords = [(chord.label, chord.seconds) for chord in chords_in(answers_to(pieces(content, 8820)))]
    for size in (500, 44_111, MOST_MESSAGE_BYTES):
        assert [(c.label, c.seconds) for c in chords_in(answers_to(pieces(content, size)))] == chords


def test_a_stop_says_what_was_left_and_begins_anew() -> None:
    short = resampled(guitar(("Em",), bars=1), 22050)[:, : round(0.45 * 22050)]
    messages = [start(sample_rate=22050), said(pcm(short)), '{"type": "stop"}', said(pcm(short), sample_rate=22050)]
    begun, heard, stopped, again = answers_to(messages)
    assert begun == [{"type": "started", "format": None, "sample_rate": 22050, "channels": None}]
    assert heard == again == [ACK]
    assert stopped[0]["chords"] == ["Em"] and stopped[1] == {"type": "stopped"}


def test_a_reset_forgets_what_was_heard() -> None:
    music = [start(sample_rate=16000), *sent(pcm(resampled(strums(), 16000)), 32000)]
    assert answers_to([*music, '{"type": "reset"}'])[-1] == [{"type": "reset"}]
    assert labels_in(answers_to([*music[:-2], '{"type": "reset"}', *music])[-len(music) :]) == EXPECTED


def test_pings_are_answered_and_pongs_are_not() -> None:
    assert answers_to(['{"type": "ping"}', '{"type": "pong"}']) == [[{"type": "pong"}], []]


def test_an_assumed_rate_is_said_once() -> None:
    answers = answers_to(MESSAGES["PCM of which nothing is said"]())
    notices = [answer["detail"] for batch in answers for answer in batch if answer.get("type") == "notice"]
    assert len(notices) == 1 and "44,100 Hz, mono" in notices[0]


# What is not music


def quiet(seconds: float, seed: int | None = None, level: float = 0.1) -> bytes:
    size = round(seconds * 16000)
    noise = np.zeros(size) if seed is None else np.random.default_rng(seed).standard_normal(size) * level
    return pcm(noise[None].astype(np.float32))


@pytest.mark.parametrize("content", [quiet(6), quiet(6, 1), quiet(6, 2, 0.001), pcm(np.ones((1, 96000), np.float32))])
def test_silence_noise_and_direct_current_have_no_chord(content: bytes) -> None:
    messages = [start(sample_rate=16000), *sent(content, 3200), '{"type": "stop"}']
    assert labels_in(answers_to(messages)) == []


def test_the_end_of_the_music_is_said_once() -> None:
    content = pcm(resampled(strums(), 16000)) + quiet(5)
    found = chords_in(answers_to([start(sample_rate=16000), *sent(content, 3200), '{"type": "stop"}']))
    assert [chord.label for chord in found] == [*EXPECTED, "N"]
    assert found[-1].symbol == "N" and 5.9 < found[-1].seconds < 7.0


@pytest.mark.parametrize("size", [0, 1, 2, 5, 44])
def test_hardly_any_audio_is_taken_as_it_is(size: int) -> None:
    answers = answers_to([start(format="pcm", sample_rate=44100), said(bytes(size)), '{"type": "stop"}'])
    assert answers[1:] == [[ACK], [{"type": "stopped"}]]


# Rubbish


def error(message: str | bytes, connection: LiveConnection | None = None) -> dict[str, str]:
    answers = (connection or LiveConnection()).receive(message)
    assert list(answers[-1]) == ["error"], answers
    found: dict[str, str] = answers[-1]["error"]
    assert set(found) == {"type", "detail"}
    return found


@pytest.mark.parametrize(
    ("message", "kind", "expected"),
    [
        ("hello", "invalid-request", "a message is a JSON object"),
        ("[" * 900_000, "invalid-request", "nested too deeply"),
        (b"\0" * 50_000_000, "invalid-request", "at most 1,048,576 bytes"),
        ('{"data": "what chords are these?"}', "invalid-request", "neither base64 nor audio"),
        (json.dumps({"data": "tr\u00e8s bien"}), "invalid-request", "neither base64 nor audio"),
        ('{"data": "", "sample_rate": 1000000}', "invalid-request", "from 8000 to 192000"),
        ('{"type": "watch", "job_id": "a"}', "invalid-request", "watch"),
        (said(b"fLaC" + bytes(40)), "unsupported-audio", "FLAC is not taken; WAV, Ogg or WebM"),
        (said(b"\x1aE\xdf\xa3" + bytes(40)), "not-audio", "WebM"),
        (said(bytes(40), format="wav"), "unsupported-audio", "said to be wav"),
        (said(b"RIFF\0\0\0\0WAVEfmt \1\0\0\0"), "not-audio", "fmt chunk of 1 bytes"),
    ],
)
def test_rubbish_is_answered_with_what_was_expected(message: str | bytes, kind: str, expected: str) -> None:
    found = error(message)
    assert found["type"] == kind
    assert expected in found["detail"]


@pytest.mark.parametrize("content", [b"fLaC" + bytes(40), b"ID3" + bytes(40)])
def test_data_that_cannot_be_taken_is_acknowledged_before_the_error(content: bytes) -> None:
    ack, refusal = LiveConnection().receive(said(content))
    assert ack == ACK
    assert refusal["error"]["type"] == "unsupported-audio"


def test_what_is_not_taken_is_refused_until_something_else_begins() -> None:
    connection = LiveConnection()
    for message in (said(b"fLaC" + bytes(40)), said(bytes(1000)), said(b"hello, hello")):
        assert error(message, connection)["type"] in ("unsupported-audio", "invalid-request")
        connection = LiveConnection.load(connection.dump())
    assert connection.receive(said(wav(strums().samples[:, :4000], 44100))) == [ACK]


@pytest.mark.parametrize(
    "rubbish", ["{", b"\xff" * 3, said(b"RIFF"), '{"type": "pong"}', '{"data": "no, no!"}', "[" * 99_999]
)
def test_the_conversation_goes_on_after_rubbish(rubbish: str | bytes) -> None:
    messages = [start(format="pcm", sample_rate=16000), *sent(pcm(resampled(strums(), 16000)), 3200)]
    messages.insert(30, rubbish)
    if isinstance(rubbish, bytes):  # an odd number of bytes shifts what follows by half a sample
        messages.insert(31, b"\xff")
    assert labels_in(answers_to(messages)) == EXPECTED


def test_samples_that_are_no_numbers_are_said_and_the_rest_is_heard() -> None:
    samples = resampled(strums(), 16000)[0].astype("<f4")
    samples[24000:24010] = np.nan
    answers = answers_to(pieces(wav(samples[None], 16000, "FLOAT"), 6400))
    assert [found["type"] for found in errors_in(answers)] == ["damaged-audio"]
    assert all(batch[0] == ACK for batch in answers)
    assert labels_in(answers) == EXPECTED


def test_a_rate_of_100_000_hz_is_heard() -> None:
    music = resampled(strums(), 100_000)
    assert labels_in(answers_to([start(sample_rate=100_000), *sent(pcm(music), 20_000)])) == EXPECTED


def test_clipped_music_far_beyond_full_scale_is_heard() -> None:
    content = wav(resampled(strums(), 16000) * 1e30, 16000, "FLOAT")
    assert len(errors_in(answers_to(pieces(content, 6400)))) == 0


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=30),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(max_size=8), inner),
    max_leaves=8,
)
FIELDS = st.fixed_dictionaries(
    {},
    optional={
        "type": st.sampled_from(["start", "stop", "reset", "ping", "pong", "watch", "audio", "", None]) | JSON,
        "data": st.binary(max_size=300).map(lambda audio: base64.b64encode(audio).decode()) | JSON,
        "format": st.sampled_from(["wav", "ogg", "pcm"]) | JSON,
        "sample_rate": st.sampled_from([8000, 44100, 192_000]) | JSON,
        "channels": st.sampled_from([1, 2]) | JSON,
        "job_id": JSON,
    },
)
HEADS = st.sampled_from(
    [b"", b"RIFF\0\0\0\0WAVE", b"RIFF\0\0\0\0WAVEfmt \x10\0\0\0\1\0\1\0\x80\xbb\0\0", b"OggS\0\2", b"{"]
)
RUBBISH = FIELDS.map(json.dumps) | st.text(max_size=100) | st.tuples(HEADS, st.binary(max_size=300)).map(b"".join)


@settings(deadline=None, max_examples=150)
@given(st.lists(RUBBISH, max_size=6))
def test_whatever_is_sent_is_answered_and_can_be_taken_elsewhere(messages: list[str | bytes]) -> None:
    connection = LiveConnection()
    for message in messages:
        answers = connection.receive(message)
        json.dumps(answers, allow_nan=False)
        assert all(answer.get("error", {}).get("type") != "internal-error" for answer in answers)
        state = connection.dump()
        assert len(state) <= MOST_STATE_BYTES
        connection = LiveConnection.load(state)


# The state


LOUD = np.random.default_rng(1).uniform(-1, 1, (2, 96_000)).astype(np.float32)
"""Noise, which needs the largest packets."""


@pytest.mark.parametrize(
    "content",
    [
        by_soundfile("OGG", "VORBIS")(LOUD, 192_000),
        by_libav("ogg", "libopus", "flt", {"page_duration": "900000"})(LOUD, 48_000),
        wav(LOUD, 192_000, "DOUBLE"),
    ],
    ids=["Vorbis", "Opus", "WAV"],
)
def test_the_largest_state_fits(content: bytes) -> None:
    """With a packet that never ends behind it, there is still room for tables twice as long as libvorbis'."""
    connection = LiveConnection()
    largest = 0
    endless = b"OggS\0\0" + bytes(8) + content[14:18] + bytes(8) + b"\x17" + b"\xff" * 23 + bytes(5800)
    for piece in [*pieces(content, 9973), endless]:
        connection.receive(piece)
        largest = max(largest, len(connection.dump()))
    print(f"{largest:,} bytes of {MOST_STATE_BYTES:,}")
    assert largest <= MOST_STATE_BYTES - 8000


def test_a_fault_of_ours_ends_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    connection = LiveConnection()
    with monkeypatch.context() as patched:
        patched.setattr("core.live.connection.begun_by", lambda *_, **__: 1 / 0)
        assert error(said(bytes(100)), connection)["type"] == "internal-error"
    assert connection.receive(said(bytes(100)))[0] == ACK


@pytest.mark.parametrize("data", [b"", b"{}", b"live1", b"\x80\x04\x95" + bytes(40)])
def test_what_is_no_state_is_refused(data: bytes) -> None:
    with pytest.raises(ValueError, match="state"):
        LiveConnection.load(data)


@settings(deadline=None, max_examples=30)
@given(st.integers(0, 10**9), st.integers(1, 255))
def test_a_damaged_state_is_refused(place: int, change: int) -> None:
    connection = LiveConnection()
    connection.receive(_opus_start())
    state = bytearray(connection.dump())
    state[place % len(state)] ^= change
    with pytest.raises(ValueError, match="state"):
        LiveConnection.load(bytes(state))
    with pytest.raises(ValueError, match="state"):
        LiveConnection.load(bytes(state[: place % len(state)]))


@cache
def _opus_start() -> bytes:
    return _opus(resampled(strums(), 48000)[:, :24000])


def test_a_state_of_another_kind_is_refused() -> None:
    for state in ({}, {"form": {"nothing": 1}}, {"form": {}, "stream": {"kind": "samples"}}):
        with pytest.raises(ValueError, match="not one of a live conversation"):
            LiveConnection.load(pack(state))


def test_connections_share_nothing() -> None:
    one, other = LiveConnection(), LiveConnection()
    music = sent(pcm(resampled(strums(), 16000)), 6400, sample_rate=16000)
    silence = sent(quiet(6), 6400, sample_rate=16000)
    answers = [(one.receive(a), other.receive(b)) for a, b in zip(music, silence, strict=False)]
    assert labels_in([a for a, _ in answers]) == EXPECTED
    assert labels_in([b for _, b in answers]) == []
