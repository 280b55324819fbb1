"""Tabs: ``POST /tabs``, as its first clients know it, and ``POST /v1/theory/tabs`` with all there is to choose."""

from __future__ import annotations

import base64
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Header, Response
from pydantic import BaseModel, Field

from core.tablature.formats import MEDIA_TYPES, written
from core.tablature.request import SimpleTabsRequest, TabFormat, TabRequest
from core.tablature.tabs import make_tab
from core.tablature.view import ShapeView, shape_views
from functions.http.dependencies import require_json

router = APIRouter(tags=["theory"])

_BARE: dict[int | str, dict[str, Any]] = {
    200: {"content": {media_type: {"schema": {"type": "string"}} for media_type in MEDIA_TYPES}}
}


class SimpleTabs(BaseModel):
    """The answer to ``POST /tabs``."""

    chords: list[str]
    guitar: str = Field(description="A strummed tab, as text")
    bass: str = Field(description="Roots and fifths, as text")
    shapes: list[ShapeView] = Field(description="How the guitar holds each chord")


class TabAnswer(BaseModel):
    """The answer to ``POST /v1/theory/tabs``."""

    chords: list[str]
    instrument: str
    tuning: list[str]
    capo: int
    shapes: list[ShapeView]
    format: TabFormat
    media_type: str = Field(description="Of `tab`; named in `Accept`, it is the whole answer")
    tab: str = Field(description="Text; base64 of a binary format")


@router.post("/tabs", response_model=SimpleTabs, dependencies=[Depends(require_json)])
def create_simple_tabs(body: SimpleTabsRequest) -> Any:
    """Chords in, `{"chords": […]}` or a bare list; a guitar tab and a bass tab out, one bar for each chord."""
    guitar = TabRequest(chords=body.chords, key=body.key, level="open")
    bass = TabRequest(chords=body.chords, key=body.key, pattern="bass")
    tab = make_tab(guitar)
    return SimpleTabs(
        chords=[chord.symbol for chord in tab.chords],
        guitar=str(written(tab, guitar).content),
        bass=str(written(make_tab(bass), bass).content),
        shapes=shape_views(tab),
    )


@router.post("/v1/theory/tabs", response_model=TabAnswer, responses=_BARE, dependencies=[Depends(require_json)])
def create_tabs(
    body: TabRequest,
    accept: Annotated[
        str, Header(description="The format's own media type in the first place asks for the bare tab")
    ] = "*/*",
) -> Any:
    """How to hold and play chords: shapes that lie close together, and a tab of a pattern in the format asked for.

    The chords sound as they are named: with a capo, the shapes are those of lower chords.
    """
    tab = make_tab(body)
    result = written(tab, body)
    if accept.replace(",", ";").partition(";")[0].strip().lower() == result.media_type:
        return Response(result.content, media_type=result.media_type)
    content = result.content
    return TabAnswer(
        chords=[chord.symbol for chord in tab.chords],
        instrument=tab.score.instrument,
        tuning=list(tab.score.neck.notes),
        capo=body.capo,
        shapes=shape_views(tab),
        format=body.format,
        media_type=result.media_type,
        tab=content if isinstance(content, str) else base64.b64encode(content).decode(),
    )
