"""Which sections a song has, in which order, and how long they are."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal, get_args

from core.theory.statistics import Style

SectionName = Literal["intro", "verse", "chorus", "bridge", "outro"]
SECTION_NAMES: tuple[SectionName, ...] = get_args(SectionName)

FORMS: Mapping[Style, tuple[SectionName, ...]] = {
    "pop": ("verse", "chorus", "verse", "chorus", "bridge", "chorus"),
    "rock": ("intro", "verse", "chorus", "verse", "chorus", "bridge", "chorus", "outro"),
    "jazz": ("verse", "verse", "bridge", "verse"),
    "blues": ("verse", "verse", "verse"),
    "folk": ("verse", "chorus", "verse", "chorus", "verse", "chorus"),
}
"""The usual order. Jazz standards mostly have thirty-two bars, AABA; a blues repeats its twelve."""

FORM_REASONS: Mapping[Style, str] = {
    "pop": "What comes back is remembered: three choruses, and a bridge so that the last one sounds new.",
    "rock": "An intro sets the riff, three choruses carry the song, and the outro lets it ring.",
    "jazz": "Thirty-two bars, AABA: the bridge is the one contrast, and the last A feels like coming home.",
    "blues": "Twelve bars, again and again: everybody who plays with you knows them already.",
    "folk": "Verses tell the story, and everybody joins in the chorus.",
}


def bars_of(section: SectionName, style: Style) -> int:
    """How many bars of 4/4 a section has."""
    if style == "blues" and section not in ("intro", "outro"):
        return 12
    return 4 if section in ("intro", "outro") else 8
