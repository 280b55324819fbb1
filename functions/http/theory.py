"""Music theory, ``/v1/theory``: what is answered at once, without a job."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Depends

from core.assistant.service import Assistant
from core.songwriting import changing, suggesting, view
from core.songwriting.changing import ChordsRequest, ChordsView
from core.songwriting.request import SongRequest, SuggestionRequest
from core.songwriting.suggesting import SuggestionsView
from core.songwriting.view import SongView
from functions.http.dependencies import ServicesDep, require_json

router = APIRouter(prefix="/v1/theory", tags=["theory"])


async def assistant(services: ServicesDep) -> Assistant:
    """The assistant that the settings name, or none."""
    return services.assistant


AssistantDep = Annotated[Assistant, Depends(assistant)]


@router.post("/suggest", dependencies=[Depends(require_json)])
def suggest_chords(body: SuggestionRequest, assistant: AssistantDep) -> SuggestionsView:
    """What could come next after some chords, with what each does and why. With a mood, whole progressions as well.

    The same body gives the same answer, unless `assistant` asks the server's assistant as well: then its chords take
    the place of the likeliest ones, if they can be used; `assistant` in the answer says so.
    """
    return suggesting.answer(body, assistant)


@router.post("/chords", dependencies=[Depends(require_json)])
def change_chords(body: ChordsRequest) -> ChordsView:
    """Read chords in any notation, move them to another pitch or key, make them simpler, and find the best capo."""
    return changing.answer(body)


@router.post("/songs", dependencies=[Depends(require_json)])
def write_song(body: SongRequest, assistant: AssistantDep) -> SongView:
    """A song for a theme: key, tempo, form, chords, hints for melody and words, each step with its why.

    `requests` holds bodies that make the accompaniment and the tabs of this very song. The same theme and seed give the
    same song, unless `assistant` asks the server's assistant as well: then title, chords and prompts are its own, if
    they can be used; `assistant` in the answer says so.
    """
    return view.answer(body, assistant)
