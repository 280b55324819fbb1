"""Music theory, ``/v1/theory``: what is answered at once, without a job."""

from __future__ import annotations

from fastapi import APIRouter, Depends

from core.songwriting import suggesting
from core.songwriting.request import SuggestionRequest
from core.songwriting.suggesting import SuggestionsView
from functions.http.dependencies import require_json

router = APIRouter(prefix="/v1/theory", tags=["theory"])


@router.post("/suggest", dependencies=[Depends(require_json)])
def suggest_chords(body: SuggestionRequest) -> SuggestionsView:
    """What could come next after some chords, with what each does and why. With a mood, whole progressions as well.

    The same body gives the same answer.
    """
    return suggesting.answer(body)
