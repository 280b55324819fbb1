"""What there is to say of stems that were generated."""

from __future__ import annotations

from collections.abc import Iterator

from core.questions.fact import Fact, Topic
from core.questions.facts import sources
from core.questions.record import Record
from core.questions.wording import channels

FASTER_AND_SLOWER = "a tenth more; a tenth less"
MORE_FREE, LESS_FREE = "0.3 more, at most 2", "0.3 less, at least 0"
CLOSER_TO_PROMPT = "1 more, at most 20"
_STEP = 0.3
WITHOUT_TEMPERATURE = frozenset({"stable_audio"})
"""Engines that any temperature may be sent to, and that it changes nothing of: a diffusion draws no tokens."""

_ASKED = {
    "target_bpm": ("tempo", "The tempo asked for is {value} beats a minute."),
    "duration_seconds": ("duration", "The length asked for is {value} s."),
    "style": ("style", "The style asked for is {value!q}."),
    "chord_progression": ("chords", "The chords asked for, one a bar, are {value}."),
    "key": ("key", "The key that the chords were read in is {value}."),
    "prompt": ("prompt", "The prompt is {value!q}."),
    "negative_prompt": ("prompt", "What it should not sound like is {value!q}."),
    "temperature": ("temperature", "The temperature is {value}."),
    "random_seed": ("seed", "The random seed is {value}: the same request with it gives the same files."),
    "guidance_scale": ("guidance", "The guidance scale is {value}."),
    "steps": ("steps", "The diffusion takes {value} steps."),
    "sample_rate": ("sample_rate", "The sample rate asked for is {value} Hz."),
    "loudness_lufs": ("loudness", "The loudness asked for is {value} LUFS."),
    "top_k": ("sampling", "The sampling draws from the {value} likeliest tokens (top_k; 0 is all)."),
    "top_p": ("sampling", "The top_p of the sampling is {value}; 0 leaves it to top_k."),
}
_DECIDING = frozenset({"target_bpm", "duration_seconds", "style", "chord_progression", "prompt"})


def facts(record: Record) -> Iterator[Fact]:
    """All of it."""
    yield from record.tell(
        Topic.MADE, "kind stems instrument", "It generates the stems {stems}.", stems="/request/target_stems"
    )
    yield from _inputs(record)
    for name, (about, text) in _ASKED.items():
        topics = (Topic.PARAMETERS, Topic.MADE) if name in _DECIDING else (Topic.PARAMETERS,)
        yield from record.tell(topics, about, text, value=f"/request/parameters/{name}")
    yield from made_by_model(record)
    yield from stem_gains(record)
    yield from _advice(record)


def made_by_model(record: Record) -> Iterator[Fact]:
    """What the receipt in a job's result says of the model."""
    yield from record.tell(
        Topic.MADE, "sample_rate channels engine", "The model {model} itself works at {rate} Hz in {channels}.",
        model="/result/model", rate="/result/sample_rate", also=["/result/channels"],
        values={"channels": channels(record.get("/result/channels"))},
    )  # fmt: skip


def stem_gains(record: Record) -> Iterator[Fact]:
    """What each stem was raised or lowered by."""
    for stem in record.members("/result/stems"):
        name = stem.rpartition("/")[2]
        yield from record.tell(
            Topic.MADE, "loudness gain", "The stem {name} was brought to its level by {gain:+.1f} dB.", scope=name,
            gain=f"{stem}/gain_db", values={"name": name},
        )  # fmt: skip


def _inputs(record: Record) -> Iterator[Fact]:
    for name, called, used in (
        ("audio_prompt", "The audio prompt", "The stems go on from an audio prompt."),
        ("melody", "The melody", "The stems follow the melody of a file that came along."),
    ):
        pointer = f"/request/{name}"
        if record.get(pointer):
            yield from record.tell(Topic.MADE, f"source {name}", used, also=[pointer])
            yield from sources.facts(record, pointer, called)


def _advice(record: Record) -> Iterator[Fact]:
    parameters = "/request/parameters"
    tempo = record.number(f"{parameters}/target_bpm")
    if tempo is not None:
        values = {"faster": tempo * 1.1, "slower": tempo * 0.9}
        yield from record.tell(
            Topic.ADVICE, "tempo", "For another tempo, change parameters.target_bpm from {value}: {faster:.0f} is a "
            "tenth faster, {slower:.0f} a tenth slower.", rule=FASTER_AND_SLOWER, value=f"{parameters}/target_bpm",
            values=values,
        )  # fmt: skip
    yield from another_take(record, f"{parameters}/random_seed", f"{parameters}/temperature")
    guidance = record.number(f"{parameters}/guidance_scale")
    if guidance is not None and guidance < 20:
        yield from record.tell(
            Topic.ADVICE, "guidance prompt",
            "To follow the prompt more closely, raise parameters.guidance_scale from {value} to {more}.",
            rule=CLOSER_TO_PROMPT, value=f"{parameters}/guidance_scale", values={"more": min(guidance + 1, 20)},
        )  # fmt: skip
    if record.get(f"{parameters}/loudness_lufs") is None and record.get("/outputs"):
        yield from record.tell(
            Topic.ADVICE, "loudness",
            "To have the stems come at one loudness, ask with parameters.loudness_lufs, which is not set, such as -16.",
            also=[f"{parameters}/loudness_lufs"],
        )  # fmt: skip


def another_take(record: Record, seed: str, temperature: str) -> Iterator[Fact]:
    """What to change for another take, and for a freer or a plainer one."""
    yield from record.tell(
        Topic.ADVICE, "seed", "For another take of the same, ask with another random_seed than {seed}.", seed=seed
    )
    value = record.number(temperature)
    if value is None or record.get("/engine/name") in WITHOUT_TEMPERATURE:
        return
    values = {"more": min(value + _STEP, 2), "less": max(value - _STEP, 0)}
    if value < 2:
        yield from record.tell(
            Topic.ADVICE, "temperature", "For more variety, raise the temperature from {value} to {more}.",
            rule=MORE_FREE, value=temperature, values=values,
        )  # fmt: skip
    if value > 0:
        yield from record.tell(
            Topic.ADVICE, "temperature", "For something plainer, lower the temperature from {value} to {less}.",
            rule=LESS_FREE, value=temperature, values=values,
        )  # fmt: skip
