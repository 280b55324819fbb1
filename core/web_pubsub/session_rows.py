"""Clients' states as rows.

A client has a partition of its own: the row ``0`` holds the state's beginning, and ``1``, ``2`` … what did not fit;
all of them are written in one transaction under the etag of ``0``, and carry its version. The partition ``hours`` says
who sent something in which hour, one light row each, so that those who fell silent are found by one short scan.
"""

from __future__ import annotations

import base64
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime

from core.errors import RowChanged, RowNotFound
from core.jobs.model import Model
from core.ports import Change, Insert, Remove, Replace, Row, Table

_PIECE = 30_000  # characters: a row's document takes 32,000, and the rest of it is short
_MOST_PIECES = 9  # keys of one digit keep their order; four times what a state may hold
_HOURS = "hours"
_LOOKS = 3


class _Document(Model):
    version: int
    pieces: int
    hour: int
    state: str


@dataclass(frozen=True)
class StoredState:
    """Which version of a client's state was read or written last."""

    etag: str
    version: int
    hour: int


@dataclass(frozen=True)
class FoundState:
    """A client's state, and its version."""

    content: bytes
    stored: StoredState


class SessionRows:
    """States by connection, in one table."""

    def __init__(self, table: Table) -> None:
        self._table = table

    def read(self, connection_id: str) -> FoundState | None:
        """The newest state, or ``None`` for a client that has none. Raises ``RowChanged`` while it keeps changing."""
        for _ in range(_LOOKS):
            rows = self._table.scan(_partition(connection_id), "0", ":", _MOST_PIECES)
            if not rows or rows[0].key != "0":
                return None
            documents = [_Document.model_validate_json(row.document) for row in rows]
            head = documents[0]
            pieces = [document.state for document in documents if document.version == head.version]
            if len(pieces) == head.pieces:
                stored = StoredState(rows[0].etag, head.version, head.hour)
                return FoundState(base64.b64decode("".join(pieces)), stored)
        raise RowChanged(f"the state of {connection_id} was written while it was read")

    def write(self, connection_id: str, content: bytes, known: StoredState | None, now: datetime) -> StoredState:
        """Write the state that follows ``known``. Raises ``RowChanged``, ``RowExists`` or ``RowNotFound``."""
        version, hour = (known.version + 1 if known else 1), _hour(now)
        if known is None or known.hour != hour:  # first: a state that is in no hour would never be found again
            self._table.commit(_HOURS, Replace(f"{hour:08d}:{connection_id}", ""))
        text = base64.b64encode(content).decode()
        pieces = [text[start : start + _PIECE] for start in range(0, len(text), _PIECE)] or [""]
        head, *others = (
            _Document(version=version, pieces=len(pieces), hour=hour, state=piece).model_dump_json() for piece in pieces
        )
        first: Change = Replace("0", head, known.etag) if known else Insert("0", head)
        changes = (first, *(Replace(str(number), other) for number, other in enumerate(others, 1)))
        etag = self._table.commit(_partition(connection_id), *changes)[0]
        return StoredState(etag, version, hour)

    def remove(self, connection_id: str) -> None:
        """Delete the client's rows; those that are there."""
        self._delete(connection_id, self._table.scan(_partition(connection_id), "0", ":", _MOST_PIECES))

    def expire(self, idle_since: datetime) -> int:
        """Delete at most 1,000 states that nothing was added to since the hour before; returns how many."""
        removed = 0
        for row in self._table.scan(_HOURS, "", f"{_hour(idle_since):08d}", 1000):
            hour, _, connection_id = row.key.partition(":")
            removed += self._expire(connection_id, int(hour))
            with suppress(RowNotFound):
                self._table.commit(_HOURS, Remove(row.key))
        return removed

    def _expire(self, connection_id: str, hour: int) -> bool:
        rows = self._table.scan(_partition(connection_id), "0", ":", _MOST_PIECES)
        if not rows or _Document.model_validate_json(rows[0].document).hour != hour:
            return False  # it has gone, or went on in a later hour, under which it is found
        return self._delete(connection_id, rows)

    def _delete(self, connection_id: str, rows: list[Row]) -> bool:
        """Whether they were deleted; not if the client went on meanwhile, or somebody else deleted them."""
        if not rows:
            return False
        changes = (Remove(row.key, row.etag if row.key == "0" else None) for row in rows)
        with suppress(RowChanged, RowNotFound):
            self._table.commit(_partition(connection_id), *changes)
            return True
        return False


def _partition(connection_id: str) -> str:
    return f"connection:{connection_id}"


def _hour(moment: datetime) -> int:
    return int(moment.timestamp()) // 3600
