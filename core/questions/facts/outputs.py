"""What there is to say of a job's files: what each is, how loud, and by how much to turn it up or down."""

from __future__ import annotations

from collections.abc import Iterator

from core.jobs.model import JobKind
from core.questions.fact import Fact, Topic
from core.questions.record import Record
from core.questions.wording import channels

TARGET_LUFS = -16.0
"""The target for music of AES TD1008; what generations of models with weights are brought to."""
CEILING_DBTP = -1.0
"""The highest true peak, as EBU R 128 has it."""
NEAR_ENOUGH_DB = 0.5
"""Less is not worth a change: nobody hears it in music."""
_NO_MUSIC = ("click", "residual")  # are not meant to be as loud as that
_IN_BALANCE = (JobKind.SEPARATION, JobKind.ACCOMPANIMENT)  # whose stems have their levels from each other
_MOST_MAKEUP_DB = 36.0  # of a compressor of POST /v1/effects

TO_TARGET = "-16 LUFS (AES TD1008) less the measured loudness"
TO_TARGET_WITH_ROOM = f"{TO_TARGET}; -1 dBTP (EBU R 128) less the measured true peak"
TO_CEILING = "the measured true peak less -1 dBTP (EBU R 128)"


def facts(record: Record) -> Iterator[Fact]:
    """All of it, file by file."""
    names = [f"{output}/name" for output in record.members("/outputs")]
    if names:
        yield from record.tell(
            Topic.FOUND, "files stems instrument", "Its files are {names}.", also=names,
            values={"names": [record.get(name) for name in names]},
        )  # fmt: skip
    for output in record.members("/outputs"):
        scope = str(record.get(f"{output}/stem_type"))
        if not str(record.get(f"{output}/name")).endswith(".peaks.json"):  # a waveform for players, not for ears
            yield from _levels(record, output, scope)
            yield from _file(record, output, scope)
            if scope not in _NO_MUSIC:
                levels = f"{output}/loudness_lufs", f"{output}/true_peak_dbtp"
                alone = record.get("/kind") in _IN_BALANCE and scope != "mix"
                yield from level_advice(record, "{name}", *levels, scope, alone=alone, name=f"{output}/name")


def _file(record: Record, output: str, scope: str) -> Iterator[Fact]:
    fields = {"name": f"{output}/name", "format": f"{output}/format", "size": f"{output}/file_size_bytes"}
    fields["seconds"] = f"{output}/duration_seconds"
    text, also = "{name} is a {format} file, {seconds} s long", []
    if record.get(f"{output}/sample_rate"):
        fields["rate"] = f"{output}/sample_rate"
        also.append(f"{output}/channels")
        text += ", at {rate} Hz in {channels}"
    yield from record.tell(
        Topic.FOUND, "files format duration size sample_rate channels", text + ", of {size} bytes.", scope=scope,
        also=also, values={"channels": channels(record.get(f"{output}/channels"))}, more=fields,
    )  # fmt: skip


def _levels(record: Record, output: str, scope: str) -> Iterator[Fact]:
    yield from record.tell(
        Topic.FOUND, "loudness peak", "{name} has a loudness of {loudness} LUFS and a true peak of {peak} dBTP.",
        scope=scope, name=f"{output}/name", loudness=f"{output}/loudness_lufs", peak=f"{output}/true_peak_dbtp",
    )  # fmt: skip
    if record.get(f"{output}/sample_rate") and record.get(f"{output}/loudness_lufs") is None:
        yield from record.tell(
            Topic.FOUND, "loudness",
            "No loudness of {name} is on record: it is silent or as good as that, too short, or was not measured.",
            scope=scope, name=f"{output}/name", also=[f"{output}/loudness_lufs"],
        )  # fmt: skip


def level_advice(
    record: Record, called: str, loudness_field: str, peak_field: str, scope: str | None = None, *,
    alone: bool = False, **names: str,
) -> Iterator[Fact]:  # fmt: skip
    """By how much to turn music up or down; ``called`` is what it is, as a sentence begins with it, of ``names``.

    What is heard with others has its level from them; ``alone`` says that it would be turned up for itself.
    """
    loudness, peak = record.number(loudness_field), record.number(peak_field)
    if loudness is None or peak is None:
        return
    missing = TARGET_LUFS - loudness
    if missing >= NEAR_ENOUGH_DB:
        text = f"{called} is at {{loudness}} LUFS: raise it by {{gain}} dB to come to -16 LUFS (AES TD1008)"
        text += " by itself" if alone else ""
        fields, rule, room = names | {"loudness": loudness_field}, TO_TARGET, CEILING_DBTP - peak
        if missing <= _MOST_MAKEUP_DB:
            text += ", with a compressor of ratio 1 and makeup_db {gain} (POST /v1/effects)"
        if room < missing:
            fields, rule = fields | {"peak": peak_field}, TO_TARGET_WITH_ROOM
            text += "; its true peak of {peak} dBTP leaves room for {room} dB up to -1 dBTP, so put a limiter behind it"
            text += " (ceiling_db -1)"
        yield from record.tell(
            Topic.ADVICE, "loudness louder", f"{text}.", scope=scope, rule=rule, more=fields,
            values={"gain": missing, "room": room},
        )  # fmt: skip
    elif missing <= -NEAR_ENOUGH_DB and not alone:
        yield from record.tell(
            Topic.ADVICE, "loudness quieter",
            f"{called} is at {{loudness}} LUFS: turn it down by {{gain}} dB to come to -16 LUFS (AES TD1008).",
            scope=scope, rule=TO_TARGET, loudness=loudness_field, values={"gain": -missing}, more=names,
        )  # fmt: skip
    if peak > CEILING_DBTP:
        yield from _peak_advice(record, called, peak_field, peak, scope, names)


def _peak_advice(
    record: Record, called: str, peak_field: str, peak: float, scope: str | None, names: dict[str, str]
) -> Iterator[Fact]:
    yield from record.tell(
        Topic.ADVICE, "peak loudness", f"{called} has a true peak of {{peak}} dBTP: turn it down by {{gain}} dB, or "
        "put a limiter with ceiling_db -1 on it (POST /v1/effects), to keep it below -1 dBTP (EBU R 128), so that no "
        "lossy format clips.", scope=scope, rule=TO_CEILING, peak=peak_field, values={"gain": peak - CEILING_DBTP},
        more=names,
    )  # fmt: skip
