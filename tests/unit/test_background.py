"""Reading ahead and writing behind."""

from __future__ import annotations

import threading
from collections.abc import Iterator

import pytest

from core.files.background import ReadAhead, WriteBehind


def test_items_come_in_order_and_no_more_than_the_depth_ahead() -> None:
    started: list[int] = []
    full = threading.Event()

    def numbers() -> Iterator[int]:
        for number in range(10):
            started.append(number)
            if number == 3:
                full.set()
            yield number

    with ReadAhead(numbers, 2) as ahead:
        items = iter(ahead)
        assert next(items) == 0
        assert full.wait(5)  # one was taken, two are in the queue, one waits for room
        assert started == [0, 1, 2, 3]
        assert list(items) == list(range(1, 10))


def test_an_error_comes_where_the_item_would_have_been() -> None:
    def broken() -> Iterator[int]:
        yield 1
        raise OSError("the disk is gone")

    with ReadAhead(broken, 4) as ahead:
        items = iter(ahead)
        assert next(items) == 1
        with pytest.raises(OSError, match="the disk is gone"):
            next(items)


def test_whoever_leaves_early_closes_the_iterator() -> None:
    closed = threading.Event()

    def endless() -> Iterator[int]:
        try:
            while True:
                yield 0
        finally:
            closed.set()

    with ReadAhead(endless, 1) as ahead:
        next(iter(ahead))
    assert closed.is_set()


def test_calls_are_finished_at_the_end_of_the_block() -> None:
    done: list[int] = []
    with WriteBehind(3, threads=2) as writes:
        for number in range(20):
            writes.submit(lambda number=number: done.append(number))
    assert sorted(done) == list(range(20))


def test_no_more_calls_are_unfinished_than_the_depth() -> None:
    release = threading.Event()
    submitted: list[int] = []

    def submit_all(writes: WriteBehind) -> None:
        for number in range(4):
            writes.submit(lambda: release.wait(5) and None)
            submitted.append(number)

    with WriteBehind(2, threads=2) as writes:
        thread = threading.Thread(target=submit_all, args=(writes,))
        thread.start()
        thread.join(0.2)
        assert submitted == [0, 1]
        release.set()
        thread.join()
    assert submitted == [0, 1, 2, 3]


def test_the_first_error_is_raised() -> None:
    def fail() -> None:
        raise OSError("storage is gone")

    with pytest.raises(OSError, match="storage is gone"), WriteBehind(2) as writes:
        writes.submit(fail)


def test_a_call_that_fails_takes_none_of_those_with_it_that_were_waited_for() -> None:
    done: list[int] = []

    def call(number: int) -> None:
        if number == 0:
            raise OSError("storage was gone for a moment")
        done.append(number)

    with WriteBehind(5) as writes:
        for number in range(5):
            writes.submit(lambda number=number: call(number))
        with pytest.raises(OSError, match="for a moment"):
            writes.wait()
        assert done == [1, 2, 3, 4]
