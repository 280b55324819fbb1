"""A conversation's state as bytes: JSON, and behind it the bytes and arrays that stand in it.

No pickle: what is read can become numbers, text and arrays, and nothing else.
"""

from __future__ import annotations

import json
import struct
import zlib
from typing import Any

import numpy as np

MOST_STATE_BYTES = 64 * 1024
_MAGIC = b"live1"
_HEADER = struct.Struct("<5sI")  # magic, CRC-32 of the rest
_LENGTH = struct.Struct("<I")  # of the JSON
_BLOB = "blob"
_KINDS = frozenset({"|u1", "<i2", "<i8", "<f4", "<f8", "bytes"})


def pack(state: dict[str, Any]) -> bytes:
    """Nested dictionaries and lists of JSON's values, bytes and arrays, as bytes."""
    blobs = bytearray()

    def placed(value: object) -> dict[str, Any]:
        kind = value.dtype.str if isinstance(value, np.ndarray) else "bytes"
        content = value.tobytes() if isinstance(value, np.ndarray) else bytes(value)  # type: ignore[call-overload]  # anything else is an error of ours, and raises
        blobs.extend(content)
        shape = list(value.shape) if isinstance(value, np.ndarray) else [len(content)]
        return {_BLOB: [kind, shape, len(blobs) - len(content), len(content)]}

    text = json.dumps(state, default=placed, separators=(",", ":")).encode()
    body = _LENGTH.pack(len(text)) + text + bytes(blobs)
    return _HEADER.pack(_MAGIC, zlib.crc32(body)) + body


def unpack(data: bytes) -> dict[str, Any]:
    """What was packed. Raises ``ValueError`` if it was not, or was damaged since."""
    if len(data) < _HEADER.size + _LENGTH.size:
        raise ValueError("the state is cut off")
    magic, checksum = _HEADER.unpack_from(data)
    body = data[_HEADER.size :]
    if magic != _MAGIC or checksum != zlib.crc32(body):
        raise ValueError("the state is damaged, or of another version")
    end = _LENGTH.size + _LENGTH.unpack_from(body)[0]
    blobs = body[end:]

    def found(fields: dict[str, Any]) -> Any:
        if _BLOB not in fields:
            return fields
        kind, shape, start, size = fields[_BLOB]
        if kind not in _KINDS:
            raise ValueError(f"a state holds no {kind}")
        content = blobs[start : start + size]
        return content if kind == "bytes" else np.frombuffer(content, kind).reshape(shape)

    state: dict[str, Any] = json.loads(body[_LENGTH.size : end], object_hook=found)
    return state
