"""Calls that end in time, and never too many of them at once."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from threading import BoundedSemaphore
from typing import TypeVar

from core.assistant.service import NoAnswer

Result = TypeVar("Result")


class Calls:
    """At most ``most`` calls at a time; one more is refused, not queued.

    Each runs in a thread of its own, so that whoever waits for it can stop waiting: name servers and identity services
    know nothing of our time-out. What was given up counts until it really has ended.
    """

    def __init__(self, most: int) -> None:
        self._free = BoundedSemaphore(most)
        self._threads = ThreadPoolExecutor(most, thread_name_prefix="assistant")

    def run(self, call: Callable[[], Result], timeout_seconds: float) -> Result:
        """The call's result. Raises what the call raises, and ``NoAnswer`` if it takes longer, or if all are busy."""
        if not self._free.acquire(blocking=False):
            raise NoAnswer("is busy with other questions", sent=False)
        future: Future[Result] = self._threads.submit(call)
        future.add_done_callback(lambda _: self._free.release())
        try:
            return future.result(timeout_seconds)
        except TimeoutError:
            raise NoAnswer(timed_out(timeout_seconds)) from None


def timed_out(seconds: float) -> str:
    """The reason of a call that took longer."""
    return f"timed out after {seconds:g} s"
