"""What clients say on ``/ws``."""

from __future__ import annotations

import base64
import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.errors import InvalidRequest
from core.live.messages import MOST_MESSAGE_BYTES, Form, read_message

NOT_BASE64 = b"\x00\x01\xfe\xff a"


def refusal(message: str | bytes) -> str:
    with pytest.raises(InvalidRequest) as raised:
        read_message(message)
    return raised.value.detail


def read(**fields: Any) -> bytes | None:
    return read_message(json.dumps(fields)).audio


@given(st.binary(max_size=200))
def test_audio_comes_in_every_spelling_of_base64(audio: bytes) -> None:
    for encode in (base64.b64encode, base64.urlsafe_b64encode, base64.encodebytes):
        text = encode(audio).decode()
        assert read(data=text) == audio
        assert read(data=text.replace("=", "")) == audio


def test_audio_comes_as_characters_up_to_255() -> None:
    assert read(data=NOT_BASE64.decode("latin-1")) == NOT_BASE64


@given(st.binary(max_size=200))
def test_audio_comes_as_a_list_of_numbers(audio: bytes) -> None:
    assert read(data=list(audio)) == audio


@given(st.binary(max_size=200))
def test_a_binary_frame_is_audio_unless_it_is_a_json_object(audio: bytes) -> None:
    message = read_message(b"\x00" + audio)
    assert (message.type, message.audio) == ("audio", b"\x00" + audio)
    assert read_message(b'{"type": "ping"}').type == "ping"
    assert read_message(b'{"type": ').audio == b'{"type": '


def test_text_that_a_person_could_read_is_told_apart() -> None:
    assert read_message(json.dumps({"data": "play some chords, please!"})).readable
    assert not read_message(json.dumps({"data": NOT_BASE64.decode("latin-1")})).readable


def test_a_form_is_read_and_a_number_may_be_written_as_a_float() -> None:
    message = read_message('{"type": "start", "format": "pcm", "sample_rate": 16000.0, "channels": 2}')
    assert (message.type, message.form, message.audio) == ("start", Form("pcm", 16000, 2), None)


def test_what_a_form_leaves_out_stays_as_it_was() -> None:
    assert Form("pcm", 16000, 2).updated(Form(sample_rate=8000)) == Form("pcm", 8000, 2)


@pytest.mark.parametrize(
    ("message", "expected"),
    [
        ("", "not JSON"),
        ("hello", "not JSON"),
        ("[]", "a message is a JSON object"),
        ("null", "a message is a JSON object"),
        ("{}", "/type: must be one of audio, start"),
        ('{"type": "dance"}', "/type: must be one of"),
        ('{"type": ["start"]}', "/type: must be one of"),
        ('{"type": {"a": 1}}', "/type: must be one of"),
        ('{"type": "audio"}', "/data: must be audio"),
        ('{"data": null}', "/data: must be audio"),
        ('{"data": {}}', "/data: must be audio"),
        ('{"data": 7}', "/data: must be audio"),
        ('{"data": [256]}', "/data: must be audio"),
        ('{"data": [0.5]}', "/data: must be audio"),
        ('{"data": ["a"]}', "/data: must be audio"),
        ('{"data": "\\u20ac \\ud83c\\udfb8"}', "/data: must be audio"),
        ('{"data": "", "format": "mp3"}', "/format: must be one of wav, ogg, pcm"),
        ('{"data": "", "format": ["wav"]}', "/format: must be one of"),
        ('{"data": "", "sample_rate": 7999}', "/sample_rate: must be a whole number from 8000 to 192000"),
        ('{"data": "", "sample_rate": 1e999}', "/sample_rate"),
        ('{"data": "", "sample_rate": NaN}', "/sample_rate"),
        ('{"data": "", "sample_rate": true}', "/sample_rate"),
        ('{"data": "", "sample_rate": "44100"}', "/sample_rate"),
        ('{"data": "", "sample_rate": 44100.5}', "/sample_rate"),
        ('{"data": "", "channels": 0}', "/channels: must be a whole number from 1 to 2"),
        ('{"data": "", "channels": -1e308}', "/channels"),
        ('{"type": "watch"}', "/job_id: must be the id of a job"),
        ('{"type": "watch", "job_id": "../secrets"}', "/job_id"),
        ('{"type": "watch", "job_id": 5}', "/job_id"),
    ],
)
def test_what_is_no_message_is_told_what_was_expected(message: str, expected: str) -> None:
    assert expected in refusal(message)


def test_a_message_that_is_too_long_is_told_the_limit() -> None:
    assert f"at most {MOST_MESSAGE_BYTES:,} bytes" in refusal(" " * (MOST_MESSAGE_BYTES + 1))
    assert f"at most {MOST_MESSAGE_BYTES:,} bytes" in refusal(bytes(50_000_000))


def test_json_that_is_nested_deeply_or_has_endless_numbers_is_refused() -> None:
    assert "nested too deeply" in refusal("[" * 500_000)
    assert "nested too deeply" in refusal('{"data":' * 100_000)
    assert "not JSON" in refusal('{"sample_rate": ' + "9" * 100_000 + "}")
