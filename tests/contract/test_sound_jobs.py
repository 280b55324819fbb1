"""Jobs for sounds, from the request to the bank, over both storages."""

from __future__ import annotations

import io
import json
import threading
import zipfile
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
import soundfile

from core.bootstrap import Services, Storage, build
from core.errors import (
    BatchNotFound,
    FieldError,
    InvalidRequest,
    JobNotFound,
    NotFinite,
    SoundNotFound,
    StorageUnavailable,
)
from core.jobs.model import Job, JobStatus
from core.settings import Settings
from core.soundbank.ask import Ask
from core.soundbank.claims import Claim
from core.soundbank.export import export_files
from core.soundbank.query import SoundQuery
from core.soundbank.request import SoundBatchRequest, SoundRequest
from core.soundbank.sample import SAMPLES, Sample
from functions.http.zip_stream import zip_stream
from tests.clock import Clock
from tests.toy_notes import TOY_NOTES, ToyNoteEngines, ToyNotes

NOTE: dict[str, Any] = {
    "instrument": "acoustic_guitar", "string": 3, "fret": 5, "velocity": 0.7, "duration_seconds": 0.5,
    "engine": "toy_notes",
}  # fmt: skip
BATCH: dict[str, Any] = {
    "instrument": "ukulele", "region": {"strings": [1, 2], "fret_min": 0, "fret_max": 2}, "velocities": [0.4, 0.8],
    "duration_seconds": 0.3, "engine": "toy_notes",
}  # fmt: skip


@pytest.fixture
def toy() -> ToyNotes:
    return ToyNotes()


@pytest.fixture
def services(storage: Storage, clock: Clock, toy: ToyNotes) -> Services:
    settings = Settings.read(
        {
            "JOB_LEASE_SECONDS": "60",
            "JOB_ATTEMPTS": "3",
            "PROGRESS_INTERVAL_SECONDS": "60",
            "ALLOW_PRIVATE_CALLBACKS": "true",
        }
    )
    return build(settings, storage, clock=clock, engines=ToyNoteEngines(toy))


@pytest.fixture
def ask(services: Services) -> Callable[..., Job]:
    def ask(**fields: Any) -> Job:
        request = SoundRequest.model_validate(NOTE | fields)
        return services.jobs.submit(services.sounds.of_one(request, job_id=services.new_id()))

    return ask


@pytest.fixture
def ask_many(services: Services) -> Callable[..., Job]:
    def ask_many(**fields: Any) -> Job:
        request = SoundBatchRequest.model_validate(BATCH | fields)
        return services.jobs.submit(services.sounds.of_many(request, job_id=services.new_id()))

    return ask_many


def run(services: Services, job: Job) -> Job:
    services.runner.run(job.job_id)
    return services.jobs.get(job.job_id)


def made(services: Services, job: Job) -> Sample:
    done = run(services, job)
    assert done.status is JobStatus.COMPLETED, done.error
    [sample] = services.sounds.made_by(done)
    assert sample is not None
    return sample


def audio(services: Services, sample: Sample) -> Any:
    samples, rate = soundfile.read(io.BytesIO(b"".join(services.sounds.read(sample))))
    assert rate == 44100
    return samples.T


def messages(services: Services, storage: Storage) -> int:
    return storage.queues.count("cpu-requests")


def test_a_sound_is_made_and_everything_of_it_is_known(services: Services, ask: Callable[..., Job]) -> None:
    job = ask(tags=["warm", "solo"], style_prompt="Crunchy  rock")
    assert (job.status, job.result) == (JobStatus.QUEUED, {"nearest": None})
    sample = made(services, job)
    assert sample.pitch.note == "C4"
    assert sample.pitch.frequency_hz == pytest.approx(261.626, abs=0.001)
    assert sample.pitch.deviation_cents == pytest.approx(0, abs=1)
    assert (sample.tries, sample.correction_cents, sample.open_pitch) == (2, -3.5, 55)
    assert (sample.made_by.engine, sample.made_by.model, sample.made_by.weights_sha256) == (
        "toy_notes",
        "small",
        "5" * 64,
    )
    assert sample.tags == ("warm", "solo")
    assert sample.peak_dbfs is not None and -20 < sample.peak_dbfs < 0
    assert sample.loudness_lufs is not None
    content = b"".join(services.sounds.read(sample))
    assert len(content) == sample.file_size_bytes == 44 + 22050 * 4
    assert audio(services, sample).shape == (2, 22050)


