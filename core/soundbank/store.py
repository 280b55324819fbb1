"""The sounds of the bank, by id, by fingerprint, by family and by batch.

Adding, changing and removing a sound are one transaction each, over all of its rows; an attempt that was repeated, or
whose answer was lost on the way, comes to the same rows. ``core.soundbank.search`` finds sounds by what they are like.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from datetime import datetime
from itertools import islice

from core.errors import RowChanged, RowExists, RowNotFound, SoundNotFound
from core.jobs.model import Model
from core.ports import Change, Insert, Remove, Replace, Row, Table
from core.soundbank.claims import Claim, Claims, made
from core.soundbank.rows import (
    PARTITION,
    batch_key,
    document,
    just_after,
    made_key,
    place_keys,
    sample_of,
    sound_key,
    span,
)
from core.soundbank.sample import Sample

_TRIES = 10  # each fails only if somebody else wrote the same sound in between
_LARGEST_SCAN = 1000
_LARGEST_COMMIT = 100


class _Link(Model):
    sample_id: str


class SoundStore:
    """Sounds in a table. ``etag`` is set on those that ``get``, ``get_many``, ``find``, ``add`` and ``retag`` return.

    Attributes:
        claims: who makes what, in the same table.
    """

    def __init__(self, table: Table) -> None:
        self._table = table
        self.claims = Claims(table)

    def get(self, sample_id: str) -> Sample:
        """Read a sound. Raises ``SoundNotFound``."""
        try:
            row = self._table.get(PARTITION, sound_key(sample_id))
        except RowNotFound:
            raise SoundNotFound(f"there is no sound {sample_id!r}") from None
        return sample_of(row).evolve(etag=row.etag)

    def get_many(self, sample_ids: Sequence[str]) -> list[Sample | None]:
        """Read several, in their order; ``None`` for one that is not there."""
        if not sample_ids:
            return []
        with ThreadPoolExecutor(min(8, len(sample_ids))) as pool:
            return list(pool.map(self._get_or_none, sample_ids))

    def find(self, fingerprint: str) -> Sample | None:
        """The sound that was made of the very same, if there is one."""
        claim = self.claims.read(fingerprint)
        return self._get_or_none(claim.sample_id) if claim and claim.sample_id else None

    def nearest(self, family: str, pitch: int, reach_semitones: int) -> Sample | None:
        """The sound of a family from which the fewest semitones lead to ``pitch``, within reach.

        ``pitch`` is the MIDI number of the fretted note. Of two that are as near the higher one is taken: shifted
        down, a sound does not get shorter. A family with more than 1,000 sounds within reach is not seen whole.
        """
        lowest, highest = max(pitch - reach_semitones, 0), pitch + reach_semitones
        start, stop = span(f"family:{family}:{lowest:03}", f"family:{family}:{highest:03}")
        rows = self._table.scan(PARTITION, start, stop, _LARGEST_SCAN)
        best = min(rows, key=lambda row: _distance(row, pitch), default=None)
        return sample_of(best) if best else None

    def add(self, sample: Sample, claim: Claim | None, in_batch: tuple[str, int] | None = None) -> Sample:
        """Store a sound, and in the same transaction that it is what came of ``claim`` and of a batch's place.

        Without a claim it is found by its fingerprint only if nothing else is, or is being made, under it. If a sound
        of this id is stored already, that one is returned. Raises ``RowChanged`` if the claim is no longer as it was
        read: it was taken over.
        """
        links = [_link(*in_batch, sample.sample_id)] if in_batch else []
        for _ in range(_TRIES):
            try:
                return sample.evolve(etag=self._table.commit(PARTITION, *self._additions(sample, claim), *links)[0])
            except (RowExists, RowChanged, RowNotFound):
                with suppress(SoundNotFound):
                    return self.get(sample.sample_id)
                if claim:
                    break
        raise RowChanged(f"the claim to sound {sample.sample_id} was taken over")

    def retag(self, sample_id: str, tags: tuple[str, ...]) -> Sample:
        """Give a sound other tags, at most ``MOST_TAGS``. Raises ``SoundNotFound``."""
        return self._change(sample_id, lambda sample: sample.evolve(tags=tags))

    def extend(self, sample_id: str, until: datetime | None) -> Sample:
        """Keep a sound until then at least, ``None`` for ever. Raises ``SoundNotFound``."""
        return self._change(
            sample_id, lambda sample: sample if sample.kept_until(until) else sample.evolve(expires_at=until)
        )

    def remove(self, sample_id: str) -> Sample:
        """Forget a sound; returns it as it was. Raises ``SoundNotFound`` if there is none to begin with."""
        sample = self.get(sample_id)
        for _ in range(_TRIES):
            with suppress(RowChanged, RowNotFound):
                self._table.commit(PARTITION, *self._removals(sample))
                return sample
            try:
                sample = self.get(sample_id)
            except SoundNotFound:  # somebody else removed it, or the answer to this removal was lost
                return sample
        raise RowChanged(f"sound {sample_id} keeps changing")

    def due(self, now: datetime, limit: int = _LARGEST_SCAN) -> list[Sample]:
        """The first ``limit`` (at most 1,000) sounds that have expired by now, the longest ago first."""
        rows = self._table.scan(PARTITION, "due:", f"due:{just_after(now)}", limit)
        return [sample_of(row) for row in rows]

    def link(self, batch_id: str, sample_ids: Mapping[int, str]) -> None:
        """Store which sounds a batch led to, by their places in it (0 to 99,999); it may be told again."""
        changes = (_link(batch_id, index, sample_id) for index, sample_id in sample_ids.items())
        for some in _in_commits(changes):
            self._table.commit(PARTITION, *some)

    def linked(self, batch_id: str) -> list[tuple[int, str]]:
        """The first 1,000 places of a batch that have led to a sound, each with its id, in order."""
        return [_linked(row) for row in self._links(batch_id)]

    def unlink(self, batch_id: str) -> None:
        """Forget which sounds a batch led to; the sounds stay."""
        while rows := self._links(batch_id):
            for some in _in_commits(Remove(row.key) for row in rows):
                with suppress(RowNotFound):  # somebody else does the same: read again what is left
                    self._table.commit(PARTITION, *some)

    def _change(self, sample_id: str, step: Callable[[Sample], Sample]) -> Sample:
        for _ in range(_TRIES):
            before = self.get(sample_id)
            after = step(before)
            if after == before:
                return before
            with suppress(RowChanged, RowNotFound):
                return after.evolve(etag=self._table.commit(PARTITION, *_replacements(before, after))[0])
        raise RowChanged(f"sound {sample_id} keeps changing")

    def _get_or_none(self, sample_id: str) -> Sample | None:
        try:
            return self.get(sample_id)
        except SoundNotFound:
            return None

    def _additions(self, sample: Sample, claim: Claim | None) -> list[Change]:
        whole = document(sample)
        changes: list[Change] = [Insert(sound_key(sample.sample_id), whole)]
        changes += [Insert(key, whole) for key in sorted(place_keys(sample))]
        if claim:
            changes.append(claim.completed(sample.sample_id))
        elif self.claims.read(sample.fingerprint) is None:
            changes.append(made(sample.fingerprint, sample.job_id, sample.sample_id))
        return changes

    def _removals(self, sample: Sample) -> list[Change]:
        changes: list[Change] = [Remove(sound_key(sample.sample_id), sample.etag)]
        changes += [Remove(key) for key in sorted(place_keys(sample))]
        claim = self.claims.read(sample.fingerprint)
        if claim and claim.sample_id == sample.sample_id:
            changes.append(Remove(made_key(sample.fingerprint), claim.etag))
        return changes

    def _links(self, batch_id: str) -> list[Row]:
        return self._table.scan(PARTITION, *span(f"batch:{batch_id}"), _LARGEST_SCAN)


def _replacements(before: Sample, after: Sample) -> list[Change]:
    whole, old, new = document(after), place_keys(before), place_keys(after)
    changes: list[Change] = [Replace(sound_key(after.sample_id), whole, before.etag)]
    changes += [Remove(key) for key in sorted(old - new)]
    changes += [Replace(key, whole) for key in sorted(new)]
    return changes


def _link(batch_id: str, index: int, sample_id: str) -> Replace:
    return Replace(batch_key(batch_id, index), _Link(sample_id=sample_id).model_dump_json())


def _linked(row: Row) -> tuple[int, str]:
    return int(row.key.rpartition(":")[2]), _Link.model_validate_json(row.document).sample_id


def _distance(row: Row, pitch: int) -> tuple[int, int]:
    """How far a sound of a family lies from ``pitch``; of equal ones the higher comes first."""
    source = int(row.key.split(":")[2])
    return abs(source - pitch), -source


def _in_commits(changes: Iterable[Change]) -> Iterator[list[Change]]:
    pending = iter(changes)
    while some := list(islice(pending, _LARGEST_COMMIT)):
        yield some
