"""Searching the bank: every page is what reading all sounds one by one would give, at a fraction of the reads."""

from __future__ import annotations

import base64
import random
import string as characters
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from core.errors import InvalidRequest
from core.ports import Change, Row
from core.soundbank.query import SoundQuery
from core.soundbank.rows import MOST_WORDS
from core.soundbank.sample import Sample
from core.soundbank.search import MOST_READS, SoundPage, search
from core.storage.memory import MemoryTable
from core.theory.fretboard import INSTRUMENTS
from core.theory.notes import midi_of
from tests.sounds import TAGS, TECHNIQUES, even_sounds, load, random_sounds, sound

MANY = 100_000


class CountingTable(MemoryTable):
    """Counts what is read of it, each scan as the transaction that it is."""

    def __init__(self) -> None:
        super().__init__()
        self.reads = 0

    def get(self, partition: str, key: str) -> Row:
        self.reads += 1
        return super().get(partition, key)

    def scan(self, partition: str, start: str, stop: str, limit: int) -> list[Row]:
        assert limit <= 1000  # what storage gives in one transaction
        self.reads += 1
        return super().scan(partition, start, stop, limit)

    def commit(self, partition: str, *changes: Change) -> tuple[str, ...]:
        assert len(changes) <= 100
        return super().commit(partition, *changes)


def bank(*sounds: Sample) -> CountingTable:
    table = CountingTable()
    load(table, sounds)
    return table


def asking(**fields: Any) -> SoundQuery:
    return SoundQuery.model_validate(fields)


def pages(table: MemoryTable, query: SoundQuery) -> Iterator[SoundPage]:
    page = search(table, query)
    yield page
    while page.next_cursor is not None:
        page = search(table, query.model_copy(update={"cursor": page.next_cursor}))
        yield page


def found(table: MemoryTable, **fields: Any) -> list[str]:
    return [sample.sample_id for page in pages(table, asking(**fields)) for sample in page.samples]


def refused(**fields: Any) -> dict[str, str]:
    with pytest.raises(InvalidRequest) as raised:
        search(MemoryTable(), asking(**fields))
    return {error.pointer: error.detail for error in raised.value.errors}


# What is found, against reading everything


RANDOM_SOUNDS = random_sounds(seed=5, count=2000)


@pytest.fixture(scope="module")
def random_bank() -> CountingTable:
    return bank(*RANDOM_SOUNDS)


_SAME: dict[str, Callable[[Sample], Any]] = {
    "instrument": lambda sample: sample.instrument,
    "string": lambda sample: sample.string,
    "fret": lambda sample: sample.fret,
    "velocity": lambda sample: sample.velocity,
    "engine": lambda sample: sample.made_by.engine,
    "model": lambda sample: sample.made_by.model,
    "derived": lambda sample: sample.derived_from is not None,
}
_ORDERED: dict[str, Callable[[Sample], float]] = {
    "fret": lambda sample: sample.fret,
    "velocity": lambda sample: sample.velocity,
    "duration": lambda sample: sample.duration_seconds,
}
_TUNED_ALIKE = {
    "standard": lambda tuning: tuning != "half_step_down",
    "half_step_down": lambda tuning: tuning == "half_step_down",
}


def naive(sounds: list[Sample], fields: dict[str, Any]) -> list[str]:
    """The same search, by the words of its description and nothing else."""
    fitting = [sample for sample in sounds if all(naively_fits(sample, name, value) for name, value in fields.items())]
    order = fields.get("sort") or ("position" if "instrument" in fields else "newest")
    if order == "pitch":
        fitting = [sample for sample in fitting if sample.pitch.frequency_hz]
    return [sample.sample_id for sample in sorted(fitting, key=lambda sample: naive_place(sample, order))]


