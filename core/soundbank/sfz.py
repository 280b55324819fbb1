"""Sounds as an instrument that samplers load: an SFZ file (sfzformat.com), in the opcodes of its first version alone.

Each note sounds on its own key. Keys between two notes are shared out halfway, so that none between the lowest and the
highest is silent, and ``OUTERMOST_SEMITONES`` are added at either end. The layers of a key share out all velocities in
the same way. Where several strings give the same key in the same layer, their sounds take turns: never do two regions
sound at once.
"""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from itertools import pairwise

from core.soundbank.sample import Sample
from core.theory.notes import midi_of

OUTERMOST_SEMITONES = 2
"""How far below the lowest note and above the highest there still are keys that sound."""

_HIGHEST = 127
_RELEASE_SECONDS = 0.3
"""How long a string takes to fall silent under the hand that lets go of the key."""

_RINGING_ON = frozenset({"dead_note", "let_ring"})
"""Techniques whose sound does not end with the key: one is over by itself, the other is meant to ring."""


def midi_velocity(velocity: float) -> int:
    """1 to 127 for a velocity of 0 to 1; 0 is none, for MIDI ends a note with it."""
    return max(1, round(velocity * _HIGHEST))


def key_of(sample: Sample) -> int:
    """The MIDI number of the key that a sound belongs to: nearest to where it comes to rest, or, of two, the upper.

    A sound without a pitch belongs to the key of its fret.
    """
    if sample.pitch.frequency_hz is None:
        return sample.open_pitch + sample.fret
    # To a cent first: where a bend ends halfway between two keys, what is left of rounding would choose between them.
    return math.floor(round(midi_of(sample.pitch.frequency_hz), 2) + 0.5)


def sfz_document(files: Mapping[str, Sample]) -> str:
    """The SFZ file of the sounds of one instrument, played with one technique, by their files' names; not empty.

    Several layers of velocity are as loud as they were played; a single one follows the key's velocity.
    """
    keys: defaultdict[int, defaultdict[int, list[str]]] = defaultdict(lambda: defaultdict(list))
    for name, sample in files.items():
        keys[key_of(sample)][midi_velocity(sample.velocity)].append(name)
    lines = list(_group(list(files.values())))
    for key, key_span in _spans(keys, min(keys) - OUTERMOST_SEMITONES, max(keys) + OUTERMOST_SEMITONES).items():
        for velocity, velocity_span in _spans(keys[key], 0, _HIGHEST).items():
            names = keys[key][velocity]
            for turn, name in enumerate(names, start=1):
                lines += _region(name, files[name], key_span, velocity_span)
                if len(names) > 1:
                    lines.append(f"seq_length={len(names)} seq_position={turn}")
    return "\n".join(lines) + "\n"


def _spans(centres: Iterable[int], lowest: int, highest: int) -> dict[int, tuple[int, int]]:
    """The first and the last number, ``lowest`` to ``highest``, of those shared out halfway between the centres."""
    ordered = sorted(centres)
    borders = [max(lowest, 0) - 1, *((one + other) // 2 for one, other in pairwise(ordered)), min(highest, _HIGHEST)]
    return {centre: (before + 1, last) for centre, (before, last) in zip(ordered, pairwise(borders), strict=True)}


def _group(samples: list[Sample]) -> Iterator[str]:
    yield "<group>"
    if _RINGING_ON & set(samples[0].technique):
        yield "loop_mode=one_shot"
    else:
        yield "loop_mode=no_loop"
        yield f"ampeg_release={_RELEASE_SECONDS}"
    if len({midi_velocity(sample.velocity) for sample in samples}) > 1:
        yield "amp_veltrack=0"


def _region(name: str, sample: Sample, keys: tuple[int, int], velocities: tuple[int, int]) -> Iterator[str]:
    """``pitch_keycenter`` and ``tune`` bring the sound from where it was measured to where it was asked to be."""
    deviation = round(sample.pitch.deviation_cents or 0.0)
    semitones = round(deviation / 100)
    yield ""
    yield "<region>"
    yield f"sample={name}"
    yield f"lokey={keys[0]} hikey={keys[1]} lovel={velocities[0]} hivel={velocities[1]}"
    yield f"pitch_keycenter={key_of(sample) + semitones} tune={100 * semitones - deviation}"
