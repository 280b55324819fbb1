"""Hints for the words: what each section is for, and how its lines rhyme."""

from __future__ import annotations

from collections.abc import Mapping

from core.songwriting.forms import SectionName
from core.songwriting.themes import Theme
from core.theory.statistics import Style

_STORY = "Every other line rhymes, which leaves room to tell a story."
_PAIRS = "Neighbouring lines rhyme, which is easy to sing along to."
_CONTRAST = "Another order of rhymes makes the part stand out."
_BLUES = "The first line is sung twice, which gives you time to find the third."
_SUNG = {
    "verse": ("ABCB", _STORY), "chorus": ("AABB", _PAIRS), "bridge": ("ABBA", _CONTRAST),
    "intro": ("A", _STORY), "outro": ("A", _STORY),
}  # fmt: skip

RHYME_SCHEMES: Mapping[Style, Mapping[str, tuple[str, str]]] = {
    "pop": _SUNG | {"verse": ("ABAB", _STORY)},
    "rock": _SUNG,
    "jazz": _SUNG | {"verse": ("AABA", "The third line departs and the fourth comes back, as the whole tune does.")},
    "blues": dict.fromkeys(_SUNG, ("AAB", _BLUES)),
    "folk": _SUNG | {"verse": ("AABB", _PAIRS)},
}
"""For each style and section the scheme, a letter a line, and why."""


def prompts_for(section: SectionName, theme: Theme) -> list[str]:
    """What to write about in a section: sentences that name the theme and its words."""
    subject = theme.subject
    first, last = theme.words[0], theme.words[-1]
    return {
        "verse": [
            f"Set the scene: where were you when you last thought of {subject}, and what was in your hands?",
            f"Second time round, come back to “{first}” and show what has changed.",
        ],
        "chorus": [
            f"Say in plain words what {subject} means to you, and begin or end with “{theme.title}”.",
            "Keep it short enough to be sung from memory after hearing it once.",
        ],
        "bridge": [f"Look from the other side: if “{last}” could answer, what would it say to you?"],
        "intro": [f"No words yet, or only “{theme.title}”."],
        "outro": [f"Repeat “{theme.title}” until it fades."],
    }[section]