def naively_fits(sample: Sample, name: str, value: Any) -> bool:
    if name in _SAME:
        return bool(_SAME[name](sample) == value)
    if name in ("note_min", "note_max"):
        hz = sample.pitch.frequency_hz
        nearest = round(midi_of(hz)) if hz else None
        return nearest is not None and (nearest >= value if name == "note_min" else nearest <= value)
    if "_min" in name:
        return _ORDERED[name.partition("_")[0]](sample) >= value
    if "_max" in name:
        return _ORDERED[name.partition("_")[0]](sample) <= value
    if name == "technique":
        return set(value) <= {*sample.technique, "pluck"}
    if name == "tags":
        return set(value) <= set(sample.tags)
    if name == "text":
        return all(word in sample.style_prompt.casefold().split() for word in value.casefold().split())
    if name == "tuning":
        return bool(_TUNED_ALIKE[value](sample.tuning))
    return name in ("sort", "limit")


def naive_place(sample: Sample, order: str) -> tuple[Any, ...]:
    newest = (-sample.created_at.timestamp(), sample.sample_id)
    if order == "position":
        return sample.instrument, sample.string, sample.fret, round(sample.velocity, 3), *newest
    if order == "pitch":
        return round(100 * midi_of(sample.pitch.frequency_hz or 0)), sample.sample_id
    return newest


def random_fields(draw: random.Random) -> dict[str, Any]:
    """A query of one to four fields that do not contradict each other."""
    low, high = sorted(draw.sample(range(18), 2))
    quiet, loud = sorted(draw.sample([0.0, 0.25, 0.4, 0.5, 0.5003, 0.9, 1.0], 2))
    known: list[dict[str, Any]] = [
        {"instrument": draw.choice(list(INSTRUMENTS))},
        {"string": draw.randint(1, 4)},
        draw.choice([{"fret": low}, {"fret_min": low}, {"fret_max": high}, {"fret_min": low, "fret_max": high}]),
        draw.choice([{"velocity": 0.5}, {"velocity_min": quiet}, {"velocity_min": quiet, "velocity_max": loud}]),
        draw.choice([{"note_min": 40 + low}, {"note_min": 40 + low, "note_max": 45 + high}, {"note_max": 60}]),
        {"technique": draw.choice(TECHNIQUES)},
        {"text": draw.choice(["rock", "ROCK tone", "über", "STRASSE", "soft rock crunchy", "absent"])},
        {"tags": draw.sample(TAGS, draw.randint(1, 2))},
        draw.choice([{"duration_min_seconds": 1.0}, {"duration_max_seconds": 1.0}]),
        {"tuning": draw.choice(list(_TUNED_ALIKE))},
        draw.choice([{"engine": "musicgen"}, {"model": "plucked_string"}, {"derived": True}, {"derived": False}]),
    ]
    fields = {name: value for some in draw.sample(known, draw.randint(1, 4)) for name, value in some.items()}
    if draw.random() < 0.6:
        fields["sort"] = draw.choice(["position", "newest", "pitch"])
    return fields | {"limit": draw.choice([1, 3, 20, 100])}


@pytest.mark.parametrize("seed", range(100))
def test_walking_the_pages_gives_each_fitting_sound_once_and_in_order(random_bank: CountingTable, seed: int) -> None:
    fields = random_fields(random.Random(seed))
    if fields["limit"] < 20:
        fields["limit"] *= 7  # the walk of a broad query in ones and threes would be long
    walked = list(pages(random_bank, asking(**fields)))
    assert [sample.sample_id for page in walked for sample in page.samples] == naive(RANDOM_SOUNDS, fields)
    assert all(len(page.samples) <= fields["limit"] for page in walked)


def test_every_sound_is_whole_on_a_page() -> None:
    only = sound(tags=("clean",), style_prompt="soft")
    assert search(bank(only), asking(string=1)).samples == [only]


def test_the_words_of_a_text_are_found_in_any_order_case_and_script() -> None:
    table = bank(sound("a", style_prompt="Warm, ÜBER-crunchy straße"), sound("b", style_prompt="crunchy"))
    for text in ("crunchy warm", "über", "STRASSE", "  Crunchy;über "):
        assert found(table, text=text) == ["a"]
    assert found(table, text="crunch") == []


