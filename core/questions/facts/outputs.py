"""What there is to say of a job's files: what each is, how loud, and by how much to turn it up or down."""

from __future__ import annotations

from collections.abc import Iterator

from core.questions.fact import Fact, Topic
from core.questions.record import Record
from core.questions.wording import channels

TARGET_LUFS = -16.0
"""The target for music of AES TD1008; what generations of models with weights are brought to."""
CEILING_DBTP = -1.0
"""The highest true peak, as EBU R 128 has it."""
NEAR_ENOUGH_DB = 0.5
"""Less is not worth a change: nobody hears it in music."""
_MOST_MAKEUP_DB = 36.0  # of a compressor of POST /v1/effects

TO_TARGET = "-16 LUFS (AES TD1008) less the measured loudness"
TO_TARGET_WITH_ROOM = f"{TO_TARGET}; -1 dBTP (EBU R 128) less the measured true peak"
TO_CEILING = "the measured true peak less -1 dBTP (EBU R 128)"


def facts(record: Record) -> Iterator[Fact]:
    """All of it, file by file."""
    for output in record.members("/outputs"):
        scope = str(record.get(f"{output}/stem_type"))
        if not str(record.get(f"{output}/name")).endswith(".peaks.json"):  # a waveform for players, not for ears
            yield from _levels(record, output, scope)
            yield from _file(record, output, scope)
            yield from _advice(record, output, scope)


def _file(record: Record, output: str, scope: str) -> Iterator[Fact]:
    fields = {"name": f"{output}/name", "format": f"{output}/format", "size": f"{output}/file_size_bytes"}
    fields["seconds"] = f"{output}/duration_seconds"
    text, also = "{name} is a {format} file, {seconds} s long", []
    if record.get(f"{output}/sample_rate"):
        fields["rate"] = f"{output}/sample_rate"
        also.append(f"{output}/channels")
        text += ", at {rate} Hz in {channels}"
    yield from record.tell(
        Topic.FOUND, "files format duration size sample_rate channels stems", text + ", of {size} bytes.", scope=scope,
        also=also, values={"channels": channels(record.get(f"{output}/channels"))}, more=fields,
    )  # fmt: skip


def _levels(record: Record, output: str, scope: str) -> Iterator[Fact]:
    yield from record.tell(
        Topic.FOUND, "loudness peak", "{name} has a loudness of {loudness} LUFS and a true peak of {peak} dBTP.",
        scope=scope, name=f"{output}/name", loudness=f"{output}/loudness_lufs", peak=f"{output}/true_peak_dbtp",
    )  # fmt: skip


def _advice(record: Record, output: str, scope: str) -> Iterator[Fact]:
    """Only for what is music and can be heard: a click track is not meant to be as loud as that."""
    loudness, peak = record.number(f"{output}/loudness_lufs"), record.number(f"{output}/true_peak_dbtp")
    if loudness is None or peak is None or scope == "click":
        return
    missing = TARGET_LUFS - loudness
    if missing >= NEAR_ENOUGH_DB:
        yield from _raise(record, output, scope, missing, room=CEILING_DBTP - peak)
    elif missing <= -NEAR_ENOUGH_DB:
        yield from record.tell(
            Topic.ADVICE, "loudness quieter", "{name} is at {loudness} LUFS: turn it down by {gain} dB to come to -16 "
            "LUFS "
            "(AES TD1008).", scope=scope, rule=TO_TARGET, name=f"{output}/name", loudness=f"{output}/loudness_lufs",
            values={"gain": -missing},
        )  # fmt: skip
    if peak > CEILING_DBTP:
        yield from record.tell(
            Topic.ADVICE, "peak loudness", "{name} has a true peak of {peak} dBTP: turn it down by {gain} dB, or put "
            "a limiter "
            "with ceiling_db -1 on it (POST /v1/effects), to keep it below -1 dBTP (EBU R 128), so that no lossy "
            "format "
            "clips.", scope=scope, rule=TO_CEILING, name=f"{output}/name", peak=f"{output}/true_peak_dbtp",
            values={"gain": peak - CEILING_DBTP},
        )  # fmt: skip


def _raise(record: Record, output: str, scope: str, missing: float, room: float) -> Iterator[Fact]:
    """With makeup gain, and a limiter behind it if the peaks have less room than that."""
    text = "{name} is at {loudness} LUFS: raise it by {gain} dB to come to -16 LUFS (AES TD1008)"
    fields, rule = {"name": f"{output}/name", "loudness": f"{output}/loudness_lufs"}, TO_TARGET
    if missing <= _MOST_MAKEUP_DB:
        text += ", with a compressor of ratio 1 and makeup_db {gain} (POST /v1/effects)"
    if room < missing:
        fields["peak"], rule = f"{output}/true_peak_dbtp", TO_TARGET_WITH_ROOM
        text += "; its true peak of {peak} dBTP leaves room for {room} dB up to -1 dBTP, so put a limiter behind it"
        text += " (ceiling_db -1)"
    yield from record.tell(
        Topic.ADVICE, "loudness louder", f"{text}.", scope=scope, rule=rule, values={"gain": missing, "room": room},
        more=fields,
    )  # fmt: skip
