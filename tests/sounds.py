"""Sounds as the bank holds them, without their files: one as a test needs it, or many that differ in everything."""

from __future__ import annotations

import random
from collections.abc import Iterable, Iterator
from datetime import UTC, datetime, timedelta
from itertools import islice
from typing import Any

from core.ports import Change, Insert, Table
from core.soundbank.rows import PARTITION, document, place_keys, sound_key
from core.soundbank.sample import Derivation, Pitch, Sample, SoundMaker
from core.theory.fretboard import INSTRUMENTS
from core.theory.notes import note_name
from core.theory.techniques import sounding_hz

START = datetime(2026, 1, 1, tzinfo=UTC)
TAGS = ("clean", "lead", "lead-2", "warm.v1", "x_y")
WORDS = ("crunchy", "rock", "tone", "Soft", "ÜBER", "straße", "r&b", "5th", "a")
TECHNIQUES = (("pluck",), ("pluck", "palm_mute"), ("vibrato",), ("bend", "vibrato"), ("dead_note",), ("harmonic",))
MAKERS = (
    SoundMaker(engine="plucked_string", version="1", model="plucked_string", licence="MIT"),
    SoundMaker(engine="musicgen", version="1", model="small", licence="MIT", weights_licence="CC-BY-NC-4.0"),
)


def sound(sample_id: str = "sound-1", **fields: Any) -> Sample:
    """A plain note, E4 on a guitar's open first string, unless ``fields`` say otherwise; its pitch is computed."""
    plain: dict[str, Any] = {
        "sample_id": sample_id, "job_id": "job-1", "instrument": "acoustic_guitar", "tuning": "standard", "string": 1,
        "fret": 0, "open_pitch": 64, "velocity": 0.8, "technique": ("pluck",), "duration_seconds": 2.0,
        "random_seed": 1, "made_by": MAKERS[0], "fingerprint": f"made-of-{sample_id}", "family": "family",
        "file_size_bytes": 352844, "sample_rate": 44100, "channels": 2, "sha256": "0" * 64, "created_at": START,
    }  # fmt: skip
    whole = Sample.model_validate(plain | fields)
    return whole if "pitch" in fields else whole.evolve(pitch=pitch_of(whole))


def pitch_of(sample: Sample) -> Pitch:
    """The pitch that a sound is asked to have."""
    bend = sample.articulation.bend_semitones or 1.0
    frequency = sounding_hz(sample.open_pitch, sample.fret, sample.technique, bend)
    note = note_name(sample.open_pitch + sample.fret)
    return Pitch(note=note, frequency_hz=frequency) if frequency is not None else Pitch()


def random_sounds(seed: int, count: int) -> list[Sample]:
    """Sounds that differ in all that can be searched for, some of them made within the same millisecond."""
    draw = random.Random(seed)
    return [_random_sound(draw, f"s-{draw.randrange(10**6):06}-{number}") for number in range(count)]


def even_sounds(count: int) -> Iterator[Sample]:
    """A bank that grew evenly: every instrument, string and fret in turn, softly and hard, with and without mute."""
    neck = [
        sound(instrument=instrument.name, string=instrument.strings - index, fret=fret, open_pitch=pitch)
        for instrument in INSTRUMENTS.values()
        for index, pitch in enumerate(instrument.open_pitches("standard"))
        for fret in range(instrument.frets + 1)
    ]
    for number in range(count):
        take, place = divmod(number, len(neck))
        yield neck[place].evolve(
            sample_id=f"sound-{number:06}",
            fingerprint=f"{number:064x}",
            family=f"family-{take}",
            velocity=(take % 11) / 10,
            technique=("pluck", "palm_mute") if take % 3 == 0 else ("pluck",),
            created_at=START + timedelta(seconds=number),
        )


def load(table: Table, sounds: Iterable[Sample]) -> None:
    """Store sounds quickly, 100 rows a transaction, without looking at what is there."""
    rows = (row for sample in sounds for row in _rows(sample))
    while some := list(islice(rows, 100)):
        table.commit(PARTITION, *some)


def _rows(sample: Sample) -> list[Change]:
    whole = document(sample)
    return [Insert(key, whole) for key in (sound_key(sample.sample_id), *place_keys(sample))]


def _random_sound(draw: random.Random, sample_id: str) -> Sample:
    instrument = INSTRUMENTS[draw.choice(list(INSTRUMENTS))]
    tuning = draw.choice(["standard", "half_step_down", instrument.tunings["standard"]])
    string = draw.randint(1, instrument.strings)
    return sound(
        sample_id,
        instrument=instrument.name,
        tuning=tuning,
        string=string,
        fret=draw.randint(0, instrument.frets),
        open_pitch=instrument.open_pitches(tuning)[-string],
        velocity=draw.choice([0.0, 0.25, 0.5, 0.5001, 0.5004, 1.0]),
        technique=draw.choice(TECHNIQUES),
        style_prompt=" ".join(draw.choices(WORDS, k=draw.randint(0, 4))),
        tags=tuple(draw.sample(TAGS, draw.randint(0, 3))),
        duration_seconds=draw.choice([0.5, 1.0, 2.0]),
        made_by=draw.choice(MAKERS),
        derived_from=draw.choice([None, None, Derivation(sample_id="other", shift_semitones=1)]),
        created_at=START + timedelta(milliseconds=draw.randrange(300)),
    )