def test_an_identical_sound_is_found_at_once(
    services: Services, storage: Storage, ask: Callable[..., Job], toy: ToyNotes
) -> None:
    first = made(services, ask())
    waiting = messages(services, storage)
    again = ask()
    assert again.status is JobStatus.COMPLETED
    assert again.result is not None and again.result["cached"] is True
    assert services.sounds.made_by(again) == [services.sounds.get(first.sample_id)]
    assert len(toy.rendered) == 1
    assert messages(services, storage) == waiting


def test_a_tuning_counts_only_by_what_it_makes_of_the_string(services: Services, ask: Callable[..., Job]) -> None:
    made(services, ask(string=1))
    assert ask(string=1, tuning="drop_d").status is JobStatus.COMPLETED
    assert ask(string=1, tuning=["D2", "A2", "D3", "G3", "A3", "E4"]).status is JobStatus.COMPLETED
    assert ask(string=1, tuning="half_step_down").status is JobStatus.QUEUED


@pytest.mark.parametrize(
    "change",
    [
        {"velocity": 0.71}, {"fret": 6}, {"string": 2}, {"technique": ["palm_mute"]}, {"style_prompt": "warm"},
        {"duration_seconds": 0.6}, {"random_seed": 1}, {"instrument": "classical_guitar"},
        {"effects": [{"type": "highpass", "frequency_hz": 100}]}, {"articulation": {"pick_position": 0.3}},
    ],
    ids=lambda change: next(iter(change)),
)  # fmt: skip
def test_whatever_can_be_heard_makes_another_sound(
    services: Services, ask: Callable[..., Job], change: dict[str, Any]
) -> None:
    first = made(services, ask())
    other = ask(**change)
    assert other.status is JobStatus.QUEUED
    assert made(services, other).fingerprint != first.fingerprint


def test_pluck_goes_without_saying_and_order_does_not_matter(services: Services, ask: Callable[..., Job]) -> None:
    made(services, ask(technique=["vibrato", "palm_mute"]))
    assert ask(technique=["pluck", "palm_mute", "vibrato"]).status is JobStatus.COMPLETED


def test_two_identical_requests_in_flight_make_one_sound(
    services: Services, ask: Callable[..., Job], toy: ToyNotes
) -> None:
    first, second = ask(), ask()
    seen: list[Job] = []
    toy.before_note = lambda notes: seen.append(run(services, second))
    one = made(services, first)
    [waiting] = seen
    assert waiting.status is JobStatus.QUEUED
    assert first.job_id in waiting.status_message
    assert waiting.attempts_allowed - waiting.attempt == 3  # waiting does not count
    toy.before_note = lambda notes: None
    assert made(services, second) == one
    assert services.jobs.get(second.job_id).result is not None
    assert services.jobs.get(second.job_id).result["cached"] is True  # type: ignore[index] # it is not None
    assert len(toy.rendered) == 1


def test_what_a_job_that_ended_had_claimed_is_made_by_the_next(
    services: Services, ask: Callable[..., Job], toy: ToyNotes
) -> None:
    first, second = ask(), ask()

    def die(notes: int) -> None:
        raise SystemExit

    toy.after_note = die
    with pytest.raises(SystemExit):
        services.runner.run(first.job_id)
    claimed = services.jobs.get(first.job_id)
    services.jobs.cancel(claimed.job_id)
    toy.after_note = lambda notes: None
    services.runner.clock.advance(61)  # type: ignore[attr-defined] # a test's clock
    run(services, first)
    assert services.jobs.get(first.job_id).status is JobStatus.CANCELED
    assert made(services, second).job_id in (first.job_id, second.job_id)


