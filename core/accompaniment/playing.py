"""Has an engine play the stems that go with a lead sheet."""

from __future__ import annotations

from collections.abc import Callable, Generator
from contextlib import ExitStack, closing
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING

from core.accompaniment.planner import keeps_time
from core.accompaniment.request import AccompanimentOptions
from core.accompaniment.sheet import Sheet
from core.accompaniment.takes import CHANNELS, Remake, Take
from core.accompaniment.window import Window
from core.audio.blocks import closable
from core.errors import EngineFailed, FieldError, InvalidRequest
from core.generation.prompts import build_description
from core.generation.receipt import Maker
from core.ports import GenerationEngine, Recording, Renderer, StemRequest

if TYPE_CHECKING:
    from core.ports import Block

MOST_KEPT_BYTES = 2**30
"""Of samples that wait in temporary files: about 17 minutes of three stems at 44.1 kHz."""

_CHORDS_DESCRIBED = 8  # what a text can hold of a song
_BYTES_A_SAMPLE = 4
_EARLY_SECONDS = 0.02  # players are early, too


@dataclass(frozen=True)
class Players:
    """An engine with a lead sheet before it; the takes have ``frames`` frames at ``sample_rate`` Hz.

    Attributes:
        follow: the audio to play to, at a rate in Hz, for engines that do not read the sheet; ``None`` without any.
        check: raises if the attempt should stop.
    """

    engine: GenerationEngine
    model: str | None
    options: AccompanimentOptions
    sheet: Sheet
    sample_rate: int
    frames: int
    follow: Callable[[int], Recording] | None
    check: Callable[[], None]

    def play(self, step: Callable[[float], None], resources: ExitStack) -> tuple[list[Take], Maker]:
        """The takes, in the order of the stems, and what made them; ``resources`` closes what they hold.

        ``step`` is told which share is done, 0 to 1, and may raise to stop. Raises ``EngineError``.
        """
        info = self.engine.info
        with self.engine.load(self.model, self.check) as renderer:
            melody = self._melody(renderer)
            requests = [self._request(stem, melody) for stem in self.options.target_stems]
            takes = [resources.enter_context(self._take(request, renderer)) for request in requests]
            with closing(closable(renderer.render(requests, step))) as pieces:
                for piece in pieces:
                    if piece.block.size:
                        takes[piece.stem].add(piece.block)
            maker = Maker.of(info, info.model(self.model), renderer)
        if unfinished := [take.stem_type for take in takes if not take.complete]:
            raise EngineFailed(f"the engine made too few samples of {', '.join(unfinished)}")
        return takes, maker

    def _melody(self, renderer: Renderer) -> Recording | None:
        """Of an operator's own model it shows only now whether it follows one."""
        if self.follow is None or keeps_time(self.engine.info):
            return None
        if not renderer.follows_melody:
            detail = f"{self.engine.info.name} {self.model} does not follow what it goes with; choose another model"
            raise InvalidRequest([FieldError("/model", detail)])
        return self.follow(renderer.sample_rate)

    def _take(self, request: StemRequest, renderer: Renderer) -> Take:
        kept_bytes = len(self.options.target_stems) * self.frames * CHANNELS * _BYTES_A_SAMPLE
        remake: Remake | None = None
        if kept_bytes > MOST_KEPT_BYTES and keeps_time(self.engine.info):  # playing it once more is cheap
            remake = partial(self._once_more, request)
        return Take(request, renderer, self.sample_rate, self.frames, self._window(), remake)

    def _window(self) -> Window:
        """Full on the first beat, or from the start; the last one rings for a beat and a half, or to the end."""
        first, last, beat_seconds = self.sheet.first_seconds, self.sheet.last_seconds, 60 / self.sheet.tempo_bpm
        rise_start, rise_stop = (round((first - early * _EARLY_SECONDS) * self.sample_rate) for early in (2, 1))
        fall_start = self.frames if last is None else round((last + beat_seconds / 2) * self.sample_rate)
        return Window(rise_start, rise_stop, fall_start, fall_start + round(beat_seconds * self.sample_rate))

    def _once_more(self, request: StemRequest) -> Generator[Block, None, None]:
        with (
            self.engine.load(self.model, self.check) as renderer,
            closing(closable(renderer.render([request], lambda share: self.check()))) as pieces,
        ):
            for piece in pieces:
                yield piece.block

    def _request(self, stem: str, melody: Recording | None) -> StemRequest:
        options, sheet = self.options, self.sheet
        chords = sheet.chords[:_CHORDS_DESCRIBED]
        return StemRequest(
            stem_type=stem,
            duration_seconds=sheet.duration_seconds,
            tempo_bpm=sheet.tempo_bpm,
            style=options.style,
            chords=chords,
            description=build_description(stem, options.style, round(sheet.tempo_bpm), chords, options.prompt),
            temperature=options.temperature,
            seed=(options.random_seed or 0) % 2**63,
            melody=melody,
            timeline=sheet.timeline,
        )
