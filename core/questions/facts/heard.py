"""What there is to say of what an analysis heard: in a file, or in each track of a bridge."""

from __future__ import annotations

from collections.abc import Iterator

from core.questions.fact import Fact, Topic
from core.questions.record import Record

UNSURE = 0.5
"""A confidence below which what was heard is called unsure; 0 is a guess, 1 is sure."""
OUT_OF_TUNE_CENTS = 10.0
"""What a listener notices of two that play together."""

HALF_AND_TWICE = "half of tempo_bpm, and twice as much"
BACK_IN_TUNE = "the opposite of tuning_cents"


def facts(record: Record, pointer: str, called: str, scope: str | None = None) -> Iterator[Fact]:
    """Of the summary at ``pointer``; ``called`` is what was heard, as a sentence begins with it."""
    yield from _tempo(record, pointer, called, scope)
    yield from _harmony(record, pointer, called, scope)
    yield from _levels(record, pointer, called, scope)
    yield from _form(record, pointer, called, scope)
    yield from _advice(record, pointer, called, scope)


def _tempo(record: Record, pointer: str, called: str, scope: str | None) -> Iterator[Fact]:
    found = Topic.FOUND
    if record.number(f"{pointer}/tempo_bpm") is None:
        if record.get(f"{pointer}/duration_seconds") is not None:
            yield from record.tell(
                found, "tempo beats", f"{called} has no beat that could be told.", scope=scope,
                also=[f"{pointer}/tempo_bpm"],
            )  # fmt: skip
        return
    text, more = f"{called} has a tempo of {{bpm}} beats a minute", {}
    if record.get(f"{pointer}/beats_per_bar") is not None:
        text, more = text + ", {per_bar} to the bar", {"per_bar": f"{pointer}/beats_per_bar"}
    yield from record.tell(
        found, "tempo beats confidence", text + ", with a confidence of {sure:share}.", scope=scope,
        bpm=f"{pointer}/tempo_bpm", sure=f"{pointer}/tempo_confidence", more=more,
    )  # fmt: skip


def _harmony(record: Record, pointer: str, called: str, scope: str | None) -> Iterator[Fact]:
    found = Topic.FOUND
    if record.get(f"{pointer}/key") is None and record.get(f"{pointer}/key_confidence") is not None:
        yield from record.tell(
            found, "key", f"{called} has no key that could be told.", scope=scope, also=[f"{pointer}/key"]
        )
    yield from record.tell(
        found, "key confidence", f"{called} is in {{key}}, with a confidence of {{sure:share}}.", scope=scope,
        key=f"{pointer}/key", sure=f"{pointer}/key_confidence",
    )  # fmt: skip
    chords = {"count": f"{pointer}/chords", "first": f"{pointer}/first_chords"}
    whole = record.get(chords["count"]) == len(record.get(chords["first"]) or ())
    text = "{count} chords: {first}." if whole else "{count} chords, which begin with {first}."
    if "N" in (record.get(chords["first"]) or ()):
        text += " N is where there is none."
    yield from record.tell(found, "chords", f"{called} has {text}", scope=scope, more=chords)
    if record.get(chords["count"]) == 0:
        yield from record.tell(
            found, "chords", f"{called} has no chord that could be told.", scope=scope, also=[chords["count"]]
        )