@pytest.mark.parametrize("end", ["failed", "deleted"])
def test_whoever_waits_for_a_job_that_fails_or_is_deleted_makes_the_sound(
    services: Services, ask: Callable[..., Job], toy: ToyNotes, end: str
) -> None:
    first, second = ask(), ask()

    def fail(notes: int) -> None:
        toy.before_note = lambda notes: None
        assert run(services, second).status is JobStatus.QUEUED
        raise NotFinite

    toy.before_note = fail
    assert run(services, first).status is JobStatus.FAILED
    if end == "deleted":
        services.jobs.delete(first.job_id)
    assert made(services, second).job_id == second.job_id


def test_an_attempt_after_one_that_died_comes_to_the_same_sound(
    services: Services, ask: Callable[..., Job], toy: ToyNotes, clock: Clock
) -> None:
    job = ask()

    def die(notes: int) -> None:
        raise SystemExit

    toy.after_note = die
    with pytest.raises(SystemExit):
        services.runner.run(job.job_id)
    clock.advance(61)
    toy.after_note = lambda notes: None
    sample = made(services, job)
    assert sample.job_id == job.job_id
    assert services.jobs.get(job.job_id).result["cached"] is False  # type: ignore[index] # it is not None
    page = services.sounds.search(SoundQuery.model_validate({"instrument": "acoustic_guitar"}))
    assert [found.sample_id for found in page.samples] == [sample.sample_id]


def test_no_cache_makes_a_new_take(services: Services, ask: Callable[..., Job]) -> None:
    first = made(services, ask())
    second = made(services, ask(no_cache=True))
    assert second.sample_id != first.sample_id
    assert second.random_seed != first.random_seed
    assert second.sha256 != first.sha256
    assert ask().result["sample_id"] == first.sample_id  # type: ignore[index] # it is not None


def test_letters_count_and_not_how_they_are_encoded(services: Services, ask: Callable[..., Job]) -> None:
    made(services, ask(style_prompt="Fl\u00fcgel"))
    assert ask(style_prompt="flu\u0308gel ").status is JobStatus.COMPLETED


def test_the_same_request_has_the_same_seed_everywhere(services: Services, ask: Callable[..., Job]) -> None:
    first = made(services, ask())
    services.sounds.delete(first.sample_id)
    again = made(services, ask())
    assert again.sample_id != first.sample_id
    assert (again.random_seed, again.sha256) == (first.random_seed, first.sha256)
    assert made(services, ask(random_seed=7)).random_seed == 7


def test_a_near_miss_offers_the_nearest_and_derive_makes_it_from_there(
    services: Services, ask: Callable[..., Job], toy: ToyNotes
) -> None:
    near, far = made(services, ask(fret=7)), made(services, ask(fret=2))
    miss = ask(fret=6)
    assert miss.result is not None
    assert miss.result["nearest"]["sample_id"] == near.sample_id
    assert miss.result["nearest"]["shift_semitones"] == pytest.approx(-1, abs=0.02)
    assert miss.result["nearest"]["url"] == f"/v1/sounds/{near.sample_id}"
    renders = len(toy.rendered)
    derived = made(services, ask(fret=6, derive=True))
    assert len(toy.rendered) == renders
    assert derived.derived_from is not None
    assert derived.derived_from.sample_id == near.sample_id != far.sample_id
    assert derived.pitch.deviation_cents == pytest.approx(0, abs=1)
    assert audio(services, derived).shape == (2, 22050)
    assert ask(fret=6, derive=True).result["sample_id"] == derived.sample_id  # type: ignore[index] # it is not None
    assert made(services, miss).derived_from is None


def test_a_sound_with_effects_is_no_source_and_effects_are_applied_to_what_is_derived(
    services: Services, ask: Callable[..., Job], toy: ToyNotes
) -> None:
    loud = [{"type": "equalizer", "bands": [{"frequency_hz": 261, "gain_db": 12, "q": 1}]}]
    made(services, ask(fret=6, effects=loud))
    assert ask(fret=5).result == {"nearest": None}
    assert ask(fret=5, effects=loud).result == {"nearest": None}
    plain = made(services, ask(fret=7))
    derived = made(services, ask(fret=5, effects=loud, derive=True))
    assert derived.derived_from is not None
    assert derived.derived_from.sample_id == plain.sample_id
    assert derived.peak_dbfs is not None and plain.peak_dbfs is not None
    assert derived.peak_dbfs > plain.peak_dbfs + 3


