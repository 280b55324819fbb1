"""One attempt at a job for sounds: find what the bank has, play what it lacks, wait for what another job is making."""

from __future__ import annotations

import io
from collections.abc import Callable, Iterable, Mapping
from contextlib import closing, suppress
from functools import partial
from typing import TYPE_CHECKING, Any

import soundfile

from core.audio.blocks import closable
from core.errors import (
    BlobNotFound,
    CancelRequested,
    DeadlineExceeded,
    EngineFailed,
    MadeElsewhere,
    SoundNotFound,
    TimeUsedUp,
)
from core.files.background import WriteBehind
from core.jobs.model import Job, JobKind
from core.jobs.progress import Progress
from core.ports import NoteRenderer, Take
from core.soundbank.ask import Ask
from core.soundbank.asking import asks_of
from core.soundbank.claims import Claim
from core.soundbank.deriving import shift
from core.soundbank.finding import Finder
from core.soundbank.finishing import Finished, finish
from core.soundbank.keeping import Keeper, Provenance, maker_of, sample_id_of
from core.soundbank.planner import request_of
from core.soundbank.sample import SAMPLES, Derivation, Sample, SoundMaker
from core.soundbank.sharing import Sharing
from core.soundbank.view import sound_result
from core.soundbank.weights import note_weights

if TYPE_CHECKING:
    from core.ports import Block
    from core.soundbank.worker import SoundWorker

_FILES_BEHIND = 8  # notes that wait in memory for storage
_THREADS = 2


