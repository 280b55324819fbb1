"""How a take strays from the plain bar: dropped and added notes, fills, velocity and timing.

All of it grows with the temperature; at 0 the plain bar comes back unchanged.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import numpy as np

from core.engines.synth.patterns import Step

FILL_EVERY_BARS = 4

_DROP, _DIVIDE, _FILL = 0.07, 0.12, 0.6
"""Chance at temperature 1: that a soft note is left out, that a note is divided, that a fourth bar ends in a fill."""
_VELOCITY_SPREAD = 0.2
"""Share of the velocity, either way, at temperature 1."""
_LATENESS_SECONDS = 0.006
"""The most a note is early or late at temperature 1: under the 10 ms or so at which a beat begins to sound loose."""
_FILL_LANES = ("snare", "snare", "tom", "tom")


def vary(steps: list[Step], temperature: float, rng: np.random.Generator, beats_per_bar: int) -> list[Step]:
    """Leave out soft notes, divide others, and move all a little in velocity and time. The kick is never left out."""
    if temperature <= 0:
        return steps
    changed = [new for step in steps for new in _ornamented(step, temperature, rng.random(), beats_per_bar)]
    return [_humanised(step, temperature, *rng.random(2)) for step in changed]


def with_fill(
    steps: list[Step], bar_index: int, temperature: float, rng: np.random.Generator, beats_per_bar: int
) -> list[Step]:
    """Now and then replace what the hands play on the last beat of every fourth drum bar by a roll down the toms."""
    fills = bar_index % FILL_EVERY_BARS == FILL_EVERY_BARS - 1 and rng.random() < _FILL * temperature
    if not fills:
        return steps
    last_beat = beats_per_bar - 1
    roll = [Step(last_beat + i / 4, 0.25, lane, 0.5 + 0.1 * i) for i, lane in enumerate(_FILL_LANES)]
    return [step for step in steps if step.beat < last_beat or step.lane == "kick"] + roll


def _ornamented(step: Step, temperature: float, chance: float, beats_per_bar: int) -> Iterator[Step]:
    """The step, or none, or two of it."""
    if chance < _DROP * temperature and step.velocity < 0.75 and step.lane != "kick":
        return
    if chance < 1 - _DIVIDE * temperature:
        yield step
        return
    beats = step.beats / 2 if step.beats >= 0.5 else step.beats
    yield replace(step, beats=beats)
    if step.beat + 2 * beats <= beats_per_bar:
        yield replace(step, beat=step.beat + beats, beats=beats, velocity=step.velocity * 0.6)


def _humanised(step: Step, temperature: float, loud: float, late: float) -> Step:
    velocity = step.velocity * (1 + _VELOCITY_SPREAD * temperature * (2 * loud - 1))
    return replace(
        step,
        velocity=min(max(velocity, 0.05), 1.0),
        late_seconds=_LATENESS_SECONDS * temperature * (2 * late - 1),
    )