def test_without_anything_near_derive_makes_the_sound_itself(services: Services, ask: Callable[..., Job]) -> None:
    made(services, ask(technique=["palm_mute"]))
    assert made(services, ask(derive=True)).derived_from is None


def test_a_derived_sound_that_is_deleted_just_when_it_is_found_is_made_again(
    services: Services, ask: Callable[..., Job], monkeypatch: pytest.MonkeyPatch
) -> None:
    made(services, ask(fret=7))
    first, second = ask(fret=6, derive=True), ask(fret=6, derive=True)
    gone = made(services, first)
    claims = services.sounds.store.claims
    read = claims.read

    def found_then_deleted(fingerprint: str) -> Claim | None:
        monkeypatch.setattr(claims, "read", read)
        found = read(fingerprint)
        assert found is not None and found.sample_id == gone.sample_id
        services.sounds.delete(gone.sample_id)
        return found

    monkeypatch.setattr(claims, "read", found_then_deleted)
    assert made(services, second).job_id == second.job_id


def test_a_source_that_is_deleted_meanwhile_is_done_without(services: Services, ask: Callable[..., Job]) -> None:
    source = made(services, ask(fret=7))
    job = ask(fret=6, derive=True)
    services.sounds.delete(source.sample_id)
    assert made(services, job).derived_from is None


def test_a_newer_engine_makes_sounds_of_its_own_and_leaves_the_old_ones(
    services: Services, ask: Callable[..., Job], toy: ToyNotes
) -> None:
    old = made(services, ask())
    toy.info = replace(TOY_NOTES, version="2")
    job = ask()
    assert job.status is JobStatus.QUEUED
    new = made(services, job)
    assert (new.made_by.version, new.fingerprint == old.fingerprint) == ("2", False)
    assert services.sounds.get(old.sample_id) == old
    assert b"".join(services.sounds.read(old))


def test_other_weights_make_other_sounds(services: Services, ask: Callable[..., Job], toy: ToyNotes) -> None:
    old = made(services, ask())
    toy.weights = "6" * 64
    made(services, ask(fret=0))  # lets whoever takes in requests know of the new weights
    job = ask()
    assert job.status is JobStatus.QUEUED
    assert made(services, job).fingerprint != old.fingerprint


def test_a_batch_makes_what_is_missing_and_finds_the_rest(
    services: Services, ask: Callable[..., Job], ask_many: Callable[..., Job], toy: ToyNotes
) -> None:
    one = made(
        services, ask(**{key: BATCH[key] for key in ("instrument", "duration_seconds")}, string=2, fret=1, velocity=0.8)
    )
    batch = run(services, ask_many())
    assert batch.status is JobStatus.COMPLETED
    assert batch.result == {"total": 12, "made": 11, "found": 1}
    samples = services.sounds.of_batch(batch.job_id)
    assert [index for index, _ in samples] == list(range(12))
    assert samples[3][1] == one
    places = [(sample.string, sample.fret, sample.velocity) for _, sample in samples if sample]
    assert places == [(s, f, v) for s in (2, 1) for f in (0, 1, 2) for v in (0.4, 0.8)]
    assert [len(notes) for notes in toy.rendered] == [1, 11]
    again = run(services, ask_many())
    assert again.result == {"total": 12, "made": 0, "found": 12}
    assert services.sounds.of_batch(again.job_id) == samples


def test_a_batch_that_died_goes_on_where_it_was(
    services: Services, ask_many: Callable[..., Job], toy: ToyNotes, clock: Clock
) -> None:
    job = ask_many()

    def die(notes: int) -> None:
        if notes == 6:
            raise SystemExit

    toy.after_note = die
    with pytest.raises(SystemExit):
        services.runner.run(job.job_id)
    clock.advance(61)
    toy.after_note = lambda notes: None
    batch = run(services, job)
    assert batch.result == {"total": 12, "made": 12, "found": 0}
    assert [len(notes) for notes in toy.rendered] == [12, 6]


