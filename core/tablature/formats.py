"""The formats that a tab is written in."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from core.tablature.ascii import ascii_tab
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


def _ascii(tab: Tab, request: TabRequest) -> Written:
    return Written(ascii_tab(tab.score, request.width), "text/plain")


_WRITERS: dict[TabFormat, Callable[[Tab, TabRequest], Written]] = {"ascii": _ascii}


def written(tab: Tab, request: TabRequest) -> Written:
    """The tab in the format that the request asks for."""
    return _WRITERS[request.format](tab, request)