class Attempt:
    """One attempt. What an earlier one made is in the bank, and so is found."""

    def __init__(self, bank: SoundWorker, job: Job, progress: Progress) -> None:
        self._bank = bank
        self._job = job
        self._progress = progress
        self._request = request_of(job)
        self._engine = bank.engines.notes(job.engine.name)
        self._model = self._engine.info.model(job.request["model"]).name
        self._asks = asks_of(self._request, self._engine.info, self._model)
        self._keeper = Keeper(bank.store, bank.blobs, bank.clock, job)
        finder = Finder(bank.store, bank.clock, self._request.expires_in_seconds)
        self._sharing = Sharing(bank.store.claims, finder, bank.jobs, job.job_id, progress.check)
        self._sounds: dict[int, Sample] = {}

    def run(self) -> None:
        """Come to every sound. Raises ``MadeElsewhere``, ``EngineError``, or what stops an attempt."""
        if self._job.request.get("derive_from") is None or not self._derive():
            self._play()
        self._progress.measured(self._result())

    # Playing

    def _play(self) -> None:
        self._progress.report(0, "loading", f"loading {self._engine.info.name}")
        with self._engine.load(self._job.request["model"], self._progress.check) as renderer:
            maker = maker_of(self._engine.info, self._model, renderer.weights, renderer.compute)
            note_weights(self._bank.table, maker.engine, maker.model, maker.weights_sha256)
            self._come_to(self._left(), renderer, maker)
            self._come_to(range(len(self._asks)), renderer, maker)

    def _left(self) -> list[int]:
        """What earlier attempts did not come to: as long as others make it, the rest need not be looked at again."""
        if self._job.kind is not JobKind.SOUND_BATCH or self._job.attempt == 1:
            return []
        named = {index for index, _ in self._bank.store.linked(self._job.job_id)}
        return [index for index in range(len(self._asks)) if index not in named]

    def _come_to(self, wanted: Iterable[int], renderer: NoteRenderer, maker: SoundMaker) -> None:
        while missing := [index for index in wanted if index not in self._sounds]:
            fingerprints = {index: self._asks[index].fingerprint(maker.weights_sha256) for index in missing}
            if self._request.no_cache:
                if takes := self._not_yet_made(fingerprints):
                    self._make(renderer, maker, takes)
                continue
            shares = self._sharing.share_out(fingerprints)
            self._take(shares.found)
            if shares.mine:
                self._make(renderer, maker, shares.mine)
            elif shares.held:
                raise MadeElsewhere(f"job {next(iter(shares.held.values())).job_id} is making the same sound right now")

    def _not_yet_made(self, fingerprints: dict[int, str]) -> Mapping[int, None]:
        """The new takes that no earlier attempt made; nobody else is to have them, so there are no claims."""
        made = self._bank.store.get_many([sample_id_of(self._job.job_id, one) for one in fingerprints.values()])
        self._take({index: sample for index, sample in zip(fingerprints, made, strict=True) if sample})
        return {index: None for index in fingerprints if index not in self._sounds}

    def _make(self, renderer: NoteRenderer, maker: SoundMaker, mine: Mapping[int, Claim | None]) -> None:
        places = list(mine)
        seeds = [self._seed(index) for index in places]
        notes = [self._asks[index].note(seed) for index, seed in zip(places, seeds, strict=True)]
        rendered = closable(renderer.render(notes, self._step(len(places))))
        with WriteBehind(_FILES_BEHIND, _THREADS) as files, closing(rendered) as takes:
            try:
                for take in takes:
                    index, seed = places[take.note], seeds[take.note]
                    files.submit(partial(self._keep, index, take, renderer.sample_rate, maker, seed, mine[index]))
                files.wait()
            except BaseException as error:
                with suppress(Exception):  # it is the first error that counts
                    files.wait()
                if isinstance(error, DeadlineExceeded) and mine.keys() & self._sounds.keys():
                    raise TimeUsedUp from None  # another attempt would get further, too
                raise
        if mine.keys() - self._sounds.keys():
            raise EngineFailed(f"the engine played too few of {len(mine)} notes")

    def _keep(
        self, index: int, take: Take, sample_rate: int, maker: SoundMaker, seed: int, claim: Claim | None
    ) -> None:
        ask = self._asks[index]
        finished = self._finished(ask, take.samples, sample_rate)
        with suppress(CancelRequested, DeadlineExceeded):  # a note that was played is worth keeping
            self._progress.confirm_lease()
        provenance = Provenance(seed, take.tries, round(take.correction_cents, 2))
        self._sounds[index] = self._keeper.keep(index, ask, finished, maker, provenance, claim)
        self._progress.measured(self._result())

    def _seed(self, index: int) -> int:
        """A new take has a seed of its own; any other the one that its request comes to."""
        drawn = self._job.request["take_seed"]
        named = self._request.random_seed
        return self._asks[index].seed() if drawn is None or named is not None else drawn + index

    def _step(self, playing: int) -> Callable[[float], None]:
        total = len(self._asks)
        before = total - playing

        def step(share: float) -> None:
            done = before + share * playing
            self._progress.report(done / total, "playing", f"{int(done)} of {total} notes")

        return step

    # Deriving

    def _derive(self) -> bool:
        """Make the sound from its nearest; false if that is gone by now."""
        [ask] = self._asks
        source = Derivation.model_validate(self._job.request["derive_from"])
        try:
            parent = self._bank.store.get(source.sample_id)
            content = b"".join(self._bank.blobs.read(SAMPLES, parent.blob))
        except (BlobNotFound, SoundNotFound):
            return False
        known = self._sharing.found_or_claimed(ask.fingerprint(parent.made_by.weights_sha256, derived=True))
        if isinstance(known, Sample):
            self._sounds[0] = known
        elif known.job_id != self._job.job_id:
            raise MadeElsewhere(f"job {known.job_id} is deriving the same sound right now")
        else:
            self._shift(ask, parent, source, content, known)
        return True

    def _shift(self, ask: Ask, parent: Sample, source: Derivation, content: bytes, claim: Claim) -> None:
        self._progress.report(0.1, "deriving", f"shifting a sound by {source.shift_semitones:+.2f} semitones")
        samples, sample_rate = soundfile.read(io.BytesIO(content), dtype="float32", always_2d=True)
        shifted = shift(samples.T, sample_rate, source.shift_semitones, round(ask.duration_seconds * sample_rate))
        finished = self._finished(ask, shifted, sample_rate)
        self._progress.confirm_lease()
        provenance = Provenance(parent.random_seed, derived_from=source)
        self._sounds[0] = self._keeper.keep(0, ask, finished, parent.made_by, provenance, claim)

    # What came of it

    def _finished(self, ask: Ask, samples: Block, sample_rate: int) -> Finished:
        effects, seconds = self._request.effects, ask.duration_seconds
        return finish(samples, sample_rate, effects, seconds=seconds, frequency_hz=ask.frequency_hz)

    def _take(self, found: Mapping[int, Sample]) -> None:
        """Have the job, and the batch, name sounds that were there."""
        self._sounds |= found
        if self._job.kind is JobKind.SOUND_BATCH:
            self._bank.store.link(self._job.job_id, {index: sample.sample_id for index, sample in found.items()})
            self._progress.measured(self._result())

    def _result(self) -> dict[str, Any]:
        made = sum(sample.job_id == self._job.job_id for sample in self._sounds.copy().values())
        if self._job.kind is JobKind.SOUND_BATCH:
            return {"total": len(self._asks), "made": made, "found": len(self._sounds) - made}
        [sample] = self._sounds.values()
        return (self._job.result or {}) | sound_result(sample, cached=made == 0)
