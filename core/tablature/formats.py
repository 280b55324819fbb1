"""The formats that a tab is written in."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from core.tablature.alphatex import alphatex
from core.tablature.ascii import ascii_tab
from core.tablature.diagram import chord_diagrams
from core.tablature.midi import midi_file
from core.tablature.musicxml import musicxml
from core.tablature.request import TabFormat, TabRequest
from core.tablature.tabs import Tab


@dataclass(frozen=True)
class Written:
    """A tab in one of the formats.

    Attributes:
        content: text, or the bytes of a binary format.
        media_type: what it is.
    """

    content: str | bytes
    media_type: str


_WRITERS: dict[TabFormat, tuple[str, Callable[[Tab, TabRequest], str | bytes]]] = {
    "ascii": ("text/plain", lambda tab, request: ascii_tab(tab.score, request.width)),
    "alphatex": ("text/x-alphatex", lambda tab, request: alphatex(tab)),
    "musicxml": ("application/vnd.recordare.musicxml+xml", lambda tab, request: musicxml(tab)),
    "midi": ("audio/midi", lambda tab, request: midi_file(tab.score)),
    "svg": ("image/svg+xml", lambda tab, request: chord_diagrams(tab)),
}
"""Each with its media type; that of alphaTex is registered nowhere."""

MEDIA_TYPES = tuple(media_type for media_type, _ in _WRITERS.values())


def written(tab: Tab, request: TabRequest) -> Written:
    """The tab in the format that the request asks for."""
    media_type, write = _WRITERS[request.format]
    return Written(write(tab, request), media_type)
