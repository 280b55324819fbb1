"""What there is to say of a song that was separated."""

from __future__ import annotations

from collections.abc import Iterator

from core.questions.fact import Fact, Topic
from core.questions.facts import sources
from core.questions.record import Record

MORE_SHIFTS = "2 passes more, at most 10; each takes as long as all without"
MORE_OVERLAP = "0.1 more, at most 0.5"
AUDIBLE_REST_DB = -60.0
"""What is left of a song above this can be heard under the stems; below, their sum is the song."""

_ASKED = {
    "stems": ("stems", "The stems asked for are {value}."),
    "two_stems": ("stems", "Two stems were asked for: {value}, and the rest of the song."),
    "format": ("format", "The format asked for is {value}."),
    "residual": ("residual", "What is left of the song was asked for as a file: {value}."),
    "peaks": ("peaks", "The waveforms of the stems were asked for: {value}."),
    "shifts": ("shifts", "The shifts asked for are {value}."),
    "overlap": ("overlap", "The overlap of segments is {value}."),
    "random_seed": ("seed", "The random seed is {value}; it draws the shifts."),
}


def facts(record: Record) -> Iterator[Fact]:
    """All of it."""
    yield from record.tell(
        Topic.MADE, "kind stems", "It takes the song {song!q} apart into stems.", song="/request/source/filename"
    )
    for name, (about, text) in _ASKED.items():
        yield from record.tell(Topic.PARAMETERS, about, text, value=f"/request/{name}")
    yield from _found(record)
    yield from sources.facts(record, "/request", "The song")
    yield from _advice(record)


def _found(record: Record) -> Iterator[Fact]:
    if record.get("/request/stems") is None and record.get("/request/two_stems") is None:
        yield from record.tell(
            Topic.PARAMETERS, "stems", "No stems were named, so all that the model tells apart are delivered.",
            also=["/request/stems", "/request/two_stems"],
        )  # fmt: skip
    yield from record.tell(
        (Topic.MADE, Topic.FOUND), "gain loudness", "All stems have one gain of {gain:+.1f} dB against the song, so "
        "that their levels to each other are the song's.", gain="/result/gain_db",
    )  # fmt: skip
    rest = record.number("/result/residual_db")
    if rest is not None:
        told = "so together they are the song" if rest <= AUDIBLE_REST_DB else "so something of the song is missing"
        yield from record.tell(
            Topic.FOUND, "residual", f"What the stems leave of the song is at {{rest:.0f}} dB against it, {told}.",
            rest="/result/residual_db",
        )  # fmt: skip


def _advice(record: Record) -> Iterator[Fact]:
    advice, engine = Topic.ADVICE, record.get("/engine/name")
    rest = record.number("/result/residual_db")
    if rest is not None and rest > AUDIBLE_REST_DB and record.get("/request/residual") is False:
        yield from record.tell(
            advice, "residual",
            "What is missing, at {rest:.0f} dB against the song, comes as a file of its own with residual true.",
            rest="/result/residual_db", also=["/request/residual"],
        )  # fmt: skip
    if engine == "spectral":
        yield from record.tell(
            advice, "engine stems quality", "For cleaner stems, ask with the engine demucs, a trained model, in place "
            "of {engine}, which tells sounds apart by the shape of their spectrum alone.", engine="/engine/name",
        )  # fmt: skip
    shifts, overlap = record.number("/request/shifts"), record.number("/request/overlap")
    if engine == "demucs" and shifts is not None and shifts < 10:
        more = min(shifts + 2, 10)
        yield from record.tell(
            advice, "shifts quality",
            "For cleaner stems, raise shifts from {shifts} to {more}, which takes {more} times as long as none.",
            rule=MORE_SHIFTS, shifts="/request/shifts", also=["/engine/name"], values={"more": more},
        )  # fmt: skip
    if engine == "demucs" and overlap is not None and overlap < 0.5:
        yield from record.tell(
            advice, "overlap quality", "For smoother joins, raise overlap from {overlap} to {more}.", rule=MORE_OVERLAP,
            overlap="/request/overlap", also=["/engine/name"], values={"more": min(overlap + 0.1, 0.5)},
        )  # fmt: skip
