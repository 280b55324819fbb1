"""What a training shows while it runs: one progress bar on a terminal, plain lines anywhere else."""

from __future__ import annotations

import sys
from types import TracebackType
from typing import Protocol

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

_LINES = 20  # that a stage prints where there is no terminal


class Display(Protocol):
    """A stage after the other, each so many steps long."""

    def begin(self, stage: str, steps: int, done: int = 0) -> None:
        """A new stage, of which some steps may be done already."""
        ...

    def advance(self, note: str = "") -> None:
        """A step is done; ``note`` says how it stands."""
        ...

    def line(self, text: str) -> None:
        """Something to keep on the screen."""
        ...


class Bar:
    """One bar at the bottom of the terminal, whose stages take turns."""

    def __init__(self, console: Console) -> None:
        columns = (
            TextColumn("{task.description}"),
            BarColumn(),
            MofNCompleteColumn(),
            TextColumn("{task.fields[note]}"),
            TextColumn("left:"),
            TimeRemainingColumn(),
        )
        self._progress = Progress(*columns, console=console)
        self._task = self._progress.add_task("", note="", visible=False)

    def __enter__(self) -> Bar:
        self._progress.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._progress.stop()

    def begin(self, stage: str, steps: int, done: int = 0) -> None:
        self._progress.reset(self._task, description=stage, total=steps, completed=done, visible=True, note="")

    def advance(self, note: str = "") -> None:
        self._progress.update(self._task, advance=1, note=note)

    def line(self, text: str) -> None:
        self._progress.console.print(text, markup=False, highlight=False, soft_wrap=True)


class Lines:
    """A line now and then, each as soon as it is true."""

    def __init__(self) -> None:
        self._stage, self._steps, self._done = "", 0, 0

    def __enter__(self) -> Lines:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        return None

    def begin(self, stage: str, steps: int, done: int = 0) -> None:
        self._stage, self._steps, self._done = stage, steps, done

    def advance(self, note: str = "") -> None:
        self._done += 1
        every = max(self._steps // _LINES, 1)
        if self._done % every == 0 or self._done == self._steps:
            self.line(f"{self._stage}: {self._done} of {self._steps}" + (f", {note}" if note else ""))

    def line(self, text: str) -> None:
        print(text, flush=True)


def display() -> Bar | Lines:
    """The one that fits where the output goes."""
    return Bar(Console()) if sys.stdout.isatty() else Lines()
