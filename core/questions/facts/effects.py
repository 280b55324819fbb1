"""What there is to say of a file that effects were applied to."""

from __future__ import annotations

from collections.abc import Iterator

from core.questions.fact import Fact, Topic
from core.questions.facts import sources
from core.questions.record import Record
from core.questions.wording import plain

MORE_OF_IT, LESS_OF_IT = "0.1 more, at most 1", "0.1 less, at least 0"
_STEP = 0.1


def facts(record: Record) -> Iterator[Fact]:
    """All of it."""
    kinds = [f"{effect}/type" for effect in record.members("/request/effects")]
    yield from record.tell(
        Topic.MADE, "kind effects", "It applies to the file {name!q}, in this order: {kinds}.",
        name="/request/source/filename", also=kinds, values={"kinds": [record.get(kind) for kind in kinds]},
    )  # fmt: skip
    for index, effect in enumerate(record.members("/request/effects")):
        yield from _effect(record, effect, index + 1)
    yield from record.tell(Topic.PARAMETERS, "format", "The format asked for is {format}.", format="/request/format")
    yield from record.tell(
        Topic.PARAMETERS, "tail duration", "The tail asked for is {tail} s.", tail="/request/tail_seconds"
    )
    yield from _found(record)
    yield from sources.facts(record, "/request", "The source")


def _effect(record: Record, effect: str, place: int) -> Iterator[Fact]:
    name = record.get(f"{effect}/type")
    words = [_settings(record, effect)]
    words += [f"band {n}: {_settings(record, band)}" for n, band in enumerate(record.members(f"{effect}/bands"), 1)]
    yield from record.tell(
        (Topic.PARAMETERS, Topic.MADE), f"effects {name}", "Effect {place} is {type}, with {words}.",
        type=f"{effect}/type", also=[effect], values={"place": place, "words": "; ".join(filter(None, words))},
    )  # fmt: skip
    mix = record.number(f"{effect}/mix")
    if mix is None:
        return
    values = {"more": min(mix + _STEP, 1), "less": max(mix - _STEP, 0), "place": place}
    if mix < 1:
        yield from record.tell(
            Topic.ADVICE, f"effects {name}",
            "For more of effect {place}, the {type}, raise its mix from {mix} to {more}.", rule=MORE_OF_IT,
            type=f"{effect}/type", mix=f"{effect}/mix", values=values,
        )  # fmt: skip
    if mix > 0:
        yield from record.tell(
            Topic.ADVICE, f"effects {name}",
            "For less of effect {place}, the {type}, lower its mix from {mix} to {less}.", rule=LESS_OF_IT,
            type=f"{effect}/type", mix=f"{effect}/mix", values=values,
        )  # fmt: skip


def _settings(record: Record, pointer: str) -> str:
    """The name and the value of each setting of an effect, or of one of its bands."""
    settings = {each.rpartition("/")[2]: each for each in record.members(pointer)}
    own = [(name, each) for name, each in settings.items() if name not in ("type", "bands") or "gain_db" in settings]
    return ", ".join(f"{name} {plain(record.get(each))}" for name, each in own)


def _found(record: Record) -> Iterator[Fact]:
    yield from record.tell(
        Topic.FOUND, "peak loudness", "After the effects its largest sample was at {peak} dBFS, and a gain of "
        "{gain:+.1f} dB brought it into the file.", peak="/result/peak_dbfs", gain="/result/gain_db",
    )  # fmt: skip
    if record.get("/result/exceeds_full_scale") is True:
        yield from record.tell(
            (Topic.TROUBLE, Topic.FOUND), "peak loudness",
            "After the effects it was beyond full scale, at {peak} dBFS.", peak="/result/peak_dbfs",
            also=["/result/exceeds_full_scale"],
        )  # fmt: skip
        yield from record.tell(
            Topic.ADVICE, "peak loudness", "To stay below full scale without being turned down at the end, take {peak} "
            "dB away where the effects add it, or ask for the format wav_float, which holds it.",
            peak="/result/peak_dbfs",
        )  # fmt: skip
