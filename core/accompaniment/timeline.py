"""From what was heard in a file, or asked for in a request, to when the beats of its accompaniment fall."""

from __future__ import annotations

import itertools
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from statistics import median

from core.analysis.result import NO_CHORD, Analysis, Beat, ChordSpan
from core.errors import NoBeatFound
from core.ports import Timeline
from core.theory.beat_map import BeatMap
from core.theory.chords import ChordError, parse_chord

FEWEST_BEATS = 4
LEAST_CONFIDENCE = 0.3
"""Of the tempo, from 0 to 1: below it the beats are as good as drawn by lot."""

_USUAL_BEATS_PER_BAR = 4
_GAP = 1.7
"""An interval so many times as long as the usual one hides beats that were not heard."""
_LOOSE_SECONDS = 0.012
"""A beat so far from where those around it put it was not heard exactly; from about 10 ms on it would sound loose."""
_NEIGHBOURS = 3
"""Beats on either side that say where one belongs."""
_WHOLE_BEAT = 0.3
"""A change so close to a beat, in beats, falls on it; others on the half between two. Most changes are on beats."""
_BLIP_BEATS = 1.0
"""A chord that is shorter and less certain than those around it is taken for a mistake."""


@dataclass(frozen=True)
class _Placed:
    """A chord on the grid: its first beat, where it ends, its symbol or ``None``."""

    start: float
    stop: float
    symbol: str | None
    confidence: float


def timeline_of(analysis: Analysis) -> Timeline:
    """The beats and chords of a file, from its start, as its accompaniment needs them.

    Chords change on beats, or half-way between two; short ones that are uncertain, and pauses of less than a bar
    between chords, go under in the chord before them.

    Raises:
        NoBeatFound: no beat was found in the file: silence, noise, or music without a pulse.
    """
    heard = _ascending(analysis.beats)
    if analysis.tempo.bpm is None or len(heard) < FEWEST_BEATS or analysis.tempo.confidence < LEAST_CONFIDENCE:
        raise NoBeatFound(
            f"no steady beat was heard in its {analysis.duration_seconds:.1f} seconds, so nothing can be played to it"
        )
    heard = _ascending(_steadied(_without_gaps(heard)))
    beats = tuple(beat.time_seconds for beat in heard)
    beats_per_bar = analysis.tempo.beats_per_bar or _USUAL_BEATS_PER_BAR
    placed = _placed(analysis.chords, BeatMap(beats))
    kept = _without_pauses(_without_blips(placed), beats_per_bar)
    chords = tuple((chord.start, chord.symbol) for chord in kept) or ((0.0, None),)
    return Timeline(beats, _first_position(heard, beats_per_bar, chords), beats_per_bar, chords)


def steady_timeline(chords: Sequence[str], tempo_bpm: float, beats_per_bar: int, bars: int) -> Timeline:
    """One tempo, and a chord a bar, repeated for so many bars."""
    interval_seconds = 60 / tempo_bpm
    beats = tuple(index * interval_seconds for index in range(bars * beats_per_bar + 1))
    return Timeline(
        beats, 1, beats_per_bar, tuple((float(bar * beats_per_bar), chords[bar % len(chords)]) for bar in range(bars))
    )


def _without_gaps(beats: Sequence[Beat]) -> list[Beat]:
    """With beats where some were passed over; their position in the bar is not known."""
    usual = median(after.time_seconds - before.time_seconds for before, after in itertools.pairwise(beats))
    filled = [beats[0]]
    for before, after in itertools.pairwise(beats):
        interval = after.time_seconds - before.time_seconds
        count = round(interval / usual) if interval > _GAP * usual else 1
        filled += (
            Beat(time_seconds=before.time_seconds + interval * index / count, position=0) for index in range(1, count)
        )
        filled.append(after)
    return filled


def _steadied(beats: Sequence[Beat]) -> list[Beat]:
    """With those that were not heard exactly where the beats around them say.

    Where these do not agree among themselves, the tempo changes, and the beat stays as it is.
    """
    times = [beat.time_seconds for beat in beats]
    steadied = list(beats)
    for index, time in enumerate(times):
        said = _said_by_others(times, index)
        expected = median(said) if said else time
        if abs(time - expected) > max(_LOOSE_SECONDS, max(said, default=0.0) - min(said, default=0.0)):
            steadied[index] = Beat(time_seconds=expected, position=beats[index].position)
    return steadied


