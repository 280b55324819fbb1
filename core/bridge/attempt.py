"""One attempt at a bridge: hear both tracks, have the new ones made between them, bring them to files.

What comes of an engine may be louder than a file can hold, and that is known at the end alone; until then the new
tracks wait in temporary files.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import ExitStack, closing
from functools import partial
from typing import Any

import numpy as np

from core.analysis.files.summary import summary
from core.analysis.listening import Voice
from core.analysis.result import Analysis
from core.audio.blocks import closable
from core.audio.formats import OUTPUT_FORMATS
from core.audio.spool import Spool
from core.audio.waveform import CEILING, gain_to_db
from core.bridge.part import TrackPart
from core.bridge.planner import TOLERANCE_SECONDS
from core.bridge.request import SHORTEST_SECONDS, TRACKS, BridgeOptions, length_fault
from core.errors import AudioTooLong, AudioTooShort, NotFinite, SilentAudio
from core.files.inputs import Input, errors_of
from core.files.output import OutputFiles
from core.jobs.model import Job, Output
from core.jobs.progress import Progress
from core.ports import Blobs, Bridger, Engines, Pair, Track

Analyse = Callable[[Sequence[Voice], Callable[[float], None]], Analysis]
"""``core.analysis.analysing.analyse``."""

_HEARD, _MADE = 0.3, 0.9  # how far the job is after each stage, of 1


class Attempt:
    """One attempt; a second one makes the same files in their place."""

    def __init__(self, engines: Engines, blobs: Blobs, analyse: Analyse, job: Job, progress: Progress) -> None:
        fields = {key: value for key, value in job.request.items() if key in BridgeOptions.model_fields}
        self._options = options = BridgeOptions.model_validate(fields)
        self._parts = {
            name: TrackPart(
                blobs, Input.model_validate(job.request[name]), options.start_of(name), options.asked_seconds
            )
            for name in TRACKS
        }
        self._sample_rate = int(job.request["sample_rate"])
        self._engine = engines.bridge(job.engine.name)
        self._blobs = blobs
        self._analyse = analyse
        self._job = job
        self._progress = progress

    def run(self) -> None:
        """Make the files. Raises ``AudioError``, ``SourceChanged``, ``EngineError`` or what stops an attempt."""
        heard = {name: self._hear(name) for name in TRACKS}
        pair = self._pair(heard)
        name = f"{self._engine.info.name} {self._options.model or ''}".strip()
        self._progress.report(_HEARD, "loading", f"loading {name}")
        with ExitStack() as resources:
            spools = [resources.enter_context(Spool(pair.channels)) for _ in pair.ratios]
            with self._engine.load(self._options.model, self._progress.check) as bridger:
                self._make(bridger, pair, spools)
            outputs = self._deliver(pair, spools)
        for output, _ in outputs:
            self._progress.produced(output)
        self._progress.measured(self._result(heard, pair, bridger, outputs))

    # Hearing

    def _hear(self, name: str) -> Analysis:
        """What is in a track. Raises ``AudioTooShort`` or ``SilentAudio``, or what decoding raises."""
        with errors_of(name):
            analysis = self._analyse([self._parts[name].voice()], partial(self._heard, name))
            self._check_length(name, analysis.duration_seconds)
            if analysis.loudness.true_peak_dbtp is None:
                raise SilentAudio("there is nothing but silence in this part of it")
            if analysis.loudness.integrated_lufs is None:
                raise SilentAudio("this part of it is as good as silent: all of it lies under -70 LUFS")
        return analysis

    def _check_length(self, name: str, seconds: float) -> None:
        asked = self._options.asked_seconds or SHORTEST_SECONDS
        if seconds < asked - TOLERANCE_SECONDS:
            start = self._options.start_of(name)
            raise AudioTooShort(
                f"it is over at {start + seconds:.2f} s, and its part would go from {start:g} to {start + asked:g} s"
            )

    def _heard(self, name: str, seconds: float) -> None:
        part = self._parts[name]
        longest = part.seconds or part.entry.audio.duration_seconds or part.entry.longest_seconds
        share = (TRACKS.index(name) + min(seconds / longest, 1.0)) / len(TRACKS)
        self._progress.report(_HEARD * share, "analysing", f"{name}: {seconds:.0f} s heard")

    # Making

    def _pair(self, heard: dict[str, Analysis]) -> Pair:
        options = self._options
        seconds = options.asked_seconds or min(analysis.duration_seconds for analysis in heard.values())
        if fault := length_fault(seconds, len(options.ratios), options.channels):  # a file need not say how long it is
            raise AudioTooLong(fault)
        rate, channels, frames = self._sample_rate, options.channels, round(seconds * self._sample_rate)
        track1, track2 = (
            Track(
                partial(self._parts[name].blocks, rate, channels, frames),
                tuple(beat.time_seconds for beat in heard[name].beats),
            )
            for name in TRACKS
        )
        return Pair(track1, track2, rate, channels, frames, options.ratios, options.crossfade_seconds)

    def _make(self, bridger: Bridger, pair: Pair, spools: Sequence[Spool]) -> None:
        def step(share: float) -> None:
            seconds = pair.frames / pair.sample_rate
            message = f"{share * seconds:.0f} of {seconds:.0f} s made"
            self._progress.report(_HEARD + (_MADE - _HEARD) * share, "bridging", message)

        with closing(closable(bridger.bridge(pair, step))) as blocks:
            for block in blocks:
                if not np.isfinite(block).all():
                    raise NotFinite("the engine made samples that are no numbers")
                for spool, track in zip(spools, block, strict=True):
                    spool.append(track)

    # Storing

    def _deliver(self, pair: Pair, spools: Sequence[Spool]) -> list[tuple[Output, float]]:
        """Each new track's file, and the gain that brought it below full scale."""
        clips = OUTPUT_FORMATS[self._options.format].clips
        gains = [min(1.0, CEILING / spool.peak) if clips and spool.peak else 1.0 for spool in spools]
        with OutputFiles(self._blobs, self._job) as files:
            for index, (ratio, spool, gain) in enumerate(zip(pair.ratios, spools, gains, strict=True)):
                file = files.open(
                    f"bridge-{ratio:g}", self._options.format, sample_rate=pair.sample_rate, channels=pair.channels,
                    frames=pair.frames,
                )  # fmt: skip
                self._progress.report(_MADE + (1 - _MADE) * index / len(spools), "storing", f"ratio {ratio:g}")
                with closing(closable(spool.blocks(gain))) as blocks:
                    for block in blocks:
                        file.write(block)
                        self._progress.check()
            files.finish()
            self._progress.confirm()
            return list(zip(files.commit(), gains, strict=True))

    def _result(
        self, heard: dict[str, Analysis], pair: Pair, bridger: Bridger, outputs: Sequence[tuple[Output, float]]
    ) -> dict[str, Any]:
        """``segments`` is how many the engine made one by one; ``None`` if it made the whole in one go."""
        options = self._options
        seconds = pair.frames / pair.sample_rate
        return {
            "start_seconds": options.start_seconds,
            "track2_start_seconds": options.start_of(TRACKS[1]),
            "duration_seconds": round(seconds, 6),
            "sample_rate": pair.sample_rate,
            "channels": pair.channels,
            "segments": segments(pair, bridger.segment_seconds),
            "segment_seconds": bridger.segment_seconds,
            "crossfade_seconds": options.crossfade_seconds if bridger.segment_seconds else None,
            "tracks": {name: _found(analysis) for name, analysis in heard.items()},
            "bridges": [
                {
                    "name": output.name,
                    "ratio": ratio,
                    "gain_db": round(gain_to_db(gain), 3),
                    "loudness_lufs": output.loudness_lufs,
                    "true_peak_dbtp": output.true_peak_dbtp,
                }
                for ratio, (output, gain) in zip(pair.ratios, outputs, strict=True)
            ],
            "weights": bridger.weights,
            "compute": bridger.compute,
        }


def segments(pair: Pair, segment_seconds: float | None) -> int | None:
    """How many segments ``pair`` takes, each beginning a crossfade before the end of the one before.

    Counted in frames: of seconds, there could be one more for what is lost in their rounding.
    """
    if segment_seconds is None:
        return None
    length, fade = (round(seconds * pair.sample_rate) for seconds in (segment_seconds, pair.crossfade_seconds))
    return 1 + -(-max(pair.frames - length, 0) // (length - fade))


def _found(analysis: Analysis) -> dict[str, Any]:
    """What the answer says of a track: as of an analysis, and how bright it sounds."""
    brightness = analysis.spectral_features.get("spectral_centroid")
    return summary(analysis) | {"brightness_hz": round(brightness.mean, 1) if brightness else None}
