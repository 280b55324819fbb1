"""What there is to say of a job of any kind: where it stands, who makes it, when, and what went wrong."""

from __future__ import annotations

from collections.abc import Iterator

from core.questions.fact import Fact, Topic
from core.questions.record import Record

_STANDS = {
    "queued": "The job waits for a worker; it was last said: {message!c}.",
    "processing": "The job is being worked on: {progress:share} done, at the stage {stage}; it was last said: "
    "{message!c}.",
    "completed": "The job is completed.",
    "failed": "The job has failed.",
    "canceled": "The job was canceled by the client.",
    "expired": "The job has ended, and its files were removed since.",
}
_FINE = {
    "queued": "Nothing on record went wrong so far: the job waits for a worker.",
    "processing": "Nothing on record went wrong so far: the job is being worked on.",
    "completed": "Nothing went wrong: the job was completed.",
    "canceled": "Nothing on record went wrong: the client canceled the job.",
    "expired": "Nothing on record went wrong: the job has ended, and its files were removed when their time was over.",
}
_FINE_IN_THE_END = "In the end all went well: the job was completed in attempt {attempt}."


def facts(record: Record) -> Iterator[Fact]:
    """All but the engine."""
    yield from _standing(record)
    yield from _request(record)
    yield from _trouble(record)
    yield from _on_the_way(record)
    yield from _times(record)
    yield from _files(record)


def _standing(record: Record) -> Iterator[Fact]:
    status = str(record.get("/status"))
    more = {"message": "/status_message"} if status == "queued" else {}
    if status == "processing":
        more = {"progress": "/progress", "stage": "/stage", "message": "/status_message"}
    if status in _STANDS:
        topics = (Topic.TIMES, Topic.TROUBLE) if more else (Topic.TIMES,)
        yield from record.tell(topics, "status cancel", _STANDS[status], also=["/status"], more=more)
    yield from record.tell(
        Topic.TIMES, "queue status", "It has place {place} in its queue; 1 is the next.", place="/queue_position"
    )


def engine_facts(record: Record) -> Iterator[Fact]:
    """Which engine it is, and which model."""
    made = Topic.MADE
    fields, also = {"engine": "/engine/name", "version": "/engine/version"}, []
    text = "The engine is {engine} {version}"
    if record.get("/request/model"):
        fields["model"] = "/request/model"
        text += ", with the model {model}"
    elif record.get("/engine/weights_licence") is None:
        also.append("/engine/weights_licence")
        text += ", which has no models to choose from"
    yield from record.tell((made, Topic.PARAMETERS), "engine weights", f"{text}.", also=also, more=fields)
    for name in ("weights_sha256", "weights"):
        yield from record.tell(
            made, "weights", "The weights that made it have the SHA-256 {digest}.", digest=f"/result/{name}"
        )
    yield from record.tell(made, "engine compute", "The model computed in {compute}.", compute="/result/compute")


def _request(record: Record) -> Iterator[Fact]:
    asked = Topic.PARAMETERS
    yield from record.tell(
        asked, "licence engine", "The engine's code is licensed as {licence}.", licence="/engine/licence"
    )
    yield from record.tell(
        asked, "licence weights", "The model's weights are licensed as {licence}.", licence="/engine/weights_licence"
    )
    yield from record.tell(asked, "licence use", "The use that was stated is {use}.", use="/request/use")
    yield from record.tell(asked, "callback", "The log of its callbacks is at {address}.", address="/links/deliveries")


