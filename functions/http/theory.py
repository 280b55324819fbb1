"""Music theory, ``/v1/theory``: what is answered at once, without a job."""

from __future__ import annotations

from fastapi import APIRouter, Depends

from core.songwriting import changing, suggesting
from core.songwriting.changing import ChordsRequest, ChordsView
from core.songwriting.request import SongRequest, SuggestionRequest
from core.songwriting.suggesting import SuggestionsView
from core.songwriting.view import SongView, song_for, song_view
from functions.http.dependencies import require_json

router = APIRouter(prefix="/v1/theory", tags=["theory"])


@router.post("/suggest", dependencies=[Depends(require_json)])
def suggest_chords(body: SuggestionRequest) -> SuggestionsView:
    """What could come next after some chords, with what each does and why. With a mood, whole progressions as well.

    The same body gives the same answer.
    """
    return suggesting.answer(body)


@router.post("/chords", dependencies=[Depends(require_json)])
def change_chords(body: ChordsRequest) -> ChordsView:
    """Read chords in any notation, move them to another pitch or key, make them simpler, and find the best capo."""
    return changing.answer(body)


@router.post("/songs", dependencies=[Depends(require_json)])
def write_song(body: SongRequest) -> SongView:
    """A song for a theme: key, tempo, form, chords, hints for melody and words, each step with its why.

    `requests` holds bodies that make the accompaniment and the tabs of this very song. The same theme and seed give the
    same song.
    """
    return song_view(song_for(body))