def test_a_very_long_or_strange_word_does_no_harm() -> None:
    strange = ("x" * 5000, "名前", "ǅ", "\u0130stanbul", "a/b\\c#d?e\x00f", "1" * 300)
    table = bank(*(sound(f"s{index}", style_prompt=word) for index, word in enumerate(strange)))
    assert found(table, text="x" * 500) == []
    assert found(table, text="名前") == ["s1"]
    assert found(table, text="\u0130STANBUL") == ["s3"]
    assert found(table, text="1" * 300) == ["s5"]


def test_of_a_very_long_style_the_first_words_count_whichever_way_leads_to_the_sound() -> None:
    words = [f"word{number}" for number in range(MOST_WORDS + 1)]
    table = bank(sound("long", style_prompt=" ".join(words)))
    for also in ({}, {"instrument": "acoustic_guitar"}):
        assert found(table, text=words[-2], **also) == ["long"]
        assert found(table, text=words[-1], **also) == []


def test_a_tag_is_not_found_by_another_one_that_begins_like_it() -> None:
    table = bank(sound("a", tags=("lead",)), sound("b", tags=("lead-2",)), sound("c", tags=("lead.v1",)))
    assert found(table, tags=["lead"]) == ["a"]
    assert found(table, tags=["lead-2"]) == ["b"]


def test_a_bent_note_counts_as_the_note_that_it_is_nearest_to() -> None:
    bent = {"technique": ("bend",), "articulation": {"bend_semitones": 0.25}}
    table = bank(sound("bent", **bent), sound("plain"), sound("higher", fret=1))
    assert found(table, note_min="E4", note_max="E4", sort="pitch") == ["plain", "bent"]
    assert found(table, note_min="F4", note_max=70) == ["higher"]


def test_a_pitch_halfway_between_two_notes_counts_as_the_higher_one_in_every_order() -> None:
    halfway = {"technique": ("bend",), "articulation": {"bend_semitones": 0.5}}
    table = bank(sound("halfway", **halfway))
    for order in ("newest", "pitch"):
        assert found(table, note_max="E4", sort=order) == []
        assert found(table, note_min="F4", note_max="F4", sort=order) == ["halfway"]


def test_velocities_that_share_a_place_are_told_apart() -> None:
    table = bank(*(sound(f"{velocity}", velocity=velocity) for velocity in (0.4996, 0.5, 0.5004)))
    place = {"instrument": "acoustic_guitar", "string": 1, "fret": 0}
    assert found(table, **place, velocity=0.5) == ["0.5"]
    assert found(table, **place, velocity_min=0.5001) == ["0.5004"]
    assert sorted(found(table, **place, velocity_max=0.5)) == ["0.4996", "0.5"]


def test_a_note_without_a_pitch_is_in_no_range_of_pitches_and_not_in_their_order() -> None:
    table = bank(sound("dead", technique=("dead_note",)), sound("plain"))
    assert found(table, note_max=127) == ["plain"]
    assert found(table, string=1, sort="pitch") == ["plain"]
    assert found(table, technique=["dead_note"]) == ["dead"]


def test_a_tuning_is_found_by_its_name_and_by_its_notes() -> None:
    notes = ("D2", "A2", "D3", "G3", "B3", "E4")
    table = bank(sound("named", tuning="drop_d"), sound("noted", tuning=notes), sound("other"))
    assert sorted(found(table, tuning="drop_d")) == ["named", "noted"]
    assert sorted(found(table, tuning=list(notes))) == ["named", "noted"]


def test_what_is_null_was_left_out() -> None:
    table = bank(sound("a"))
    nothing = dict.fromkeys(SoundQuery.model_fields)
    assert found(table, **(nothing | {"string": 1})) == ["a"]


# What it costs


@pytest.fixture(scope="module")
def large_bank() -> CountingTable:
    table = CountingTable()
    load(table, even_sounds(MANY))
    return table


