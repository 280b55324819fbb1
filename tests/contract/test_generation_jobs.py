"""Generation jobs of an engine that makes its stems side by side, over both storages."""

from __future__ import annotations

import io
import json
from collections.abc import Callable
from hashlib import sha256
from importlib.metadata import version
from queue import Queue
from typing import Any

import numpy as np
import pytest

from core.bootstrap import Services, Storage, build
from core.errors import EngineFailed, FileNotFound, InvalidRequest, StorageUnavailable
from core.files.inputs import SentFile
from core.generation.request import GenerationOptions, GenerationRequest
from core.generation.service import Generations
from core.jobs.model import AUDIO_FILES, UPLOADS, Job, JobStatus, Preview
from core.jobs.progress import Progress
from core.jobs.view import job_view
from core.settings import Settings
from core.webhooks.payloads import build_payload
from tests.clock import Clock
from tests.songs import decoded, encoded, song
from tests.toy_engine import TOY, ToyEngine, ToyEngines

SETTINGS = Settings.read(
    {
        "JOB_LEASE_SECONDS": "60",
        "JOB_ATTEMPTS": "3",
        "ALLOW_PRIVATE_CALLBACKS": "true",
        "PROGRESS_INTERVAL_SECONDS": "60",
    }
)
STEMS = ("drums", "bass")
PIECES = 8 * len(STEMS)  # of two seconds
Submit = Callable[..., Job]


@pytest.fixture
def toy() -> ToyEngine:
    return ToyEngine()


@pytest.fixture
def services(storage: Storage, clock: Clock, toy: ToyEngine) -> Services:
    return build(SETTINGS, storage, clock=clock, engines=ToyEngines(toy))


@pytest.fixture
def generations(services: Services) -> Generations:
    return services.generations


@pytest.fixture
def submit(services: Services, generations: Generations) -> Submit:
    """Submits a job of two seconds of drums and bass of the toy."""

    def submit(parameters: dict[str, Any] | None = None, **fields: Any) -> Job:
        body = {"target_stems": STEMS, "engine": "toy"} | fields
        body["parameters"] = {"duration_seconds": 2.0, "random_seed": 7} | (parameters or {})
        request = GenerationRequest.model_validate(body)
        return services.jobs.submit(generations.of_stored(request, job_id=services.new_id()))

    return submit


def run(services: Services, job: Job) -> Job:
    services.runner.run(job.job_id)
    return services.jobs.get(job.job_id)


def files(services: Services, job: Job) -> dict[str, bytes]:
    return {output.name: b"".join(services.jobs.read(job, output)) for output in job.outputs}


def names(services: Services, job: Job) -> list[str]:
    return [blob.name.removeprefix(job.folder) for blob in services.storage.blobs.list_all(AUDIO_FILES, job.folder)]


def at(pieces: int, act: Callable[[], None]) -> Callable[[int], None]:
    def after(made: int) -> None:
        if made == pieces:
            act()

    return after


def raises(error: BaseException) -> Callable[[], None]:
    def act() -> None:
        raise error

    return act


@pytest.fixture
def flush(monkeypatch: pytest.MonkeyPatch) -> Callable[[], None]:
    """Does at once what a running attempt's second thread does now and then."""
    seen: list[Progress] = []
    report = Progress.report

    def remembering(self: Progress, *args: Any) -> None:
        seen.append(self)
        report(self, *args)

    monkeypatch.setattr(Progress, "report", remembering)
    return lambda: seen[-1].flush()


def test_the_files_are_as_they_were_asked_for(services: Services, submit: Submit) -> None:
    job = run(services, submit({"sample_rate": 48000, "channels": 1, "loudness_lufs": -20}))
    assert job.status is JobStatus.COMPLETED, job.error
    assert [output.name for output in job.outputs] == ["drums.wav", "bass.wav"] != names(services, job)
    for output, content in zip(job.outputs, files(services, job).values(), strict=True):
        samples, sample_rate = decoded(content)
        assert (sample_rate, samples.shape) == (48000, (1, 96000))
        assert (output.sample_rate, output.channels, output.duration_seconds) == (48000, 1, 2.0)
        assert output.loudness_lufs == pytest.approx(-20, abs=0.1)
        assert output.true_peak_dbtp == pytest.approx(20 * np.log10(np.abs(samples).max()), abs=1)