def test_a_batch_of_more_than_an_attempt_has_time_for_goes_on_in_the_next(
    services: Services, ask_many: Callable[..., Job], toy: ToyNotes, clock: Clock
) -> None:
    job = ask_many()
    toy.after_note = lambda notes: clock.advance(1000)  # JOB_DEADLINE_SECONDS is 3,000
    attempts = 0
    while not services.jobs.get(job.job_id).status.ended:
        run(services, job)
        attempts += 1
    assert services.jobs.get(job.job_id).result == {"total": 12, "made": 12, "found": 0}
    assert attempts > 3  # JOB_ATTEMPTS, which none of these counted for


def test_a_batch_names_its_sounds_while_others_are_made(
    services: Services, ask_many: Callable[..., Job], toy: ToyNotes
) -> None:
    job = ask_many()
    named: list[int] = []
    toy.before_note = lambda notes: named.append(len(services.sounds.of_batch(job.job_id)))
    assert run(services, job).status is JobStatus.COMPLETED
    assert named[-1] > 0


def test_an_attempt_with_other_weights_makes_all_sounds_of_its_own(
    services: Services, ask_many: Callable[..., Job], toy: ToyNotes, clock: Clock
) -> None:
    job = ask_many()

    def die(notes: int) -> None:
        if notes == 6:
            raise SystemExit

    toy.after_note = die
    with pytest.raises(SystemExit):
        services.runner.run(job.job_id)
    clock.advance(61)
    toy.after_note, toy.weights = lambda notes: None, "6" * 64
    assert run(services, job).status is JobStatus.COMPLETED
    sounds = [sample for _, sample in services.sounds.of_batch(job.job_id)]
    assert {sample and sample.made_by.weights_sha256 for sample in sounds} == {"6" * 64}


def test_an_attempt_that_was_overtaken_takes_nothing_from_the_one_that_goes_on(
    services: Services, ask: Callable[..., Job], toy: ToyNotes, clock: Clock
) -> None:
    job = ask()
    begun, overtaken = threading.Event(), threading.Event()

    def go_on(notes: int) -> None:
        overtaken.set()
        first.join()

    def hang(notes: int) -> None:
        toy.before_note = go_on
        begun.set()
        overtaken.wait(30)

    toy.before_note = hang
    first = threading.Thread(target=services.runner.run, args=(job.job_id,))
    first.start()
    begun.wait(30)
    clock.advance(61)
    assert made(services, job).job_id == job.job_id
    assert services.jobs.get(job.job_id).attempt == 2


def test_two_batches_that_overlap_make_each_sound_once(
    services: Services, ask_many: Callable[..., Job], toy: ToyNotes
) -> None:
    first, second = ask_many(), ask_many(region={"strings": [1], "fret_min": 0, "fret_max": 5})
    seen: list[Job] = []

    def meanwhile(notes: int) -> None:
        toy.before_note = lambda notes: None
        seen.append(run(services, second))

    toy.before_note = meanwhile
    assert run(services, first).status is JobStatus.COMPLETED
    assert seen[0].status is JobStatus.QUEUED
    assert run(services, second).result == {"total": 12, "made": 6, "found": 6}
    assert sum(map(len, toy.rendered)) == 12 + 6


def test_a_batch_is_exported_as_what_a_sampler_loads(services: Services, ask_many: Callable[..., Job]) -> None:
    batch = run(services, ask_many())
    gone = services.sounds.of_batch(batch.job_id)[0][1]
    assert gone is not None
    services.sounds.delete(gone.sample_id)
    files = export_files(batch.job_id, batch.created_at, services.sounds.notes_of(batch), services.sounds.read)
    archive = zipfile.ZipFile(io.BytesIO(b"".join(zip_stream(files))))
    names = archive.namelist()
    manifest = json.loads(archive.read("manifest.json"))
    assert sum(name.endswith(".wav") for name in names) == 11
    assert any(name.endswith(".sfz") for name in names)
    assert manifest["batch_id"] == batch.job_id
    assert all(f"{note['file']}" in names for note in manifest["notes"])


