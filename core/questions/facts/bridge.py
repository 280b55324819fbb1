"""What there is to say of a bridge between two tracks."""

from __future__ import annotations

import re
from collections.abc import Iterator

from core.questions.fact import Fact, Topic
from core.questions.facts import heard, sources
from core.questions.record import Record
from core.questions.wording import channels
from core.theory.keys import parse_key

TRACKS = {"track1": "Track 1", "track2": "Track 2"}

HALFWAY_TO_TRACK1 = "half of the smallest ratio"
HALFWAY_TO_TRACK2 = "halfway from the largest ratio to 1"
TEMPOS_APART = "the faster tempo over the slower, less 1"
WITHIN_THE_TRACK = "where the track is over less where its part begins; start_seconds plus that"
NOTES_SHARED = "the notes that the scales of both keys have"
CLOSE_KEYS_SHARE = 6
"""Notes of neighbours on the circle of fifths."""
FAR_APART = 0.05
"""Of two tempos, as a share of the slower one: what lies between them is heard as two beats beside each other."""

_OVER = re.compile(
    r"(?P<track>track[12]): it is over at (?P<end>[0-9.]+) s, and its part would go from "
    "(?P<start>[0-9.]+) "
)


def facts(record: Record) -> Iterator[Fact]:
    """All of it."""
    yield from _made(record)
    yield from _asked(record)
    yield from _advice(record)
    yield from _lengths(record)
    for track, called in TRACKS.items():
        yield from heard.facts(record, f"/result/tracks/{track}", called, track)
        yield from sources.facts(record, f"/request/{track}", called, track)
    yield from _bridges(record)


def _made(record: Record) -> Iterator[Fact]:
    made = Topic.MADE
    yield from record.tell(
        made, "ratio kind",
        "It makes new music between track 1 and track 2, for the ratios {ratios}: 0 is track 1, 1 is track 2.",
        ratios="/request/ratios",
    )  # fmt: skip
    ratios = [ratio for ratio in record.get("/request/ratios") or () if 0 < ratio < 1]
    if record.get("/engine/name") == "morph" and any(ratio <= 0.5 for ratio in ratios):
        yield from record.tell(
            made, "ratio", "Up to a ratio of 0.5, the engine {engine} gives track 1 the timbre and dynamics of track "
            "2, while harmony and rhythm stay track 1's.", engine="/engine/name", also=["/request/ratios"],
        )  # fmt: skip
    if record.get("/engine/name") == "encodec" and any(ratio <= 0.5 for ratio in ratios):
        yield from record.tell(
            made, "ratio", "Up to a ratio of 0.5, the engine {engine} goes in a straight line, in its codec's latent "
            "space, from track 1 to what its model makes of it, which is at 0.5.", engine="/engine/name",
            also=["/request/ratios"],
        )  # fmt: skip
    if any(ratio > 0.5 for ratio in ratios):
        yield from record.tell(
            made, "ratio", "From a ratio of 0.5 on, what is there at 0.5 goes over into track 2 itself.",
            also=["/request/ratios"],
        )  # fmt: skip
    yield from record.tell(
        made, "start duration",
        "It took {seconds} s of each track, from {start} s of track 1 and from {start2} s of track 2.",
        seconds="/result/duration_seconds", start="/result/start_seconds", start2="/result/track2_start_seconds",
    )  # fmt: skip
    segments = record.number("/result/segments")
    if segments is not None and segments > 1:
        yield from record.tell(
            made, "segments crossfade",
            "It was made in {segments} segments of {seconds} s, faded into each other over {fade} s.",
            segments="/result/segments", seconds="/result/segment_seconds", fade="/result/crossfade_seconds",
        )  # fmt: skip
    yield from record.tell(
        made, "sample_rate channels", "Both tracks were brought to {rate} Hz in {channels}.",
        rate="/result/sample_rate", also=["/result/channels"],
        values={"channels": channels(record.get("/result/channels"))},
    )  # fmt: skip


def _asked(record: Record) -> Iterator[Fact]:
    asked = Topic.PARAMETERS
    yield from record.tell(asked, "ratio", "The ratios asked for are {ratios}.", ratios="/request/ratios")
    if record.get("/request/end_seconds") is None:
        yield from record.tell(
            asked, "start duration", "The part asked for is from {start} s of track 1 and from {start2} s of track 2 "
            "to the end of the shorter one.", start="/request/start_seconds", start2="/request/track2_start_seconds",
            also=["/request/end_seconds"],
        )  # fmt: skip
    yield from record.tell(
        asked, "start duration",
        "The part asked for is from {start} s to {end} s of track 1, and from {start2} s of track 2.",
        start="/request/start_seconds", end="/request/end_seconds", start2="/request/track2_start_seconds",
    )  # fmt: skip
    yield from record.tell(
        asked, "format sample_rate", "The files asked for are {format} at {rate} Hz.", format="/request/format",
        rate="/request/sample_rate",
    )  # fmt: skip
    yield from record.tell(asked, "channels", "Stereo was asked for: {stereo}.", stereo="/request/stereo")
    yield from record.tell(
        asked, "crossfade", "The crossfade asked for between segments is {fade} s.", fade="/request/crossfade_seconds"
    )