def test_stems_of_models_with_weights_come_at_minus_16_lufs(services: Services, submit: Submit) -> None:
    job = run(services, submit())
    assert [output.loudness_lufs for output in job.outputs] == pytest.approx([-16, -16], abs=0.1)


def test_a_receipt_says_what_made_it(services: Services, submit: Submit) -> None:
    job = run(services, submit(model="melody"))
    levels = {
        output.stem_type: {"loudness_lufs": output.loudness_lufs, "true_peak_dbtp": output.true_peak_dbtp}
        for output in job.outputs
    }
    assert job.result is not None
    stems = job.result.pop("stems")
    gains = {stem: facts.pop("gain_db") for stem, facts in stems.items()}
    assert stems == levels
    assert all(0 < gain < 30 for gain in gains.values())
    assert job.result == {
        "random_seed": 7,
        "engine": "toy",
        "engine_version": TOY.version,
        "model": "melody",
        "weights_sha256": "5" * 64,
        "sample_rate": 32000,
        "channels": 1,
        "compute": "float32 on cpu",
        "libraries": {"numpy": np.__version__, "torch": version("torch")},
    }


def test_all_stems_are_asked_for_at_once_and_progress_names_them(
    services: Services, submit: Submit, toy: ToyEngine, flush: Callable[[], None]
) -> None:
    job = submit()
    seen: list[Job] = []

    def look() -> None:
        flush()
        seen.append(services.jobs.get(job.job_id))

    toy.after_piece = at(PIECES // 2 + 1, look)
    run(services, job)
    assert [[request.stem_type for request in requests] for requests in toy.rendered] == [["drums", "bass"]]
    assert (seen[0].status_message, seen[0].progress, seen[0].stage) == ("drums, bass: 50 %", 0.5, "generating")


def test_the_same_request_makes_the_same_bytes(services: Services, submit: Submit) -> None:
    first, again = run(services, submit()), run(services, submit())
    assert files(services, first) == files(services, again)
    other = run(services, submit({"random_seed": 8}))
    assert files(services, first) != files(services, other)


def test_a_stem_does_not_depend_on_its_neighbours(services: Services, submit: Submit) -> None:
    both, alone = run(services, submit()), run(services, submit(target_stems=["bass"]))
    assert files(services, both)["bass.wav"] == files(services, alone)["bass.wav"]


def test_what_a_dead_attempt_finished_is_not_made_again(
    services: Services, submit: Submit, toy: ToyEngine, clock: Clock
) -> None:
    undisturbed = run(services, submit())
    job = submit()
    toy.after_piece = at(PIECES - 1, raises(KeyboardInterrupt()))  # the drums have their last piece by then
    with pytest.raises(KeyboardInterrupt):
        run(services, job)
    assert names(services, job) == ["drums.wav"]
    toy.after_piece = lambda pieces: None
    clock.advance(61)
    ended = run(services, job)
    assert (ended.status, ended.attempt) == (JobStatus.COMPLETED, 2)
    assert [request.stem_type for request in toy.rendered[-1]] == ["bass"]
    assert [output.name for output in ended.outputs] == ["drums.wav", "bass.wav"]
    assert files(services, ended) == files(services, undisturbed)
    assert ended.result == undisturbed.result


def test_an_attempt_that_died_after_its_work_is_not_repeated(
    services: Services, submit: Submit, toy: ToyEngine, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    job = submit()
    with monkeypatch.context() as patch:
        patch.setattr(Progress, "measured", lambda self, result: raises(KeyboardInterrupt())())
        with pytest.raises(KeyboardInterrupt):
            run(services, job)
    clock.advance(61)
    ended = run(services, job)
    assert (ended.status, ended.attempt, len(toy.rendered), len(toy.models)) == (JobStatus.COMPLETED, 2, 1, 1)
    assert ended.result is not None and list(ended.result["stems"]) == ["drums", "bass"]


def test_what_other_weights_made_is_made_again(
    services: Services, submit: Submit, toy: ToyEngine, clock: Clock
) -> None:
    job = submit()
    toy.after_piece = at(PIECES - 1, raises(KeyboardInterrupt()))
    with pytest.raises(KeyboardInterrupt):
        run(services, job)
    toy.after_piece = lambda pieces: None
    toy.weights = "6" * 64
    clock.advance(61)
    ended = run(services, job)
    assert [request.stem_type for request in toy.rendered[-1]] == ["drums", "bass"]
    assert ended.result is not None and ended.result["weights_sha256"] == "6" * 64


def test_a_canceled_job_keeps_what_is_finished_and_stops_at_once(
    services: Services, submit: Submit, toy: ToyEngine, flush: Callable[[], None]
) -> None:
    job = submit()

    def cancel() -> None:
        services.jobs.cancel(job.job_id)
        flush()

    toy.after_piece = at(3, cancel)
    canceled = run(services, job)
    assert (canceled.status, canceled.outputs) == (JobStatus.CANCELED, ())
    services.jobs.retry(job.job_id)

    toy.after_piece = at(PIECES - 1, cancel)  # the drums are complete, the bass is not
    canceled = run(services, job)
    assert (canceled.status, [output.name for output in canceled.outputs]) == (JobStatus.CANCELED, ["drums.wav"])
    services.jobs.retry(job.job_id)
    toy.after_piece = lambda pieces: None
    completed = run(services, job)
    assert [request.stem_type for request in toy.rendered[-1]] == ["bass"]
    assert (completed.status, len(completed.outputs)) == (JobStatus.COMPLETED, 2)


def test_samples_that_are_not_finite_fail_the_job_at_once(services: Services, submit: Submit, toy: ToyEngine) -> None:
    toy.spoil = lambda block: block * np.float32("nan")
    failed = run(services, submit())
    assert failed.error is not None
    assert (failed.status, failed.attempt, failed.error.type) == (JobStatus.FAILED, 1, "not-finite")
    toy.spoil = lambda block: block
    assert run(services, submit()).status is JobStatus.COMPLETED  # the worker is alive


def test_an_engine_that_stops_early_or_breaks_is_asked_again(
    services: Services, submit: Submit, toy: ToyEngine
) -> None:
    job = submit()
    toy.spoil = lambda block: block[:, :-1]
    waiting = run(services, job)
    assert waiting.error is not None
    assert (waiting.status, waiting.error.type) == (JobStatus.QUEUED, "engine-failed")
    assert "too few samples of drums, bass" in waiting.error.detail
    toy.spoil = lambda block: block
    toy.after_piece = at(3, raises(EngineFailed("the device fell off the bus")))
    assert run(services, job).status is JobStatus.QUEUED
    toy.after_piece = lambda pieces: None
    assert run(services, job).status is JobStatus.COMPLETED


def test_a_stem_that_storage_did_not_take_is_the_only_one_to_be_made_again(
    services: Services, submit: Submit, toy: ToyEngine, monkeypatch: pytest.MonkeyPatch
) -> None:
    blobs, refused = services.storage.blobs, []
    write = blobs.write

    def refusing_once(container: str, name: str, *args: Any, **options: Any) -> None:
        if name.endswith("drums.wav") and not refused:
            refused.append(name)
            raise StorageUnavailable("the account was busy for a moment")
        write(container, name, *args, **options)

    monkeypatch.setattr(blobs, "write", refusing_once)
    others = ["bass", "guitar", "other", "piano", "synth", "vocals"]
    job = run(services, submit(target_stems=["drums", *others]))
    assert (job.status, names(services, job)) == (JobStatus.QUEUED, [f"{stem}.wav" for stem in others])
    assert run(services, job).status is JobStatus.COMPLETED
    assert [request.stem_type for request in toy.rendered[-1]] == ["drums"]


def test_a_melody_that_an_operators_own_model_does_not_follow_fails_the_job(
    services: Services, submit: Submit, toy: ToyEngine
) -> None:
    song = run(services, submit())
    toy.follows_melody = False
    failed = run(services, submit(model="our-own", melody={"job_id": song.job_id, "file": "bass.wav"}))
    assert failed.status is JobStatus.FAILED
    assert failed.error is not None
    assert failed.error.detail == "/melody: toy our-own follows no melody: leave it out, or choose another model"


class TestPreviews:
    """What can be heard while sampling goes on."""

    def test_parts_are_there_while_the_stem_is_being_made(
        self,
        services: Services,
        submit: Submit,
        toy: ToyEngine,
        flush: Callable[[], None],
        monkeypatch: pytest.MonkeyPatch,
    ) -> None:
        job = submit({"duration_seconds": 5.0}, preview=True)
        announced: Queue[str] = Queue()
        previewed = Progress.previewed

        def telling(self: Progress, preview: Preview) -> None:
            previewed(self, preview)
            announced.put(preview.stem_type)

        monkeypatch.setattr(Progress, "previewed", telling)
        seen: list[Job] = []

        def look() -> None:
            assert {announced.get(timeout=30) for _ in STEMS} == set(STEMS)  # parts are stored in the background
            flush()
            seen.append(services.jobs.get(job.job_id))

        toy.after_piece = at(2 * 10, look)  # 2.5 of 5 seconds
        ended = run(services, job)
        (meanwhile,) = seen
        assert meanwhile.outputs == ()
        assert {(preview.stem_type, preview.parts, preview.ready_seconds) for preview in meanwhile.previews} == {
            ("drums", 1, 2.0),
            ("bass", 1, 2.0),
        }
        assert "bass.preview-0000.wav" in services.jobs.signed_url(meanwhile, "bass.preview-0000.wav")
        with pytest.raises(FileNotFound):
            services.jobs.signed_url(meanwhile, "bass.preview-0001.wav")
        assert {(preview.parts, preview.ready_seconds) for preview in ended.previews} == {(3, 5.0)}

    def test_the_parts_together_are_the_stem_at_the_engines_own_level(self, services: Services, submit: Submit) -> None:
        job = run(services, submit({"duration_seconds": 4.5}, preview=True))
        assert job.result is not None
        for output in job.outputs:
            stem, sample_rate = decoded(b"".join(services.jobs.read(job, output)))
            parts = [
                decoded(b"".join(services.storage.blobs.read(AUDIO_FILES, f"{job.folder}{name}")))
                for name in names(services, job)
                if name.startswith(f"{output.stem_type}.preview-")
            ]
            assert [samples.shape for samples, _ in parts] == [(2, 88200), (2, 88200), (2, 22050)]
            assert {rate for _, rate in parts} == {sample_rate}
            gain = 10 ** (job.result["stems"][output.stem_type]["gain_db"] / 20)
            heard = np.concatenate([samples for samples, _ in parts], axis=1)
            np.testing.assert_allclose(gain * heard, stem, atol=gain * 2**-15 + 2**-14)

    def test_they_are_no_outputs_and_stay_small_and_go_with_the_files(self, services: Services, submit: Submit) -> None:
        callback = {"callback_url": "http://127.0.0.1:9/hook"}
        job = run(services, submit({"duration_seconds": 20.0}, preview=True, **callback))
        assert [output.name for output in job.outputs] == ["drums.wav", "bass.wav"]
        assert len(names(services, job)) == 2 + 2 * 10
        shown = job_view(job)["previews"]
        assert shown[0] == {
            "stem_type": shown[0]["stem_type"],
            "part_seconds": 2.0,
            "parts": 10,
            "ready_seconds": 20.0,
            "url": f"/v1/jobs/{job.job_id}/files/{shown[0]['stem_type']}.preview-{{part}}.wav",
        }
        assert "preview-" not in build_payload(job, "job.completed")
        assert "previews" not in json.loads(build_payload(job, "job.completed"))["data"]
        services.jobs.delete(job.job_id)
        assert names(services, job) == []

    def test_a_part_that_storage_refuses_costs_no_more_than_the_stems_preview(
        self, services: Services, submit: Submit, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        write = type(services.storage.blobs).write

        def refusing(self: Any, container: str, name: str, *args: Any, **options: Any) -> None:
            if name.endswith("drums.preview-0001.wav"):
                raise StorageUnavailable
            write(self, container, name, *args, **options)

        monkeypatch.setattr(type(services.storage.blobs), "write", refusing)
        job = run(services, submit({"duration_seconds": 6.0}, preview=True))
        assert job.status is JobStatus.COMPLETED, job.error
        assert len(job.outputs) == 2
        assert {(preview.stem_type, preview.parts) for preview in job.previews} == {("drums", 1), ("bass", 3)}

    def test_without_being_asked_for_there_are_none(self, services: Services, submit: Submit) -> None:
        job = run(services, submit())
        assert (job.previews, sorted(names(services, job))) == ((), ["bass.wav", "drums.wav"])


class TestInputs:
    """The audio that a request brings along."""

    def test_a_completed_jobs_file_can_be_gone_on_from(
        self, services: Services, submit: Submit, toy: ToyEngine
    ) -> None:
        before = run(services, submit())
        job = submit(audio_prompt={"job_id": before.job_id, "file": "bass.wav"})
        assert run(services, job).status is JobStatus.COMPLETED
        (prompt, same) = (request.audio_prompt for request in toy.rendered[-1])
        assert prompt is same is not None
        assert (prompt.sample_rate, prompt.samples.shape) == (32000, (2, 64000))
        result = services.jobs.get(job.job_id).result
        assert result is not None
        assert result["audio_prompt_sha256"] == before.outputs[1].sha256

    def test_files_of_a_form_are_kept_with_the_job(
        self, services: Services, generations: Generations, toy: ToyEngine
    ) -> None:
        options = GenerationOptions.model_validate(
            {"target_stems": ["bass"], "engine": "toy", "model": "melody", "parameters": {"duration_seconds": 1.0}}
        )
        wav = encoded(song(3.0, 44100), 44100)
        digest = sha256(wav).hexdigest()
        sent = {name: SentFile(io.BytesIO(wav), "a song.wav", digest) for name in ("audio_prompt", "melody")}
        job = services.jobs.submit(generations.of_files(options, sent, job_id=services.new_id()))
        kept = [blob.name for blob in services.storage.blobs.list_all(UPLOADS, f"{job.job_id}/")]
        assert kept == [f"{job.job_id}/audio_prompt", f"{job.job_id}/melody"]
        assert run(services, job).status is JobStatus.COMPLETED
        (request,) = toy.rendered[-1]
        assert request.audio_prompt is not None and request.melody is not None
        assert request.audio_prompt.samples.shape == (2, 96000)
        assert request.melody.samples.shape == (2, 32000)  # no longer than what is made
        result = services.jobs.get(job.job_id).result
        assert result is not None
        assert {result["audio_prompt_sha256"], result["melody_sha256"]} == {digest}
        services.jobs.delete(job.job_id)
        assert services.storage.blobs.list_all(UPLOADS, f"{job.job_id}/") == []

    def test_what_another_job_has_not_finished_is_refused(self, services: Services, submit: Submit) -> None:
        waiting = submit()
        with pytest.raises(InvalidRequest, match="is queued"):
            submit(audio_prompt={"job_id": waiting.job_id, "file": "bass.wav"})
        run(services, waiting)
        with pytest.raises(FileNotFound, match="has no file 'piano"):
            submit(audio_prompt={"job_id": waiting.job_id, "file": "piano.wav"})

    def test_a_running_jobs_file_is_refused(self, services: Services, submit: Submit, toy: ToyEngine) -> None:
        job = submit()
        toy.after_piece = at(PIECES - 1, raises(EngineFailed("broken")))
        queued = run(services, job)
        assert [output.name for output in queued.outputs] == ["drums.wav"]
        with pytest.raises(InvalidRequest) as raised:
            submit(audio_prompt={"job_id": job.job_id, "file": "drums.wav"})
        assert raised.value.errors[0].pointer == "/audio_prompt/job_id"

    def test_a_file_that_changes_under_us_fails_the_job(self, services: Services, submit: Submit) -> None:
        def put(content: bytes) -> None:
            services.storage.blobs.write(
                "inbox", "melody.wav", lambda: iter((content,)), size_bytes=len(content), content_type="", metadata={}
            )

        put(encoded(song(2.0)))
        job = submit(model="melody", melody={"blob": "inbox/melody.wav"})
        put(encoded(song(1.0)))
        failed = run(services, job)
        assert failed.error is not None
        assert (failed.status, failed.error.type) == (JobStatus.FAILED, "source-changed")