def _said_by_others(times: Sequence[float], index: int) -> list[float]:
    """Where a beat belongs: half-way between two, or, at either end, as far on as two that follow each other."""
    after = len(times) - 1 - index
    if min(index, after) >= 2:
        reach = min(_NEIGHBOURS, index, after)
        return [(times[index - away] + times[index + away]) / 2 for away in range(1, reach + 1)]
    inwards = 1 if index < after else -1
    reach = min(_NEIGHBOURS, max(index, after) // 2)
    return [2 * times[index + inwards * away] - times[index + 2 * inwards * away] for away in range(1, reach + 1)]


def _ascending(beats: Sequence[Beat]) -> list[Beat]:
    """Without those that are not later than the one before: at either end of a file, times are cut off."""
    kept: list[Beat] = []
    for beat in beats:
        if not kept or beat.time_seconds > kept[-1].time_seconds:
            kept.append(beat)
    return kept


def _placed(spans: Iterable[ChordSpan], beat_map: BeatMap) -> list[_Placed]:
    """The spans on the grid; those that nothing is left of are gone, and equal neighbours are one."""
    placed = [
        _Placed(
            _snapped(beat_map.beat_at(span.start_seconds)), _snapped(beat_map.beat_at(span.end_seconds)),
            _symbol(span), span.confidence,
        )
        for span in spans
    ]  # fmt: skip
    return _joined(chord for chord in placed if chord.stop > chord.start)


def _snapped(beat: float) -> float:
    """The beat that a time so near to it stands for, or the half between two."""
    whole = round(beat)
    return float(whole) if abs(beat - whole) <= _WHOLE_BEAT else (beat // 1) + 0.5


def _symbol(span: ChordSpan) -> str | None:
    """As the engines read it; ``None`` for no chord, and for one that nobody could play."""
    if span.symbol == NO_CHORD:
        return None
    try:
        return parse_chord(span.symbol).symbol
    except ChordError:
        return None


def _without_blips(chords: Sequence[_Placed]) -> list[_Placed]:
    kept: list[_Placed] = []
    for index, chord in enumerate(chords):
        around = [*kept[-1:], *chords[index + 1 : index + 2]]
        short = chord.stop - chord.start < _BLIP_BEATS
        if kept and short and all(chord.confidence < other.confidence for other in around):
            kept[-1] = replace(kept[-1], stop=chord.stop)
        else:
            kept.append(chord)
    return _joined(kept)


def _without_pauses(chords: Sequence[_Placed], beats_per_bar: int) -> list[_Placed]:
    """A player lets a chord ring for a moment in which the source has none; the ends stay as they are."""
    kept: list[_Placed] = []
    for index, chord in enumerate(chords):
        inside = 0 < index < len(chords) - 1
        if inside and chord.symbol is None and chord.stop - chord.start < beats_per_bar:
            kept[-1] = replace(kept[-1], stop=chord.stop)
        else:
            kept.append(chord)
    return _joined(kept)


def _joined(chords: Iterable[_Placed]) -> list[_Placed]:
    joined: list[_Placed] = []
    for chord in chords:
        if joined and joined[-1].symbol == chord.symbol:
            confidence = max(joined[-1].confidence, chord.confidence)
            joined[-1] = replace(joined[-1], stop=chord.stop, confidence=confidence)
        else:
            joined.append(chord)
    return joined


def _first_position(beats: Sequence[Beat], beats_per_bar: int, chords: Sequence[tuple[float, str | None]]) -> int:
    """Where in its bar the first beat stands: as most beats say; without bars, so that most chords begin one."""
    said = Counter((beat.position - 1 - index) % beats_per_bar for index, beat in enumerate(beats) if beat.position)
    said = said or Counter(-round(place) % beats_per_bar for place, _ in chords[1:])
    return said.most_common(1)[0][0] + 1 if said else 1
