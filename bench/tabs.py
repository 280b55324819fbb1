"""How long fingerings and tabs take: 200 chords on several necks, with nothing kept from before and again."""

from __future__ import annotations

import random
import time
from itertools import product

from bench.report import Goal, Section, Table
from core.tablature.request import TabRequest
from core.tablature.tabs import make_tab
from core.theory import voicings

CHORDS = 200
SLOWEST_SECONDS = 1.0
_ROOTS = ("C", "C#", "D", "Eb", "E", "F", "F#", "G", "Ab", "A", "Bb", "B")
_QUALITIES = ("", "m", "7", "maj7", "m7", "sus4", "dim", "9", "m7b5", "6")
_NECKS = {
    "guitar": {},
    "guitar in open G": {"tuning": "open_g"},
    "guitar with a capo on fret 3": {"capo": 3},
    "guitar with seven strings": {"strings": 7},
    "ukulele": {"instrument": "ukulele"},
}


def measure() -> Section:
    """The same chords on each neck."""
    every = [root + quality for root, quality in product(_ROOTS, _QUALITIES)]
    chords = random.Random(1).choices(every, k=CHORDS)
    taken = {name: (_seconds(chords, fields, cold=True), _seconds(chords, fields)) for name, fields in _NECKS.items()}
    return Section(
        "Tabs",
        f"CPU time for {CHORDS} chords, drawn from {len(every)}: their shapes, the easiest way through them, and the "
        "tab in ASCII. Cold means that no chord was asked for before.",
        [Table(("neck", "cold", "warm"), [[name, *(f"{t:.2f} s" for t in both)] for name, both in taken.items()])],
        [Goal(f"{CHORDS} chords on a guitar within {SLOWEST_SECONDS:g} s", taken["guitar"][0], SLOWEST_SECONDS)],
    )


def _seconds(chords: list[str], fields: dict[str, object], cold: bool = False) -> float:
    if cold:
        voicings._search.cache_clear()
    request = TabRequest.model_validate({"chords": chords} | fields)
    started = time.process_time()
    make_tab(request)
    return time.process_time() - started
