"""Tabs as alphaTex, the text format of alphaTab (version 1.7 and later, https://alphatab.net/docs/alphatex)."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from core.tablature.score import EIGHTHS_PER_BAR, Bar, Beat, Score
from core.tablature.tabs import Tab
from core.theory.voicings import Shape

PROGRAMS = {
    "acoustic_guitar": 25,
    "electric_guitar": 27,
    "classical_guitar": 24,
    "bass_guitar": 33,
    "ukulele": 24,
}
"""General MIDI level 1, counted from 0: steel, clean electric and nylon guitar, fingered bass; there is no ukulele."""

_STROKES = {"down": "sd", "up": "su"}


def alphatex(tab: Tab) -> str:
    """The tab, its chord diagrams, tuning, capo and tempo."""
    score = tab.score
    return "\n".join([*_header(score), *_diagrams(tab), *_bars(score.bars)]) + "\n"


def _header(score: Score) -> Iterator[str]:
    yield f"\\tempo {score.tempo_bpm:g}"
    yield f'\\track "{score.instrument.replace("_", " ").capitalize()}" {{ instrument {PROGRAMS[score.instrument]} }}'
    yield "\\staff { tabs }"
    yield f"\\tuning ({' '.join(reversed(score.neck.notes))})"
    if score.neck.capo:
        yield f"\\capo {score.neck.capo}"


def _diagrams(tab: Tab) -> Iterator[str]:
    """The first shape of each symbol: a diagram is found by its name."""
    first: dict[str, Shape] = {}
    for chord, shape in zip(tab.chords, tab.shapes, strict=True):
        first.setdefault(chord.symbol, shape)
    for symbol, shape in first.items():
        frets = " ".join("x" if fret is None else str(fret) for fret in reversed(shape.frets))
        yield f'\\chord ("{symbol}" {frets})'


def _bars(bars: Iterable[Bar]) -> Iterator[str]:
    for bar in bars:
        beats = [_beat(beat, bar.symbol if index == 0 else None) for index, beat in enumerate(bar.beats)]
        yield " ".join(beats) + " |"


def _beat(beat: Beat, symbol: str | None) -> str:
    notes = " ".join(f"{note.fret}.{note.string}" for note in beat.notes)
    effects = [f'ch "{symbol}"'] if symbol else []
    if beat.stroke:
        effects.append(_STROKES[beat.stroke])
    written = f"({notes}).{EIGHTHS_PER_BAR // beat.eighths}"
    return f"{written} {{ {' '.join(effects)} }}" if effects else written
