"""The text condition of a stem, for engines that are steered by words."""

from __future__ import annotations

from collections.abc import Sequence

CHARACTERISTICS = {
    "drums": "isolated drum kit with kick, snare and hi-hat",
    "bass": "isolated bass guitar with a deep fundamental",
    "guitar": "isolated electric guitar with warm saturation",
    "vocals": "isolated wordless vocals with natural vibrato",
    "piano": "isolated acoustic piano with a clear attack",
    "synth": "isolated synthesizer pad with rich harmonics",
    "other": "isolated melodic instrument",
}
"""What a stem of each type sounds like, in the words of a caption."""


def build_description(stem_type: str, style: str, tempo_bpm: float, chords: Sequence[str], prompt: str) -> str:
    """Join the client's own words and what the request says of the stem, e.g.

    ``"energetic, isolated bass guitar with a deep fundamental, rock style, 120 bpm, chords C G Am F"``.

    Empty parts are left out and runs of blanks become one. A stem type that has no line of its own names itself.
    """
    parts = [
        prompt,
        CHARACTERISTICS.get(stem_type, f"isolated {stem_type}"),
        f"{style} style" if style.strip() else "",
        f"{tempo_bpm:g} bpm",
        f"chords {' '.join(chords)}" if chords else "",
    ]
    tidied = (" ".join(part.split()).rstrip(",.;") for part in parts)
    return ", ".join(part for part in tidied if part)
