"""Ctrl-C and SIGTERM: the step that is under way is finished and kept."""

from __future__ import annotations

import signal
from types import FrameType, TracebackType

from training.errors import TrainingStopped


class Stopping:
    """While its block runs, the first signal to end is kept in mind; a second one ends the process as it always did."""

    _SIGNALS = (signal.SIGINT, signal.SIGTERM)

    def __init__(self) -> None:
        self.asked = False
        self._before: dict[int, signal.Handlers | int | None] = {}

    def __enter__(self) -> Stopping:
        for number in self._SIGNALS:
            self._before[number] = signal.signal(number, self._remember)  # type: ignore[assignment] # ours are no functions
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._restore()

    def check(self) -> None:
        """Raise ``TrainingStopped`` if it was asked for."""
        if self.asked:
            raise TrainingStopped

    def _remember(self, number: int, frame: FrameType | None) -> None:
        self.asked = True
        self._restore()

    def _restore(self) -> None:
        for number, handler in self._before.items():
            signal.signal(number, handler)
        self._before.clear()