def _bridges(record: Record) -> Iterator[Fact]:
    for bridge in record.members("/result/bridges"):
        ratio = record.get(f"{bridge}/ratio")
        yield from record.tell(
            (Topic.MADE, Topic.FOUND), "ratio loudness",
            "{name} is the bridge at the ratio {ratio}; its level was changed by {gain:+.1f} dB.",
            scope=f"bridge-{ratio:g}" if isinstance(ratio, int | float) else None, name=f"{bridge}/name",
            ratio=f"{bridge}/ratio", gain=f"{bridge}/gain_db",
        )  # fmt: skip


def _advice(record: Record) -> Iterator[Fact]:
    advice = Topic.ADVICE
    ratios = record.get("/request/ratios") or []
    if ratios and max(ratios) < 1:
        yield from record.tell(
            advice, "ratio", "To come nearer to track 2, ask for a ratio of {nearer:g} in place of {ratio:g}.",
            scope="track2", rule=HALFWAY_TO_TRACK2, also=["/request/ratios"],
            values={"ratio": max(ratios), "nearer": (max(ratios) + 1) / 2},
        )  # fmt: skip
    if ratios and min(ratios) > 0:
        yield from record.tell(
            advice, "ratio", "To stay nearer to track 1, ask for a ratio of {nearer:g} in place of {ratio:g}.",
            scope="track1", rule=HALFWAY_TO_TRACK1, also=["/request/ratios"],
            values={"ratio": min(ratios), "nearer": min(ratios) / 2},
        )  # fmt: skip
    tempos = [f"/result/tracks/{track}/tempo_bpm" for track in TRACKS]
    slower, faster = sorted(record.number(tempo) or 0.0 for tempo in tempos)
    if slower and faster / slower - 1 >= FAR_APART:
        yield from record.tell(
            (advice, Topic.FOUND), "tempo beats difference", "The tempos of {one} and {other} beats a minute differ by "
            "{share:share}: two tracks, or parts of them, whose tempos are nearer to each other keep one beat.",
            rule=TEMPOS_APART, one=tempos[0], other=tempos[1], values={"share": faster / slower - 1},
        )  # fmt: skip
    yield from _keys(record)


def _keys(record: Record) -> Iterator[Fact]:
    """What both keys have in common, and that more of it is better where it is little."""
    keys = [f"/result/tracks/{track}/key" for track in TRACKS]
    if not all(record.get(key) for key in keys):
        return
    one, other = (_pitch_classes(str(record.get(key))) for key in keys)
    shared = len(one & other)
    topics: tuple[Topic, ...] = (Topic.FOUND,)
    text = "Track 1 is in {one}, track 2 in {other}: {shared} of 7 notes are the same"
    if shared < CLOSE_KEYS_SHARE:
        text, topics = text + "; parts whose keys have more in common go together better", (Topic.ADVICE, Topic.FOUND)
    yield from record.tell(
        topics, "key difference", f"{text}.", rule=NOTES_SHARED, one=keys[0], other=keys[1], values={"shared": shared}
    )


def _pitch_classes(key: str) -> frozenset[int]:
    """Of the key's scale, in minor the natural one."""
    steps = {"major": (0, 2, 4, 5, 7, 9, 11), "minor": (0, 2, 3, 5, 7, 8, 10)}
    parsed = parse_key(key)
    return frozenset((parsed.pitch_class + step) % 12 for step in steps[parsed.mode])


def _lengths(record: Record) -> Iterator[Fact]:
    """What a track has room for that is over before its part is: where it ends is told by the error alone."""
    if record.get("/error/type") != "audio-too-short":
        return
    over = _OVER.match(str(record.get("/error/detail")))
    start = record.number("/request/start_seconds")
    if over is None or start is None:
        return
    seconds = float(over["end"]) - float(over["start"])
    if seconds > 0:
        yield from record.tell(
            (Topic.ADVICE, Topic.TROUBLE), "duration start error", "From where its part begins, {track} has {seconds} "
            "s: ask for an end_seconds of at most {most}, or let its part begin earlier.", scope=over["track"],
            rule=WITHIN_THE_TRACK, also=["/error/detail", "/request/start_seconds"],
            values={"track": TRACKS[over["track"]].lower(), "seconds": seconds, "most": start + seconds},
        )  # fmt: skip
