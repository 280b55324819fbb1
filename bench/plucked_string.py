"""How fast the ``plucked_string`` engine is, and how well in tune."""

from __future__ import annotations

import time

import numpy as np

from bench.report import Goal, Section, Table
from core.engines.plucked_string.playing import play
from core.ports import NoteRequest
from core.theory.fretboard import INSTRUMENTS
from core.theory.techniques import TECHNIQUES
from tests.unit.plucked_string_measures import deviation_cents, deviations_cents, mono, note

SECONDS = 2.0
REPEATS = 7
FASTEST, NECK_CENTS, CURVE_CENTS = 200.0, 2.0, 5.0
DRIVEN = "metal"
CURVES = ("bend", "slide", "vibrato")
_SETTLED, _DYING = 0.1, 1.8
"""Where curves are compared: from when the touch has faded, to before the hand damps the string, in seconds."""


def cpu_seconds(request: NoteRequest) -> float:
    """What a note costs: the best of several runs, which other processes disturb least."""
    play(request)
    costs = []
    for _ in range(REPEATS):
        started = time.process_time()
        play(request)
        costs.append(time.process_time() - started)
    return min(costs)


def mean_cost(instrument: str, technique: str, style: str = "") -> float:
    """Of a note low on the lowest string, one in the middle, and one high on the highest."""
    places = ((INSTRUMENTS[instrument].strings, 3), (2, 5), (1, 12))
    requests = [note(instrument, *place, [technique], SECONDS, style=style) for place in places]
    return float(np.mean([cpu_seconds(request) for request in requests]))


def neck_cents(instrument: str) -> float:
    """The furthest that any fret of any string is off."""
    neck = INSTRUMENTS[instrument]
    places = [(string, fret) for string in range(1, neck.strings + 1) for fret in range(neck.frets + 1)]
    return max(abs(deviation_cents(note(instrument, *place, seconds=0.7), 0.1, 0.6)) for place in places)


def curve_cents(instrument: str, technique: str) -> float:
    """The furthest that the pitch strays from the asked curve."""
    request = note(instrument, 1, 7, [technique], SECONDS)
    times, off = deviations_cents(mono(request), request)
    return float(np.max(np.abs(off[(times > _SETTLED) & (times < _DYING)])))


def measure() -> Section:
    """Measure every technique of every instrument."""
    costs = {technique: [mean_cost(name, technique) for name in INSTRUMENTS] for technique in TECHNIQUES}
    driven = [mean_cost(name, "pluck", DRIVEN) for name in INSTRUMENTS]
    neck = [neck_cents(name) for name in INSTRUMENTS]
    curves = {technique: [curve_cents(name, technique) for name in INSTRUMENTS] for technique in CURVES}
    mix = SECONDS / float(np.mean(list(costs.values())))
    speeds = [[technique, *(f"{SECONDS / cost:.0f}" for cost in row)] for technique, row in costs.items()]
    speeds.append([f"pluck, {DRIVEN}", *(f"{SECONDS / cost:.0f}" for cost in driven)])
    tuning = [["any fret", *(f"{cents:.2f}" for cents in neck)]]
    tuning += [[technique, *(f"{cents:.2f}" for cents in row)] for technique, row in curves.items()]
    names = [name.replace("_", " ") for name in INSTRUMENTS]
    return Section(
        "The plucked_string engine",
        f"Seconds of audio per CPU-second on one core: the mean of three notes of {SECONDS:g} s, low, in the middle "
        f"and high on the neck, each the best of {REPEATS} runs. Then the furthest that the fundamental is off, in "
        "cents: from the fretted pitch over the whole neck, and from the asked curve in a note that moves.",
        [Table(("seconds a CPU-second", *names), speeds), Table(("cents", *names), tuning)],
        [
            Goal(f"a mix of all techniques at {FASTEST:g} times real time", mix, FASTEST, at_least=True),
            Goal(f"every fret within {NECK_CENTS:g} cents", max(neck), NECK_CENTS),
            Goal(f"curves within {CURVE_CENTS:g} cents", max(map(max, curves.values())), CURVE_CENTS),
        ],
    )
