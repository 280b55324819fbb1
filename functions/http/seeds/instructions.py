"""The first songwriting service's route, ``/instructions``: a theme in, the steps of a simple song out."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Depends, Query

from core.songwriting.request import Theme, ThemeRequest
from core.songwriting.view import Instructions, instructions
from functions.http.dependencies import require_json

router = APIRouter(tags=["first songwriting service"])


@router.post("/instructions", dependencies=[Depends(require_json)])
def create_instructions(body: ThemeRequest) -> Instructions:
    """How to write a simple song about a theme, step by step, for people without theory.

    `/v1/theory/songs` has the same song in full.
    """
    return instructions(body.theme)


@router.get("/instructions")
def get_instructions(theme: Annotated[Theme, Query(description="What the song is about")]) -> Instructions:
    """The same, for a theme in the address."""
    return instructions(theme)
