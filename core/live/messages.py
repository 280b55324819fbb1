"""What clients say on ``/ws``, read and checked. Light to import: whatever holds the socket may look as well.

A message is a JSON object or, in a binary frame, audio as it is.
"""

from __future__ import annotations

import base64
import binascii
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, Literal, NoReturn, cast, get_args

from core.audio.formats import HIGHEST_SAMPLE_RATE, LOWEST_SAMPLE_RATE
from core.errors import FieldError, InvalidRequest, StemworksError

Answer = dict[str, Any]
"""What is sent to the client, as JSON."""

MOST_MESSAGE_BYTES = 2**20

Format = Literal["wav", "ogg", "pcm"]
FORMATS: tuple[Format, ...] = get_args(Format)
MessageType = Literal["audio", "start", "stop", "reset", "ping", "pong", "watch"]
_TYPES: tuple[MessageType, ...] = get_args(MessageType)

_LONGEST_WATCH_BYTES = 1000  # most messages are audio, and need not be read twice
_JOB_ID = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,127}")
_BASE64 = re.compile(r"[A-Za-z0-9+/_-]+={0,2}")
_WHITE_SPACE = str.maketrans("", "", " \t\r\n")
_DATA = "must be audio: base64, its bytes as the characters U+0000 to U+00FF, or a list of numbers from 0 to 255"


@dataclass(frozen=True)
class Form:
    """What a client says of its audio; ``None`` where it says nothing.

    Attributes:
        sample_rate: Hz.
        channels: 1 or 2.
    """

    format: Format | None = None
    sample_rate: int | None = None
    channels: int | None = None

    def updated(self, other: Form) -> Form:
        """With what ``other`` says in place of what this one says."""
        return replace(self, **{name: value for name, value in vars(other).items() if value is not None})


@dataclass(frozen=True)
class Message:
    """One message.

    Attributes:
        audio: bytes of a file or stream, cut anywhere; ``None`` if it brings none.
        readable: the audio came as text that a person could read, which audio hardly ever is.
        job_id: of a job to watch.
    """

    type: MessageType
    form: Form = Form()
    audio: bytes | None = None
    readable: bool = False
    job_id: str | None = None


def read_message(message: str | bytes) -> Message:
    """Read one message as it came from the socket: text, or the bytes of a binary frame.

    Raises:
        InvalidRequest: it is none; the detail says what was expected.
    """
    if len(message) > MOST_MESSAGE_BYTES:
        refuse(
            "", f"a message has at most {MOST_MESSAGE_BYTES:,} bytes, this one has {len(message):,}: send it in parts"
        )
    if isinstance(message, str):
        return _of_fields(_parsed(message))
    return _json_in_frame(message) or Message("audio", audio=message)


def watched_job(message: str | bytes) -> str | None:
    """The job that a message asks to watch; whatever else it is, somebody else says."""
    if len(message) > _LONGEST_WATCH_BYTES:
        return None
    try:
        return read_message(message).job_id
    except StemworksError:
        return None


def refuse(pointer: str, detail: str) -> NoReturn:
    """Raise ``InvalidRequest`` about one field."""
    raise InvalidRequest([FieldError(pointer, detail)], f"{pointer}: {detail}" if pointer else detail)


def error_answer(error: StemworksError) -> Answer:
    """An error as it is sent: its stable type, and what was expected."""
    return {"error": {"type": error.type, "detail": error.detail}}


def _parsed(text: str) -> dict[str, Any]:
    try:
        fields = json.loads(text)
    except RecursionError:
        refuse("", "it is nested too deeply; a message is a JSON object of plain fields")
    except ValueError as error:
        refuse("", f'it is not JSON ({error}); a message is a JSON object such as {{"data": "<base64>"}}')
    if not isinstance(fields, dict):
        refuse("", 'a message is a JSON object such as {"data": "<base64>"}')
    return fields


def _json_in_frame(frame: bytes) -> Message | None:
    """Some clients send their JSON in binary frames."""
    if not frame.startswith(b"{"):
        return None
    try:
        fields = json.loads(frame)
    except (ValueError, RecursionError):
        return None
    return _of_fields(fields) if isinstance(fields, dict) else None


def _of_fields(fields: Mapping[str, Any]) -> Message:
    given = fields.get("type")
    kind = ("audio" if "data" in fields else "") if given is None else given
    if kind not in _TYPES:
        refuse("/type", f"must be one of {', '.join(_TYPES)}; a message without a type needs data")
    if kind == "watch":
        return Message("watch", job_id=_job_id(fields.get("job_id")))
    if kind == "audio" and "data" not in fields:
        refuse("/data", _DATA)
    if kind in ("audio", "start"):
        audio, readable = _audio(fields["data"]) if "data" in fields else (None, False)
        return Message(cast(MessageType, kind), _form(fields), audio, readable)
    return Message(cast(MessageType, kind))


def _form(fields: Mapping[str, Any]) -> Form:
    format = fields.get("format")
    if format is not None and format not in FORMATS:
        refuse("/format", f"must be one of {', '.join(FORMATS)}")
    rate = _whole(fields, "sample_rate", LOWEST_SAMPLE_RATE, HIGHEST_SAMPLE_RATE)
    return Form(format, rate, _whole(fields, "channels", 1, 2))


def _whole(fields: Mapping[str, Any], name: str, least: int, most: int) -> int | None:
    value = fields.get(name)
    if value is None:
        return None
    # 44100.0 is how some languages write every number; true is no number
    if isinstance(value, bool) or not isinstance(value, int | float) or not least <= value <= most or value % 1:
        refuse(f"/{name}", f"must be a whole number from {least} to {most}")
    return int(value)


def _job_id(value: object) -> str:
    if not isinstance(value, str) or not _JOB_ID.fullmatch(value):
        refuse("/job_id", "must be the id of a job")
    return value


def _audio(data: object) -> tuple[bytes, bool]:
    """The bytes, and whether they are text to read."""
    if isinstance(data, list):
        return _of_numbers(data), False
    if not isinstance(data, str):
        refuse("/data", _DATA)
    decoded = _of_base64(data)
    if decoded is not None:
        return decoded, False
    try:
        return data.encode("latin-1"), data.translate(_WHITE_SPACE).isprintable()
    except UnicodeEncodeError:
        refuse("/data", _DATA)


def _of_numbers(numbers: list[Any]) -> bytes:
    try:
        return bytes(numbers)
    except (TypeError, ValueError):
        refuse("/data", _DATA)


def _of_base64(text: str) -> bytes | None:
    """Standard or URL-safe, padded or not, perhaps in lines; ``None`` if it is neither."""
    compact = text.translate(_WHITE_SPACE)
    if not compact:
        return b"" if not text else None
    if not _BASE64.fullmatch(compact):
        return None
    plain = compact.rstrip("=").replace("-", "+").replace("_", "/")
    try:
        return base64.b64decode(plain + "=" * (-len(plain) % 4), validate=True)
    except binascii.Error:
        return None