ON_A_STRING: list[dict[str, Any]] = [
    {},
    {"limit": 1},
    {"limit": 100},
    {"fret": 5},
    {"fret": 5, "velocity": 0.7},
    {"fret_min": 3, "fret_max": 7},
    {"fret_min": 20, "velocity_min": 0.5},
    {"technique": ["palm_mute"]},
    {"technique": ["vibrato"]},
    {"note_min": "C3", "note_max": "E3"},
    {"note_min": "C3", "note_max": "E3", "sort": "pitch"},
    {"sort": "newest"},
    {"sort": "newest", "technique": ["palm_mute"], "fret": 3},
    {"sort": "pitch", "fret_max": 12},
    {"text": "absent", "tags": ["absent"], "derived": False},
]


@pytest.mark.parametrize("fields", ON_A_STRING, ids=str)
def test_of_100000_sounds_a_page_of_one_string_costs_at_most_two_reads(
    large_bank: CountingTable, fields: dict[str, Any]
) -> None:
    large_bank.reads = 0
    walk = pages(large_bank, asking(instrument="electric_guitar", string=3, **fields))
    for number, page in enumerate(walk):
        assert large_bank.reads == page.reads <= 2
        large_bank.reads = 0
        if number == 50:
            break


def test_of_100000_sounds_a_page_that_its_range_settles_costs_one_read(large_bank: CountingTable) -> None:
    one_read: list[dict[str, Any]] = [
        {"instrument": "ukulele"},
        {"instrument": "ukulele", "sort": "newest"},
        {"instrument": "electric_guitar", "string": 3, "fret_min": 5, "fret_max": 9},
        {"note_min": "E2", "note_max": "E3", "sort": "pitch"},
    ]
    for fields in one_read:
        page = search(large_bank, asking(**fields, limit=100))
        assert (page.reads, len(page.samples)) == (1, 100)


def test_the_string_of_a_walk_through_100000_sounds_is_complete(large_bank: CountingTable) -> None:
    expected = [
        sample
        for sample in even_sounds(MANY)
        if (sample.instrument, sample.string) == ("electric_guitar", 3) and "palm_mute" in sample.technique
    ]
    ids = found(large_bank, instrument="electric_guitar", string=3, technique=["palm_mute"], limit=100)
    assert len(ids) == len(expected) > 1000
    assert set(ids) == {sample.sample_id for sample in expected}


def test_a_page_reads_no_further_than_its_budget_and_the_next_goes_on_from_there(large_bank: CountingTable) -> None:
    first = search(large_bank, asking(engine="musicgen"))
    assert (first.reads, first.samples) == (MOST_READS, [])
    assert first.next_cursor is not None
    assert sum(page.reads for page in pages(large_bank, asking(engine="musicgen"))) == MANY // 1000 + 1


# What is refused


def test_a_search_without_any_field_says_what_may_be_asked() -> None:
    for fields in ({}, {"limit": 5, "sort": "newest"}, {"string": None}):
        assert "instrument, string, fret" in refused(**fields)[""]


@pytest.mark.parametrize(
    ("fields", "pointer", "said"),
    [
        ({"fret_min": 5, "fret_max": 3}, "/fret_min", "fret_max, which is 3"),
        ({"note_min": "E3", "note_max": "E2"}, "/note_min", "note_max, which is 40"),
        ({"velocity_min": 0.6, "velocity_max": 0.5}, "/velocity_min", "velocity_max, which is 0.5"),
        ({"duration_min_seconds": 2, "duration_max_seconds": 1}, "/duration_min_seconds", "duration_max_seconds"),
        ({"fret": 5, "fret_min": 3}, "/fret_min", "give one or the other"),
        ({"velocity": 0.5, "velocity_max": 0.7}, "/velocity_max", "give one or the other"),
        ({"instrument": "ukulele", "string": 5}, "/string", "strings 1 to 4, not 5"),
        ({"instrument": "ukulele", "fret": 19}, "/fret", "frets 0 to 18, not 19"),
        ({"instrument": "classical_guitar", "fret_max": 24}, "/fret_max", "frets 0 to 19"),
        ({"instrument": "ukulele", "tuning": "drop_d"}, "/tuning", "standard, open_g, half_step_down"),
        ({"tuning": "drop_z"}, "/tuning", "standard, drop_d, open_g, half_step_down"),
        ({"technique": ["harmonic", "bend"]}, "/technique", "exclude each other"),
        ({"text": "a ! b"}, "/text", "no word"),
    ],
)
def test_what_no_sound_can_be_is_refused_with_the_field(fields: dict[str, Any], pointer: str, said: str) -> None:
    assert said in refused(**fields)[pointer]