def test_effects_are_applied_and_belong_to_the_sound(services: Services, ask: Callable[..., Job]) -> None:
    plain = made(services, ask())
    loud = made(services, ask(effects=[{"type": "equalizer", "bands": [{"frequency_hz": 261, "gain_db": 12, "q": 1}]}]))
    assert loud.peak_dbfs is not None and plain.peak_dbfs is not None
    assert loud.peak_dbfs > plain.peak_dbfs + 3
    assert loud.peak_dbfs <= 0
    assert loud.effects[0]["type"] == "equalizer"


def test_tags_can_be_changed_and_are_found_by(services: Services, ask: Callable[..., Job]) -> None:
    sample = made(services, ask(tags=["old"]))
    services.sounds.retag(sample.sample_id, ("new", "fine"))

    def found(tag: str) -> list[str]:
        page = services.sounds.search(SoundQuery.model_validate({"tags": [tag]}))
        return [hit.sample_id for hit in page.samples]

    assert (found("new"), found("old")) == ([sample.sample_id], [])


def test_deleting_removes_file_and_rows_and_the_next_request_makes_it_anew(
    services: Services, storage: Storage, ask: Callable[..., Job]
) -> None:
    sample = made(services, ask())
    services.sounds.delete(sample.sample_id)
    assert storage.blobs.properties(SAMPLES, sample.blob) is None
    with pytest.raises(SoundNotFound):
        services.sounds.get(sample.sample_id)
    with pytest.raises(SoundNotFound):
        services.sounds.delete(sample.sample_id)
    assert services.sounds.search(SoundQuery.model_validate({"string": 3})).samples == []
    assert ask().status is JobStatus.QUEUED


def test_a_sound_is_kept_for_ever_unless_it_says_otherwise(
    services: Services, storage: Storage, ask: Callable[..., Job], clock: Clock
) -> None:
    kept, short = made(services, ask()), made(services, ask(fret=1, expires_in_seconds=3600))
    clock.advance(3601)
    found = services.sounds.search(SoundQuery.model_validate({"instrument": "acoustic_guitar"})).samples
    assert [sample.sample_id for sample in found] == [kept.sample_id]
    with pytest.raises(SoundNotFound, match="expired"):
        services.sounds.get(short.sample_id)
    assert services.sounds.expire() == 1
    assert storage.blobs.properties(SAMPLES, short.blob) is None
    clock.advance(400 * 86400)
    services.housekeeping.expire()
    assert services.sounds.get(kept.sample_id) == kept
    assert b"".join(services.sounds.read(kept))


def test_a_sound_about_to_expire_is_not_handed_out_and_makes_room_for_another(
    services: Services, ask: Callable[..., Job], clock: Clock
) -> None:
    old, waiting = made(services, ask(expires_in_seconds=3600)), ask(fret=1)
    clock.advance(3590)
    job = ask()
    assert job.status is JobStatus.QUEUED
    new = made(services, job)
    assert new.sample_id != old.sample_id
    clock.advance(20)
    assert services.sounds.expire() == 1
    assert ask().result["sample_id"] == new.sample_id  # type: ignore[index] # it is not None
    assert made(services, waiting).sample_id != new.sample_id


def test_a_sound_that_is_found_is_kept_as_long_as_whoever_found_it_wants(
    services: Services, ask: Callable[..., Job], ask_many: Callable[..., Job], clock: Clock
) -> None:
    at_once, by_a_worker = made(services, ask(expires_in_seconds=3600)), ask(fret=1, expires_in_seconds=3600)
    later = ask(fret=1)
    made(services, by_a_worker)
    assert ask(expires_in_seconds=60).status is JobStatus.COMPLETED
    assert services.sounds.get(at_once.sample_id).expires_at == at_once.expires_at
    assert ask(expires_in_seconds=7200).status is JobStatus.COMPLETED
    found = made(services, later)
    clock.advance(7000)
    assert services.sounds.expire() == 0
    assert services.sounds.get(at_once.sample_id).expires_at is not None
    assert services.sounds.get(found.sample_id).expires_at is None


