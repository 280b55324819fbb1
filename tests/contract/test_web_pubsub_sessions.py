"""States of live clients in a table: in memory, and in Azurite."""

from __future__ import annotations

import json
import threading
import uuid
from typing import Any

import pytest

from core.bootstrap import Storage
from core.errors import RowChanged
from core.ports import Table
from core.storage.memory import MemoryTable
from core.web_pubsub.session_rows import SessionRows
from core.web_pubsub.sessions import LiveSessions
from tests.clock import Clock

LARGEST = 64 * 1024


class Diary:
    """Keeps what it is told, and answers with all of it."""

    def __init__(self, data: bytes | None) -> None:
        self._said: list[str] = json.loads(data) if data else []

    def receive(self, message: str | bytes) -> list[dict[str, Any]]:
        self._said.append(message if isinstance(message, str) else message.decode())
        return [{"said": list(self._said)}]

    def dump(self) -> bytes:
        return json.dumps(self._said).encode()


class Blob:
    """Holds as many bytes as the last message says."""

    def __init__(self, data: bytes | None) -> None:
        self._held = data or b""

    def receive(self, message: str | bytes) -> list[dict[str, Any]]:
        before, self._held = self._held, bytes(number * 7 % 256 for number in range(int(message)))
        return [{"held": before == bytes(number * 7 % 256 for number in range(len(before))), "bytes": len(before)}]

    def dump(self) -> bytes:
        return self._held


@pytest.fixture
def table(storage: Storage) -> Table:
    return storage.tables["idempotency"]


@pytest.fixture
def name() -> str:
    return uuid.uuid4().hex


def said(sessions: LiveSessions, connection_id: str, message: str) -> list[str]:
    (answer,) = sessions.receive(connection_id, message)
    found: list[str] = answer["said"]
    return found


def test_a_conversation_goes_on_in_another_process(table: Table, clock: Clock, name: str) -> None:
    one, other = (LiveSessions(table, Diary, clock) for _ in range(2))
    assert said(one, name, "a") == ["a"]
    assert said(other, name, "b") == ["a", "b"]
    assert said(one, name, "c") == ["a", "b", "c"], "what it kept itself is out of date"
    assert said(one, name, "d") == ["a", "b", "c", "d"]


def test_clients_do_not_see_each_other(table: Table, clock: Clock, name: str) -> None:
    sessions = LiveSessions(table, Diary, clock)
    said(sessions, name, "a")
    assert said(sessions, name + "x", "b") == ["b"]


@pytest.mark.parametrize("sizes", [(LARGEST, LARGEST, 10, LARGEST), (22_499, 22_500, 22_501, 1)])
def test_states_of_any_size_are_kept_whole(table: Table, clock: Clock, name: str, sizes: tuple[int, ...]) -> None:
    for before, size in zip((0, *sizes), sizes, strict=False):
        fresh = LiveSessions(table, Blob, clock)
        assert fresh.receive(name, str(size)) == [{"held": True, "bytes": before}]


def test_messages_at_the_same_time_are_all_kept(table: Table, clock: Clock, name: str) -> None:
    sessions = [LiveSessions(table, Diary, clock) for _ in range(3)]
    together = threading.Barrier(len(sessions))

    def talk(number: int) -> None:
        together.wait(10)
        said(sessions[number], name, str(number))

    threads = [threading.Thread(target=talk, args=(number,)) for number in range(len(sessions))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(said(sessions[0], name, "end")) == ["0", "1", "2", "end"]


def test_a_client_that_left_is_forgotten(table: Table, clock: Clock, name: str) -> None:
    sessions = LiveSessions(table, Blob, clock)
    sessions.receive(name, str(LARGEST))
    sessions.remove(name)
    sessions.remove(name)
    assert sessions.receive(name, "1") == [{"held": True, "bytes": 0}]


def test_clients_that_fell_silent_are_forgotten_and_others_kept(table: Table, clock: Clock, name: str) -> None:
    sessions = LiveSessions(table, Diary, clock)
    said(sessions, name + "silent", "a")
    said(sessions, name + "gone", "a")
    said(sessions, name + "talking", "a")
    sessions.remove(name + "gone")
    assert sessions.expire() == 0
    clock.advance(3600)
    said(sessions, name + "talking", "b")
    assert sessions.expire() == 0, "an hour is not over for certain"
    clock.advance(3600)
    assert sessions.expire() == 1
    assert said(sessions, name + "silent", "b") == ["b"]
    assert said(sessions, name + "talking", "c") == ["a", "b", "c"]
    clock.advance(3 * 3600)
    assert sessions.expire() == 2
    assert sessions.expire() == 0


class CountingTable:
    """A table that knows how often it was asked."""

    def __init__(self) -> None:
        self._table = MemoryTable()
        self.calls: list[str] = []

    def __getattr__(self, name: str) -> Any:
        self.calls.append(name)
        return getattr(self._table, name)


def test_a_process_that_gets_all_messages_writes_once_for_each_and_reads_nothing(clock: Clock) -> None:
    counting = CountingTable()
    sessions = LiveSessions(counting, Diary, clock)
    said(sessions, "one", "a")
    counting.calls.clear()
    for word in "bcd":
        said(sessions, "one", word)
    assert counting.calls == ["commit"] * 3


def test_only_the_last_states_are_kept_in_the_process(clock: Clock) -> None:
    counting = CountingTable()
    sessions = LiveSessions(counting, Diary, clock)
    for number in range(1000):
        said(sessions, str(number), "a")
    counting.calls.clear()
    assert said(sessions, "0", "b") == ["a", "b"]
    assert "scan" in counting.calls


def test_a_state_that_breaks_leaves_what_was_stored(table: Table, clock: Clock, name: str) -> None:
    sessions = LiveSessions(table, Diary, clock)
    said(sessions, name, "a")
    with pytest.raises(UnicodeDecodeError):
        sessions.receive(name, b"\xff")
    assert said(sessions, name, "b") == ["a", "b"]


def test_a_state_torn_by_writes_while_it_is_read_is_never_returned(clock: Clock) -> None:
    """The first row of one version with the second of another; storage promises better, this does not rely on it."""
    table = MemoryTable()
    rows = SessionRows(table)
    first = rows.write("c", bytes(LARGEST), None, clock())
    old = table.scan("connection:c", "0", ":", 9)
    rows.write("c", bytes(LARGEST), first, clock())
    new = table.scan("connection:c", "0", ":", 9)

    class Torn(MemoryTable):
        def scan(self, partition: str, start: str, stop: str, limit: int) -> Any:
            return [new[0], *old[1:]]

    with pytest.raises(RowChanged):
        SessionRows(Torn()).read("c")