def _levels(record: Record, pointer: str, called: str, scope: str | None) -> Iterator[Fact]:
    found = Topic.FOUND
    fields = {"loudness": f"{pointer}/integrated_lufs", "peak": f"{pointer}/true_peak_dbtp"}
    text, about = f"{called} has a loudness of {{loudness}} LUFS and a true peak of {{peak}} dBTP", "loudness peak"
    if record.get(f"{pointer}/brightness_hz") is not None:
        fields, about = fields | {"hz": f"{pointer}/brightness_hz"}, f"{about} brightness"
        text += ", and the centre of its spectrum is at {hz} Hz: the higher, the brighter"
    yield from record.tell(found, about, f"{text}.", scope=scope, more=fields)
    if record.get(f"{pointer}/integrated_lufs") is None and record.get(f"{pointer}/duration_seconds") is not None:
        yield from record.tell(
            found, "loudness",
            f"{called} has no loudness that could be measured: it is silent or as good as that, or too short.",
            scope=scope, also=[f"{pointer}/integrated_lufs"],
        )  # fmt: skip
    yield from record.tell(found, "beats", f"{called} has {{beats}} beats.", scope=scope, beats=f"{pointer}/beats")
    yield from record.tell(
        found, "loudness dynamics", f"{called} has a loudness range of {{range}} LU.", scope=scope,
        range=f"{pointer}/range_lu",
    )  # fmt: skip
    yield from record.tell(
        found, "duration", f"{{seconds}} s of {called[0].lower()}{called[1:]} were heard.", scope=scope,
        seconds=f"{pointer}/duration_seconds",
    )  # fmt: skip


def _form(record: Record, pointer: str, called: str, scope: str | None) -> Iterator[Fact]:
    found = Topic.FOUND
    if record.get(f"{pointer}/chords"):  # else nothing had a pitch, and 440 Hz is only what is said then
        yield from record.tell(
            found, "tuning", f"{called} is tuned to A = {{hz}} Hz, {{cents:+.1f}} cents from 440 Hz.", scope=scope,
            hz=f"{pointer}/tuning_hz", cents=f"{pointer}/tuning_cents",
        )  # fmt: skip
    yield from record.tell(
        found, "sections", f"{called} has the form {{form}}, in which the same letter is the same part.", scope=scope,
        form=f"{pointer}/sections",
    )  # fmt: skip


def _advice(record: Record, pointer: str, called: str, scope: str | None) -> Iterator[Fact]:
    advice = Topic.ADVICE
    tempo, sure = record.number(f"{pointer}/tempo_bpm"), record.number(f"{pointer}/tempo_confidence")
    if tempo is not None:
        yield from record.tell(
            advice, "tempo beats", f"{called}: where {{bpm}} beats a minute seem too fast or too slow, {{half}} and "
            "{twice} fit as well: half and twice a tempo have the same confidence.", scope=scope, rule=HALF_AND_TWICE,
            bpm=f"{pointer}/tempo_bpm", values={"half": tempo / 2, "twice": tempo * 2},
        )  # fmt: skip
    if tempo is not None and sure is not None and sure < UNSURE:
        yield from record.tell(
            advice, "tempo confidence",
            f"{called}: the tempo is unsure (a confidence of {{sure:share}}); a longer part tells it better.",
            scope=scope, sure=f"{pointer}/tempo_confidence",
        )  # fmt: skip
    yield from _harmony_advice(record, pointer, called, scope)


def _harmony_advice(record: Record, pointer: str, called: str, scope: str | None) -> Iterator[Fact]:
    advice = Topic.ADVICE
    key_sure = record.number(f"{pointer}/key_confidence")
    if key_sure is not None and key_sure < UNSURE:
        yield from record.tell(
            advice, "key confidence", f"{called}: the key of {{key}} is unsure (a confidence of {{sure:share}}); a "
            "longer part, or one without drums, tells it better.", scope=scope, key=f"{pointer}/key",
            sure=f"{pointer}/key_confidence",
        )  # fmt: skip
    cents = record.number(f"{pointer}/tuning_cents")
    if cents is not None and abs(cents) >= OUT_OF_TUNE_CENTS:
        yield from record.tell(
            advice, "tuning",
            f"{called} is {{cents:+.1f}} cents from 440 Hz: shift it by {{back:+.1f}} cents to play along with others.",
            scope=scope, rule=BACK_IN_TUNE, cents=f"{pointer}/tuning_cents", values={"back": -cents},
        )  # fmt: skip
