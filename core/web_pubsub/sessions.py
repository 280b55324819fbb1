"""What is known of each live client between its messages, each of which may reach another process.

The state is written under the version it was read at, before the answers go out: two processes that get messages of
one client at the same time come to one line of states. A process keeps the last states it wrote; while it gets all of
a client's messages, as is usual, each of them costs one write and no read.
"""

from __future__ import annotations

import logging
import threading
from collections import OrderedDict
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any, Protocol

from core.errors import RowChanged, RowExists, RowNotFound
from core.ports import Clock, Table
from core.web_pubsub.session_rows import SessionRows, StoredState

log = logging.getLogger(__name__)

_TRIES = 8
_MOST_KEPT = 64
_IDLE = timedelta(hours=1)


class LiveState(Protocol):
    """One client's side of a live conversation."""

    def receive(self, message: str | bytes) -> list[dict[str, Any]]:
        """Take what the client sent, whatever it is; returns the answers, in order."""
        ...

    def dump(self) -> bytes:
        """All that the next message needs to know, at most 64 KiB."""
        ...


OpenState = Callable[[bytes | None], LiveState]
"""Makes a state of what ``dump`` gave, or that of a client that has said nothing yet. Raises ``ValueError``."""


def live_connection(data: bytes | None) -> LiveState:
    """The state of a client that plays, and wants to know the chords."""
    from core.live.connection import LiveConnection  # numpy, in a process where perhaps nobody plays

    return LiveConnection() if data is None else LiveConnection.load(data)


@dataclass
class _Session:
    state: LiveState
    stored: StoredState | None


@dataclass
class _Kept:
    """The sessions that this process wrote last; taking one out leaves none, so that no two threads share a state."""

    most: int = _MOST_KEPT
    _sessions: OrderedDict[str, _Session] = field(default_factory=OrderedDict)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def take(self, connection_id: str) -> _Session | None:
        with self._lock:
            return self._sessions.pop(connection_id, None)

    def put(self, connection_id: str, session: _Session) -> None:
        with self._lock:
            self._sessions[connection_id] = session
            if len(self._sessions) > self.most:
                self._sessions.popitem(last=False)


class LiveSessions:
    """The states of all clients, in a table."""

    def __init__(self, table: Table, open_state: OpenState, clock: Clock) -> None:
        self._rows = SessionRows(table)
        self._open = open_state
        self._clock = clock
        self._kept = _Kept()

    def receive(self, connection_id: str, message: str | bytes) -> list[dict[str, Any]]:
        """Let the client's state take a message; returns its answers once the new state is stored.

        Raises ``StorageUnavailable``, or ``RowChanged`` if others wrote the state each time that this tried.
        """
        for _ in range(_TRIES):
            session = self._kept.take(connection_id) or self._load(connection_id)
            answers = session.state.receive(message)
            with suppress(RowChanged, RowExists, RowNotFound):  # another process was faster: on from what it wrote
                now = self._clock()
                session.stored = self._rows.write(connection_id, session.state.dump(), session.stored, now)
                self._kept.put(connection_id, session)
                return answers
        raise RowChanged(f"the state of {connection_id} changed {_TRIES} times meanwhile")

    def remove(self, connection_id: str) -> None:
        """Forget a client that has gone."""
        self._kept.take(connection_id)
        self._rows.remove(connection_id)

    def expire(self) -> int:
        """Forget the clients that went without a word, an hour or more ago; returns how many."""
        return self._rows.expire(self._clock() - _IDLE)

    def _load(self, connection_id: str) -> _Session:
        found = self._rows.read(connection_id)
        if found is None:
            return _Session(self._open(None), None)
        try:
            return _Session(self._open(found.content), found.stored)
        except ValueError:
            log.warning("the state of %s cannot be read; its conversation begins anew", connection_id)
            return _Session(self._open(None), found.stored)