def test_what_storage_refuses_once_is_made_by_the_next_attempt(
    services: Services, storage: Storage, ask: Callable[..., Job], monkeypatch: pytest.MonkeyPatch
) -> None:
    job = ask()

    def refuse(*args: Any, **options: Any) -> None:
        raise StorageUnavailable("storage is down")

    with monkeypatch.context() as broken:
        broken.setattr(storage.blobs, "write", refuse)
        assert run(services, job).status is JobStatus.QUEUED
    assert made(services, job).job_id == job.job_id


def test_an_engine_that_plays_too_few_notes_has_failed(
    services: Services, ask_many: Callable[..., Job], toy: ToyNotes, monkeypatch: pytest.MonkeyPatch
) -> None:
    render = toy.render
    monkeypatch.setattr(toy, "render", lambda notes, step: render(notes[:-1], step))
    job = run(services, ask_many())
    assert job.error is not None
    assert (job.error.type, job.error.detail) == ("engine-failed", "the engine played too few of 12 notes")


def test_a_canceled_batch_stops_and_keeps_what_it_made(
    services: Services, ask_many: Callable[..., Job], toy: ToyNotes
) -> None:
    job = ask_many()

    def cancel(notes: int) -> None:
        if notes == 4:
            services.jobs.cancel(job.job_id)
            services.runner.clock.advance(61)  # type: ignore[attr-defined] # past the lease: the next write looks

    toy.after_note = cancel
    canceled = run(services, job)
    assert canceled.status is JobStatus.CANCELED
    assert canceled.result is not None
    assert len(services.sounds.of_batch(job.job_id)) == canceled.result["made"] > 0
    toy.after_note = lambda notes: None
    again = run(services, ask_many())
    assert again.result is not None
    assert again.result["made"] + again.result["found"] == 12
    assert len(toy.rendered) == 2


def test_a_job_is_asked_for_where_its_kind_is(
    services: Services, ask: Callable[..., Job], ask_many: Callable[..., Job]
) -> None:
    one, many = ask(), ask_many()
    with pytest.raises(JobNotFound, match="sound_batch"):
        services.sounds.job(many.job_id)
    with pytest.raises(BatchNotFound):
        services.sounds.batch(one.job_id)
    with pytest.raises(BatchNotFound):
        services.sounds.batch("nothing")


def test_what_the_licence_forbids_is_refused(services: Services, ask: Callable[..., Job]) -> None:
    from core.errors import LicenceRefused

    with pytest.raises(LicenceRefused):
        ask(use="commercial")


def test_more_seconds_than_the_engine_makes_are_refused(ask: Callable[..., Job]) -> None:
    with pytest.raises(InvalidRequest) as refused:
        ask(duration_seconds=25)
    assert refused.value.errors == [FieldError("/duration_seconds", "toy_notes makes at most 20 seconds")]


def test_a_family_is_all_but_place_and_effects() -> None:
    from core.theory.techniques import Articulation

    def ask_of(**changes: Any) -> Ask:
        fields: dict[str, Any] = {
            "instrument": "ukulele", "tuning": "standard", "string": 1, "fret": 3, "open_pitch": 69, "velocity": 0.5,
            "technique": ("hammer_on",), "articulation": Articulation(from_fret=1, start_seconds=0.1),
            "style_prompt": "", "duration_seconds": 1.0, "engine": "e", "version": "1", "model": "m",
        }  # fmt: skip
        return Ask(**fields | changes)

    shifted = ask_of(fret=5, articulation=Articulation(from_fret=3, start_seconds=0.1), effects=({"type": "limiter"},))
    assert ask_of().family(None) == shifted.family(None)
    assert ask_of(articulation=Articulation(from_fret=2, start_seconds=0.1)).family(None) != shifted.family(None)
    assert ask_of(velocity=0.6).family(None) != ask_of().family(None)