@pytest.mark.parametrize(
    "fields",
    [
        {"instrument": "banjo"}, {"string": 0}, {"string": 7}, {"fret": 25}, {"velocity": 1.5}, {"technique": ["tap"]},
        {"technique": []}, {"tags": []}, {"tags": ["Not Fit"]}, {"tags": ["a/b"]}, {"note_min": "H2"},
        {"note_max": 128}, {"sort": "oldest"}, {"limit": 0}, {"limit": 101}, {"strng": 3}, {"velocity": float("nan")},
        {"fret": 2.5},
    ],
    ids=str,
)  # fmt: skip
def test_a_value_that_no_field_allows_is_refused(fields: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        asking(**fields)


# Cursors


def first_cursor(table: MemoryTable, **fields: Any) -> str:
    cursor = search(table, asking(**fields)).next_cursor
    assert cursor is not None
    return cursor


def assert_refused(table: MemoryTable, cursor: str, **fields: Any) -> None:
    with pytest.raises(InvalidRequest) as raised:
        search(table, asking(cursor=cursor, **fields))
    [error] = raised.value.errors
    assert error.pointer == "/cursor"
    assert "next_cursor" in error.detail


def test_a_cursor_that_was_tampered_with_is_refused(random_bank: CountingTable) -> None:
    fields = {"instrument": "ukulele", "limit": 3}
    cursor = first_cursor(random_bank, **fields)
    draw = random.Random(1)
    for place in range(len(cursor)):
        other = draw.choice([letter for letter in characters.ascii_letters + "-_=!\n é" if letter != cursor[place]])
        assert_refused(random_bank, cursor[:place] + other + cursor[place + 1 :], **fields)
    for length in range(1, len(cursor)):
        assert_refused(random_bank, cursor[:length], **fields)
        assert_refused(random_bank, cursor + cursor[:length], **fields)


@given(content=st.binary(max_size=200), text=st.text(min_size=1, max_size=100))
def test_bytes_and_letters_that_make_no_cursor_are_refused(content: bytes, text: str) -> None:
    assert_refused(MemoryTable(), base64.urlsafe_b64encode(content).decode() or "-", string=1)
    assert_refused(MemoryTable(), text, string=1)


@pytest.mark.parametrize(
    "others",
    [
        {"instrument": "bass_guitar"}, {"instrument": "ukulele", "string": 2},
        {"instrument": "ukulele", "sort": "pitch"}, {"instrument": "ukulele", "sort": "newest"},
        {"instrument": "ukulele", "fret_min": 0}, {"string": 1},
    ],
    ids=str,
)  # fmt: skip
def test_the_cursor_of_another_query_is_refused(random_bank: CountingTable, others: dict[str, Any]) -> None:
    assert_refused(random_bank, first_cursor(random_bank, instrument="ukulele", limit=3), **others)


def test_a_cursor_goes_with_any_limit_and_with_what_means_the_same(random_bank: CountingTable) -> None:
    fields = {"instrument": "ukulele", "technique": ["palm_mute"]}
    cursor = first_cursor(random_bank, **fields, limit=3)
    same = asking(
        instrument="ukulele", technique="palm_mute,pluck", sort="position", limit=50, cursor=cursor, fret=None
    )
    ids = [sample.sample_id for sample in search(random_bank, same).samples]
    assert ids == found(random_bank, **fields)[3:][: len(ids)]
    assert len(ids) > 3
