"""From a request to the notes it asks for; the same at planning and, later, in the worker."""

from __future__ import annotations

from collections.abc import Iterator

from core.errors import FieldError, InvalidRequest
from core.ports import EngineInfo
from core.soundbank.ask import Ask
from core.soundbank.batch import BatchNote, expand
from core.soundbank.request import SoundBatchRequest, SoundRequest
from core.theory.fretboard import INSTRUMENTS, Instrument
from core.theory.techniques import settled, unused


def asks_of(request: SoundRequest | SoundBatchRequest, engine: EngineInfo, model: str) -> list[Ask]:
    """The notes of a request, played by this model. Raises ``InvalidRequest`` if the instrument cannot play them."""
    instrument = INSTRUMENTS[request.instrument]
    if errors := [*_unused(request), *_at_odds(request)]:
        raise InvalidRequest(errors)
    try:
        open_pitches = instrument.open_pitches(request.tuning)
    except ValueError as error:
        raise InvalidRequest([FieldError("/tuning", str(error))]) from None
    if isinstance(request, SoundRequest):
        if errors := list(_place_errors(request, instrument)):
            raise InvalidRequest(errors)
        notes = [BatchNote(request.string, request.fret, request.velocity)]
    else:
        notes = expand(request, instrument, open_pitches)
    return [_ask(request, engine, model, note, instrument, open_pitches[-note.string]) for note in notes]


def _ask(
    request: SoundRequest | SoundBatchRequest, engine: EngineInfo, model: str, note: BatchNote, instrument: Instrument,
    open_pitch: int,
) -> Ask:  # fmt: skip
    try:
        articulation = settled(request.articulation, request.technique, note.fret, request.duration_seconds)
        if (articulation.from_fret or 0) > instrument.frets:
            raise ValueError(f"from_fret {articulation.from_fret}: {instrument.name} has {instrument.frets} frets")
    except ValueError as error:
        raise InvalidRequest([FieldError("/articulation", str(error))]) from None
    return Ask(
        instrument=request.instrument,
        tuning=request.tuning,
        string=note.string,
        fret=note.fret,
        open_pitch=open_pitch,
        velocity=note.velocity,
        technique=request.technique,
        articulation=articulation,
        style_prompt=request.style_prompt,
        duration_seconds=request.duration_seconds,
        effects=tuple(effect.model_dump(mode="json") for effect in request.effects),
        random_seed=request.random_seed,
        engine=engine.name,
        version=engine.version,
        model=model,
    )


def _unused(request: SoundRequest | SoundBatchRequest) -> Iterator[FieldError]:
    for name, users in unused(request.articulation, request.technique):
        yield FieldError(f"/articulation/{name}", f"belongs to the technique {users}, which was not asked for")


def _at_odds(request: SoundRequest | SoundBatchRequest) -> Iterator[FieldError]:
    if isinstance(request, SoundRequest) and request.derive and request.no_cache:
        yield FieldError("/derive", "goes without no_cache: what is derived of a sound is the same every time")


def _place_errors(request: SoundRequest, instrument: Instrument) -> Iterator[FieldError]:
    if request.string > instrument.strings:
        yield FieldError("/string", f"{instrument.name} has strings 1 to {instrument.strings}, not {request.string}")
    if request.fret > instrument.frets:
        yield FieldError("/fret", f"{instrument.name} has frets 0 to {instrument.frets}, not {request.fret}")
