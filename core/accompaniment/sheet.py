"""The lead sheet that an accompaniment is played from: its beats and chords, and how long it is."""

from __future__ import annotations

import math
from dataclasses import dataclass

from core.accompaniment.asking import ChordsAsked
from core.accompaniment.timeline import steady_timeline, timeline_of
from core.analysis.result import Analysis
from core.ports import Timeline

_SLOWEST_BPM, _FASTEST_BPM = 30.0, 300.0  # what an engine may be told
_CHORDS_SHOWN = 16
_BEATS_LEFT = 2.0


@dataclass(frozen=True)
class Sheet:
    """A lead sheet.

    Attributes:
        key: as people read it.
        first_seconds: where the playing begins; 0 for the start.
        last_seconds: of the last beat that is played; ``None`` if all of it is played to the end.
    """

    timeline: Timeline
    tempo_bpm: float
    duration_seconds: float
    key: str | None
    first_seconds: float = 0.0
    last_seconds: float | None = None

    @property
    def chords(self) -> tuple[str, ...]:
        """The symbols in the order in which they are played."""
        return tuple(symbol for _, symbol in self.timeline.chords if symbol is not None)

    def summary(self) -> dict[str, object]:
        """What the job's result tells of it."""
        chords = self.chords
        return {
            "tempo_bpm": round(self.tempo_bpm, 2),
            "beats_per_bar": self.timeline.beats_per_bar,
            "beats": len(self.timeline.beats),
            "first_beat_seconds": round(self.timeline.beats[0], 4),
            "key": self.key,
            "chords": {"count": len(chords), "first": chords[:_CHORDS_SHOWN]},
        }


def sheet_from_chords(asked: ChordsAsked) -> Sheet:
    """The sheet with exactly these chords at this tempo."""
    bars = math.ceil(asked.duration_seconds * asked.tempo_bpm / 60 / asked.beats_per_bar - 1e-9)
    timeline = steady_timeline(asked.symbols, asked.tempo_bpm, asked.beats_per_bar, bars)
    return Sheet(timeline, asked.tempo_bpm, asked.duration_seconds, asked.key)


def sheet_from_analysis(analysis: Analysis) -> Sheet:
    """The sheet of what was heard in a file. Raises ``NoBeatFound`` if it has no beat.

    Up to a bar before the first beat is played as well, and two beats after the last; beyond that there is silence.
    """
    timeline = timeline_of(analysis)
    first, last, duration_seconds = timeline.beats[0], timeline.beats[-1], analysis.duration_seconds
    beat_seconds = (last - first) / (len(timeline.beats) - 1)
    return Sheet(
        timeline,
        min(max(analysis.tempo.bpm or 0.0, _SLOWEST_BPM), _FASTEST_BPM),
        duration_seconds,
        f"{analysis.key.tonic} {analysis.key.mode}" if analysis.key.tonic else None,
        first_seconds=first if first > timeline.beats_per_bar * beat_seconds else 0.0,
        last_seconds=last if duration_seconds - last > _BEATS_LEFT * beat_seconds else None,
    )
