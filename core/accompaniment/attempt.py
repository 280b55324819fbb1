"""One attempt at an accompaniment: hear the source, have the stems played, balance them, write the files."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from functools import partial
from typing import Any

from core.accompaniment.asking import ChordsAsked
from core.accompaniment.delivering import Delivery
from core.accompaniment.mixing import LOUDNESS_LUFS, Blocks, Levels, balanced
from core.accompaniment.planner import SAMPLE_RATE, keeps_time
from core.accompaniment.playing import Players
from core.accompaniment.request import AccompanimentOptions
from core.accompaniment.sheet import Sheet, sheet_from_analysis, sheet_from_chords
from core.accompaniment.source_audio import SourceAudio
from core.accompaniment.takes import Take
from core.analysis.listening import Voice
from core.analysis.result import Analysis
from core.audio.levels import rounded
from core.audio.waveform import gain_to_db
from core.errors import AudioTooLong, NoBeatFound
from core.files.inputs import Input
from core.generation.receipt import Maker
from core.jobs.model import Job, Output
from core.jobs.progress import Progress
from core.ports import Blobs, Engines

Analyse = Callable[[Sequence[Voice], Callable[[float], None]], Analysis]
"""``core.analysis.analysing.analyse``."""

_HEARD, _PLAYED, _BALANCED = 0.35, 0.75, 0.85  # how far the job is after each stage, of 1
_BOTH_SIDES_DB = 10 * math.log10(2)
"""How much louder mono is, as BS.1770 sums it, once it stands on both sides of a mix."""


class Attempt:
    """One attempt; a second one makes the same files in their place."""

    def __init__(self, engines: Engines, blobs: Blobs, analyse: Analyse, job: Job, progress: Progress) -> None:
        request = job.request
        fields = {key: value for key, value in request.items() if key in AccompanimentOptions.model_fields}
        self._options = AccompanimentOptions.model_validate(fields)
        self._source = SourceAudio(blobs, Input.model_validate(request["input"])) if request["input"] else None
        self._asked = ChordsAsked.model_validate(request["chords"]) if request["chords"] else None
        self._sample_rate = self._source.entry.audio.sample_rate if self._source else SAMPLE_RATE
        self._engine = engines.generation(job.engine.name)
        self._blobs = blobs
        self._analyse = analyse
        self._job = job
        self._progress = progress

    def run(self) -> None:
        """Make the files. Raises ``AudioError``, ``SourceChanged``, ``EngineError`` or what stops an attempt."""
        sheet, target_lufs = self._prepared()
        frames = round(sheet.duration_seconds * self._sample_rate)
        with ExitStack() as resources:
            takes, maker = self._play(sheet, frames, resources)
            levels = self._balance(takes, target_lufs, frames)
            outputs = self._deliver(takes, levels, frames)
        for output in outputs:
            self._progress.produced(output)
        self._progress.measured(self._result(sheet, levels, maker, outputs))

    def _prepared(self) -> tuple[Sheet, float]:
        """What is to be played, and how loud, in LUFS, all of it together should be."""
        if self._asked is not None:
            return sheet_from_chords(self._asked), LOUDNESS_LUFS
        assert self._source is not None  # one of the two there is
        analysis = self._analyse([self._source.voice()], self._heard)
        if analysis.loudness.true_peak_dbtp is None:
            raise NoBeatFound("it is silent: there is nothing to play to")
        sheet = sheet_from_analysis(analysis)
        if analysis.loudness.integrated_lufs is None:
            raise NoBeatFound("it is as good as silent: all of it lies under -70 LUFS")
        if not sheet.chords and "drums" not in self._options.target_stems:
            raise NoBeatFound("no chord was heard in it, so there is nothing to play but drums: ask for them")
        self._check_length(sheet)
        both_sides_db = _BOTH_SIDES_DB if analysis.channels == 1 else 0.0
        return sheet, analysis.loudness.integrated_lufs + both_sides_db + self._options.balance_db

    def _check_length(self, sheet: Sheet) -> None:
        """A file need not say how long it is; now that is known."""
        longest = self._engine.info.model(self._options.model).longest_seconds
        if not keeps_time(self._engine.info) and longest is not None and sheet.duration_seconds > longest:
            name = self._engine.info.name
            raise AudioTooLong(f"{name} makes at most {longest:g} seconds, this has {sheet.duration_seconds:.1f}")

    def _play(self, sheet: Sheet, frames: int, resources: ExitStack) -> tuple[list[Take], Maker]:
        self._progress.report(
            _HEARD, "loading", f"loading {self._engine.info.name} {self._options.model or ''}".strip()
        )
        source, check = self._source, self._progress.check
        follow = None
        if source is not None:
            follow = partial(source.melody, seconds=sheet.duration_seconds, check=check)
        players = Players(
            self._engine, self._options.model, self._options, sheet, self._sample_rate, frames, follow, check
        )
        return players.play(self._step("generating", _HEARD, _PLAYED), resources)

    def _balance(self, takes: Sequence[Take], target_lufs: float, frames: int) -> Levels:
        self._progress.report(_PLAYED, "mixing", "bringing the stems to their levels")
        return balanced(
            [take.blocks for take in takes], [take.loudness() for take in takes], self._mixed_in(frames), target_lufs,
            self._sample_rate, self._progress.check,
        )  # fmt: skip

    def _deliver(self, takes: Sequence[Take], levels: Levels, frames: int) -> list[Output]:
        delivery = Delivery(self._blobs, self._job, self._options.format, self._sample_rate, frames)
        report = self._step("storing", _BALANCED, 1.0)
        mix = bool(self._options.mix)
        return delivery.deliver(takes, levels, self._mixed_in(frames), mix, report, self._progress.confirm)

    def _mixed_in(self, frames: int) -> Blocks | None:
        """The source, if it is part of a mix."""
        if self._source is None or not self._options.mix:
            return None
        return partial(self._source.stereo, frames)

    def _heard(self, seconds: float) -> None:
        assert self._source is not None  # whose seconds these are
        longest = self._source.entry.audio.duration_seconds or self._source.entry.longest_seconds
        self._progress.report(_HEARD * min(seconds / longest, 1.0), "analysing", f"{seconds:.0f} s heard")

    def _step(self, stage: str, start: float, stop: float) -> Callable[[float], None]:
        def step(share: float) -> None:
            self._progress.report(start + (stop - start) * share, stage, f"{100 * share:.0f} %")

        return step

    def _result(self, sheet: Sheet, levels: Levels, maker: Maker, outputs: Sequence[Output]) -> dict[str, Any]:
        """The mix is the source raised by ``source_gain_db``, plus the stems as they are."""
        stems = {
            output.stem_type: {
                "gain_db": round(gain_to_db(gain), 3),
                "loudness_lufs": output.loudness_lufs,
                "true_peak_dbtp": output.true_peak_dbtp,
            }
            for output, gain in zip(outputs, levels.stems, strict=False)  # the mix comes after them
        }
        return {
            **sheet.summary(),
            "keeps_time": keeps_time(self._engine.info),
            "random_seed": self._options.random_seed,
            "accompaniment_lufs": rounded(levels.accompaniment_lufs),
            "source_gain_db": round(gain_to_db(levels.source), 6) if self._source else None,
            "stems": stems,
            **maker.model_dump(),
            "source": self._source.entry.source.model_dump(include={"container", "name", "filename", "sha256"})
            if self._source
            else None,
        }
