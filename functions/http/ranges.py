"""Parts of a file, as players ask for them (RFC 9110, section 14)."""

from __future__ import annotations

import re

from fastapi import HTTPException

_RANGE = re.compile(r"bytes=(\d{0,15})-(\d{0,15})")


def part_of(header: str | None, size_bytes: int) -> slice | None:
    """The bytes that a ``Range`` header asks for; ``None`` for the whole file.

    Several ranges, other units and what makes no sense count for nothing, as the RFC allows. Raises ``HTTPException``
    (416) for a part that begins beyond the end.
    """
    match = _RANGE.fullmatch((header or "").strip())
    if match is None or match.groups() == ("", ""):
        return None
    first, last = (int(number) if number else None for number in match.groups())
    if first is None:
        part = slice(max(size_bytes - (last or 0), 0), size_bytes)
    else:
        part = slice(first, size_bytes if last is None else min(last + 1, size_bytes))
    if part.start >= size_bytes:
        detail = f"the file has {size_bytes} bytes, and none from {part.start} on"
        raise HTTPException(416, detail, {"Content-Range": f"bytes */{size_bytes}"})
    return part if part.start < part.stop else None
