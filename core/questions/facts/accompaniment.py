"""What there is to say of an accompaniment."""

from __future__ import annotations

from collections.abc import Iterator

from core.questions.fact import Fact, Topic
from core.questions.facts import sources
from core.questions.facts.generation import another_take, made_by_model, stem_gains
from core.questions.record import Record

LOUDER_STEMS, QUIETER_STEMS = "3 dB more, at most 12", "3 dB less, at least -24"
_STEP_DB = 3.0

_ASKED = {
    "target_stems": ("stems", "The stems asked for are {value}."),
    "style": ("style", "The style asked for is {value!q}."),
    "prompt": ("prompt", "The prompt is {value!q}."),
    "temperature": ("temperature", "The temperature is {value}; 0 is the plain pattern."),
    "random_seed": ("seed", "The random seed is {value}: the same request with it gives the same files."),
    "mix": ("mix", "A mix of everything was asked for: {value}."),
    "format": ("format", "The format asked for is {value}."),
    "chords/symbols": ("chords", "The chords asked for, one a bar, are {value}."),
    "chords/tempo_bpm": ("tempo", "The tempo asked for is {value} beats a minute."),
    "chords/duration_seconds": ("duration", "The length asked for is {value} s."),
    "chords/key": ("key", "The key asked for is {value}."),
}  # fmt: skip


def facts(record: Record) -> Iterator[Fact]:
    """All of it."""
    yield from _made(record)
    if record.get("/request/input"):
        yield from record.tell(
            Topic.PARAMETERS, "loudness balance",
            "The balance asked for is {value} dB: how much louder the stems are than what they go with.",
            value="/request/balance_db",
        )  # fmt: skip
    for name, (about, text) in _ASKED.items():
        yield from record.tell(Topic.PARAMETERS, about, text, value=f"/request/{name}")
    yield from _found(record)
    yield from sources.facts(record, "/request/input", "The audio to go with")
    yield from made_by_model(record)
    yield from stem_gains(record)
    yield from _advice(record)


def _made(record: Record) -> Iterator[Fact]:
    stems = "/request/target_stems"
    yield from record.tell(
        Topic.MADE, "kind source stems instrument", "It plays {stems} to the file {name!q}.", stems=stems,
        name="/request/input/source/filename",
    )  # fmt: skip
    yield from record.tell(
        Topic.MADE, "kind chords stems instrument", "It plays {stems} to chords, which begin with {first}.",
        stems=stems, first="/request/chords/symbols/0",
    )  # fmt: skip
    if record.get("/result/keeps_time") is not None:
        keeps = record.get("/result/keeps_time") is True
        told = (
            "The engine was told every beat, so that it keeps time."
            if keeps
            else "The engine follows by ear: it is not told the beats."
        )
        yield from record.tell(Topic.MADE, "beats engine", told, also=["/result/keeps_time"])


def _found(record: Record) -> Iterator[Fact]:
    found = Topic.FOUND
    yield from record.tell(
        found, "tempo beats", "It is played at {bpm} beats a minute: {beats} beats, {per_bar} to the bar.",
        bpm="/result/tempo_bpm", beats="/result/beats", per_bar="/result/beats_per_bar",
    )  # fmt: skip
    yield from record.tell(found, "beats start", "The first beat is at {first} s.", first="/result/first_beat_seconds")
    yield from record.tell(found, "key", "It is in {key}.", key="/result/key")
    yield from record.tell(
        found, "chords", "It has {count} chords, which begin with {first}.", count="/result/chords/count",
        first="/result/chords/first",
    )  # fmt: skip
    yield from record.tell(
        (found, Topic.MADE), "loudness balance", "All stems together have {loudness} LUFS.",
        loudness="/result/accompaniment_lufs",
    )  # fmt: skip
    yield from record.tell(
        (found, Topic.MADE), "loudness balance mix", "In the mix, what they go with was changed by {gain:+.1f} dB.",
        gain="/result/source_gain_db",
    )  # fmt: skip


def _advice(record: Record) -> Iterator[Fact]:
    balance = record.number("/request/balance_db")
    if balance is not None and record.get("/request/input"):
        values = {"more": min(balance + _STEP_DB, 12.0), "less": max(balance - _STEP_DB, -24.0)}
        yield from record.tell(
            Topic.ADVICE, "loudness balance louder",
            "For louder stems in the mix, raise balance_db from {value} to {more}.", rule=LOUDER_STEMS,
            value="/request/balance_db", values=values,
        )  # fmt: skip
        yield from record.tell(
            Topic.ADVICE, "loudness balance quieter",
            "For quieter stems in the mix, lower balance_db from {value} to {less}.", rule=QUIETER_STEMS,
            value="/request/balance_db", values=values,
        )  # fmt: skip
    yield from another_take(record, "/request/random_seed", "/request/temperature")
