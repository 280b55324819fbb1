"""Tabs as plain text: a line for each string, the frets on it, and the chords above.

The last string of the tuning is on top, as players see their instrument. A column is an eighth. Under strums stand the
strokes, D for down and U for up.
"""

from __future__ import annotations

from core.tablature.score import Bar, Score

DEFAULT_WIDTH = 80


def ascii_tab(score: Score, width: int = DEFAULT_WIDTH) -> str:
    """The tab, wrapped at ``width`` characters; a line holds one bar at least."""
    labels = string_labels(score.neck.notes)
    page = _Page(labels, _column_width(score))
    bars_per_line = max(1, (width - page.margin) // page.bar_width)
    lines = [score.bars[start : start + bars_per_line] for start in range(0, len(score.bars), bars_per_line)]
    return "\n\n".join("\n".join(page.system(line)) for line in lines) + "\n"


def string_labels(notes: tuple[str, ...]) -> list[str]:
    """The strings' names without octaves, from the last one on; it is in lower case where the first has its name."""
    names = [note.strip().rstrip("-0123456789").capitalize() for note in reversed(notes)]
    if names[0] == names[-1]:
        names[0] = names[0].lower()
    return names


def _column_width(score: Score) -> int:
    """A dash, and the widest fret of the tab."""
    return 1 + max(len(str(note.fret)) for bar in score.bars for beat in bar.beats for note in beat.notes)


class _Page:
    def __init__(self, labels: list[str], column_width: int) -> None:
        label_width = max(map(len, labels))
        self._labels = [label.ljust(label_width) for label in labels]
        self._column = column_width
        self.margin = label_width + 1
        self.bar_width = 8 * column_width + 2

    def system(self, bars: tuple[Bar, ...]) -> list[str]:
        """One line of the tab: the chords, the strings, and the strokes if there are any."""
        chords = " " * (self.margin + 1) + "".join(bar.symbol.ljust(self.bar_width) for bar in bars)
        strings = [
            f"{label}|" + "".join(self._string_of(bar, number) + "-|" for bar in bars)
            for number, label in enumerate(self._labels, start=1)
        ]
        strokes = " " * self.margin + "  ".join(map(self._strokes_of, bars))
        return [line.rstrip() for line in (chords, *strings, strokes) if line.strip()]

    def _string_of(self, bar: Bar, string: int) -> str:
        columns = []
        for beat in bar.beats:
            fret = next((str(note.fret) for note in beat.notes if note.string == string), "")
            columns.append(f"-{fret}".ljust(self._column * beat.eighths, "-"))
        return "".join(columns)

    def _strokes_of(self, bar: Bar) -> str:
        signs = {"down": " D", "up": " U", None: ""}
        return "".join(signs[beat.stroke].ljust(self._column * beat.eighths) for beat in bar.beats)
