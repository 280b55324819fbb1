"""What the words of a style do to the tone: a small vocabulary, all other words are passed over."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass

_WORDS = re.compile(r"[a-z]+")
_TILTS: Mapping[str, float] = {
    **dict.fromkeys(("bright", "crisp", "sparkling", "twangy", "jangly", "brilliant"), 3.0),
    **dict.fromkeys(("warm", "mellow", "round", "jazz", "jazzy", "soft"), -3.0),
    **dict.fromkeys(("dark", "dull"), -5.0),
}
_DRIVES_DB: Mapping[str, float] = {
    **dict.fromkeys(("crunch", "crunchy", "overdrive", "overdriven", "gritty"), 16.0),
    **dict.fromkeys(("distorted", "distortion", "lead"), 27.0),
    **dict.fromkeys(("metal", "fuzz", "fuzzy"), 36.0),
}
_MUTES: Mapping[str, float] = dict.fromkeys(("muted", "dampened", "dry"), 6.0)

VOCABULARY = frozenset({*_TILTS, *_DRIVES_DB, *_MUTES, "clean"})


@dataclass(frozen=True)
class Tone:
    """How a note is coloured.

    Attributes:
        tilt_db: per octave above 500 Hz, below which nothing changes.
        drive_db: how far an amplifier is driven into saturation; 0 for none.
        damping: what is added to every partial's decay, per second.
    """

    tilt_db: float = 0.0
    drive_db: float = 0.0
    damping: float = 0.0


def tone_of(style: str) -> Tone:
    """The tone that a style's words ask for. The strongest word of a kind counts; ``clean`` takes all drive away."""
    words = _WORDS.findall(style.lower())
    tilts = [_TILTS[word] for word in words if word in _TILTS]
    drives = [0.0 if "clean" in words else _DRIVES_DB[word] for word in words if word in _DRIVES_DB]
    return Tone(
        tilt_db=max(tilts, key=abs, default=0.0),
        drive_db=max(drives, default=0.0),
        damping=max((_MUTES[word] for word in words if word in _MUTES), default=0.0),
    )