def _trouble(record: Record) -> Iterator[Fact]:
    status = str(record.get("/status"))
    wrong = (Topic.TROUBLE, Topic.ADVICE)
    if record.get("/error") is not None:
        told = "It failed" if status in ("failed", "expired") else "Its last attempt failed"
        same = record.get("/error/title") == record.get("/error/detail")
        text = "{title}." if same else "{title}: {detail!c}."
        yield from record.tell(Topic.TROUBLE, "error", f"{told}: {text}", title="/error/title", detail="/error/detail")
        yield from record.tell(wrong, "error", "What to do about it: {next!t}.", next="/error/next_step")
        yield from record.tell(Topic.TROUBLE, "error", "The error's type is {type}.", type="/error/type")
    elif status in _FINE:
        text, fields = _FINE[status], {}
        if status == "completed" and (record.number("/attempt") or 0) > 1:
            text, fields = _FINE_IN_THE_END, {"attempt": "/attempt"}
        yield from record.tell(Topic.TROUBLE, "error", text, also=["/status", "/error"], more=fields)
    if status in ("failed", "canceled"):
        yield from record.tell(
            wrong, "error attempts", "It can be tried again with POST {address}: what is finished is not made again.",
            address="/links/retry",
        )  # fmt: skip


def _on_the_way(record: Record) -> Iterator[Fact]:
    """The attempts that failed."""
    for step in record.members("/history"):
        if "failed" in str(record.get(f"{step}/message")) and record.get(f"{step}/status") == "queued":
            yield from record.tell(
                Topic.TROUBLE, "error history attempts", "On the way it was said: {message!c}.",
                message=f"{step}/message",
            )  # fmt: skip


def _times(record: Record) -> Iterator[Fact]:
    times = Topic.TIMES
    moments = {name: record.moment(f"/{name}_at") for name in ("created", "started", "finished", "expires")}
    created, started, finished = moments["created"], moments["started"], moments["finished"]
    if created:
        yield from record.tell(
            times, "begun history", "It was asked for at {created}.", also=["/created_at"], values={"created": created}
        )
    if started and created:
        yield from record.tell(
            times, "begun queue history", "It was started at {started}, {wait} s after it was asked for.",
            also=["/started_at", "/created_at"], rule="started_at less created_at",
            values={"started": started, "wait": (started - created).total_seconds()},
        )  # fmt: skip
    if finished:
        yield from record.tell(
            times, "end history", "It ended at {finished}.", also=["/finished_at"], values={"finished": finished}
        )
    if finished and started:
        yield from record.tell(
            times, "work",
            "From its start to its end it took {work} s, where {estimate} s had been estimated for the work.",
            also=["/finished_at", "/started_at"], estimate="/estimated_seconds", rule="finished_at less started_at",
            values={"work": (finished - started).total_seconds()},
        )  # fmt: skip
    elif not finished:
        yield from record.tell(
            times, "work", "The work takes about {estimate} s once it has started.", estimate="/estimated_seconds"
        )
    if record.get("/attempt"):
        yield from record.tell(times, "attempts", "Its newest attempt is number {attempt}.", attempt="/attempt")
    if record.get("/cancel_requested") is True:
        yield from record.tell(times, "cancel", "The client asked to cancel it.", also=["/cancel_requested"])
    yield from _steps(record)


def _steps(record: Record) -> Iterator[Fact]:
    for step in record.members("/history"):
        text = "At {moment} it was {status} in attempt {attempt}"
        text += "." if record.get(f"{step}/message") == record.get(f"{step}/status") else ": {message!c}."
        yield from record.tell(
            Topic.TIMES, "history", text, also=[f"{step}/at"], status=f"{step}/status", attempt=f"{step}/attempt",
            message=f"{step}/message", values={"moment": record.moment(f"{step}/at")},
        )  # fmt: skip


def _files(record: Record) -> Iterator[Fact]:
    status = record.get("/status")
    if record.get("/outputs") and status != "expired":
        yield from record.tell(
            Topic.FOUND, "files", "All of its files together are at {zip}.", zip="/links/zip", also=["/outputs"]
        )
    expires = record.moment("/expires_at")
    if record.get("/outputs") and expires and record.get("/finished_at"):
        told = "were kept" if status == "expired" else "are kept"
        yield from record.tell(
            Topic.TIMES, "expiry files", f"Its files {told} until {{expires}}.", also=["/expires_at", "/status"],
            values={"expires": expires},
        )  # fmt: skip
