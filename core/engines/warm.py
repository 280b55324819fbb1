"""Models that are kept warm: loaded at their first use, and given up by least use when others need the room."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, TypeVar, cast

from core.engines.memory import give_back_memory

T = TypeVar("T")


@dataclass(eq=False)
class _Warm:
    """A model, or a place that is kept for one while it loads."""

    size_bytes: int
    users: int = 1
    loading: bool = True
    model: Any = None


class WarmModels:
    """All models of a process under one limit of memory.

    A model that is held is never given up, so whoever holds one must not wait for a second. A model that is larger than
    the whole limit is loaded when nothing is held, and alone. Among those that wait for room, whoever fits first is
    served first.
    """

    def __init__(self, limit_bytes: Callable[[], int], interval_seconds: float = 0.1) -> None:
        """Load nothing yet.

        Args:
            limit_bytes: the most that they may hold together; asked before each load.
            interval_seconds: how often ``wait`` is called.
        """
        self._limit_bytes, self._interval_seconds = limit_bytes, interval_seconds
        self._models: dict[Any, _Warm] = {}  # by use, the latest last
        self._changed = threading.Condition()

    @contextmanager
    def hold(self, key: Any, size_bytes: int, load: Callable[[], T], wait: Callable[[], None]) -> Iterator[T]:
        """The model of this key, which stays loaded at least as long as the block lasts.

        Args:
            key: hashable; two that ask for the same key at once get the same model, loaded once.
            size_bytes: about what it takes; counted from before it is loaded.
            load: makes it; what it raises leaves nothing behind. On being given up, its ``close()`` is called if it
                has one.
            wait: called now and then while others hold the room or load it; what it raises ends the wait.
        """
        warm, evicted = self._take(key, size_bytes, wait)
        try:
            if evicted:
                _discard(evicted)
            if warm.loading:
                warm.model = load()
        except BaseException:
            with self._changed:
                del self._models[key]
                self._changed.notify_all()
            raise
        with self._changed:
            warm.loading = False
            self._changed.notify_all()
        try:
            yield cast(T, warm.model)
        finally:
            with self._changed:
                warm.users -= 1
                self._models[key] = self._models.pop(key)
                self._changed.notify_all()

    def loaded(self) -> dict[Any, Any]:
        """The models that are ready, by their keys, the latest used last."""
        with self._changed:
            return {key: warm.model for key, warm in self._models.items() if not warm.loading}

    def _take(self, key: Any, size_bytes: int, wait: Callable[[], None]) -> tuple[_Warm, list[_Warm]]:
        """A ready model, or a new place for the caller to fill and what must go for it; waits for one or the other."""
        while True:
            with self._changed:
                warm = self._models.get(key)
                if warm and not warm.loading:
                    warm.users += 1
                    return warm, []
                evicted = None if warm else self._make_room(size_bytes)
                if evicted is not None:
                    self._models[key] = warm = _Warm(size_bytes)
                    return warm, evicted
                self._changed.wait(self._interval_seconds)
            wait()

    def _make_room(self, size_bytes: int) -> list[_Warm] | None:
        """Take out what must go for a model of this size; ``None``, and nothing is taken, while too much is held."""
        limit_bytes = self._limit_bytes()
        held_bytes = [warm.size_bytes for warm in self._models.values() if warm.users]
        if held_bytes and sum(held_bytes) + size_bytes > limit_bytes:
            return None
        evicted = []
        for key, warm in list(self._models.items()):
            taken_bytes = sum(other.size_bytes for other in self._models.values())
            if taken_bytes + size_bytes > limit_bytes and not warm.users:
                evicted.append(self._models.pop(key))
        return evicted


def _discard(evicted: list[_Warm]) -> None:
    """Give back the memory of models, before the next one is loaded."""
    for warm in evicted:
        if hasattr(warm.model, "close"):
            warm.model.close()
        warm.model = None
    give_back_memory()
