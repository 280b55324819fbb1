"""The bank's rows: sounds and who makes them, and searches among them, in any table."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from typing import Any

import pytest

from core.bootstrap import Storage
from core.errors import InvalidRequest, RowChanged, SoundNotFound
from core.ports import Table
from core.soundbank.query import SoundQuery
from core.soundbank.rows import MOST_TAGS, MOST_WORDS, PARTITION
from core.soundbank.sample import Derivation
from core.soundbank.search import search
from core.soundbank.store import SoundStore
from core.storage.memory import MemoryTable
from tests.sounds import START, TAGS, load, random_sounds, sound


@pytest.fixture
def table(storage: Storage) -> Table:
    return storage.tables["sounds"]


@pytest.fixture
def store(table: Table) -> SoundStore:
    return SoundStore(table)


def keys(table: Table) -> list[str]:
    return [row.key for row in table.scan(PARTITION, "", "~", 1000)]


def found(table: Table, limit: int = 100, **fields: Any) -> list[str]:
    """The ids on every page."""
    ids: list[str] = []
    cursor = None
    while True:
        page = search(table, SoundQuery.model_validate({"limit": limit, "cursor": cursor} | fields))
        ids += [sample.sample_id for sample in page.samples]
        if (cursor := page.next_cursor) is None:
            return ids


# Sounds


def test_a_sound_that_was_added_reads_back_whole(store: SoundStore) -> None:
    made = sound(
        "s-1", tags=TAGS, style_prompt="crunchy ÜBER straße", derived_from=Derivation(sample_id="x", shift_semitones=-2)
    )
    added = store.add(made, None)
    assert added.etag
    assert store.get("s-1") == added
    assert added.evolve(etag="") == made
    assert store.get_many(["absent", "s-1"]) == [None, added]
    assert store.get_many([]) == []


@pytest.mark.parametrize("sample_id", ["absent", "a/b", "..", "x" * 2000, "ä♯", ""])
def test_a_sound_that_is_not_there_is_not_found(store: SoundStore, sample_id: str) -> None:
    store.add(sound(), None)
    for call in (store.get, store.remove, lambda name: store.retag(name, ())):
        with pytest.raises(SoundNotFound):
            call(sample_id)


def test_a_sound_is_found_by_what_it_was_made_of(store: SoundStore) -> None:
    assert store.find("f") is None
    added = store.add(sound(fingerprint="f"), None)
    assert store.find("f") == added


def test_adding_a_sound_again_comes_to_the_sound_that_is_there(store: SoundStore, table: Table) -> None:
    claim = store.claims.claim("f", "job-1")
    first = store.add(sound(fingerprint="f"), claim)
    before = keys(table)
    assert store.add(sound(fingerprint="f"), claim) == first
    assert store.add(sound(fingerprint="f"), None) == first
    assert keys(table) == before


def test_another_take_does_not_take_the_first_ones_place(store: SoundStore) -> None:
    first = store.add(sound("first", fingerprint="f"), None)
    store.add(sound("second", fingerprint="f"), None)
    assert store.find("f") == first
    store.remove("second")
    assert store.find("f") == first


def test_other_tags_are_found_and_the_old_ones_no_longer(store: SoundStore, table: Table) -> None:
    store.add(sound(tags=("clean", "lead"), style_prompt="soft"), None)
    changed = store.retag("sound-1", ("lead", "warm"))
    assert changed.tags == ("lead", "warm")
    assert store.get("sound-1") == changed
    assert [found(table, tags=[tag]) for tag in ("clean", "lead", "warm")] == [[], ["sound-1"], ["sound-1"]]
    for fields in ({"text": "soft"}, {"string": 1}, {"instrument": "acoustic_guitar"}):
        [shown] = search(table, SoundQuery.model_validate(fields)).samples
        assert shown == changed.evolve(etag="")
    assert store.retag("sound-1", ("lead", "warm")) == changed


def test_the_longest_sound_can_change_all_its_tags(store: SoundStore, table: Table) -> None:
    words = " ".join(f"word{number}" for number in range(2 * MOST_WORDS))
    tags = [tuple(f"{start}{number}" for number in range(MOST_TAGS)) for start in ("old", "new")]
    store.add(sound(style_prompt=words, tags=tags[0], expires_at=START), None)
    store.retag("sound-1", tags[1])
    assert found(table, tags=list(tags[1])) == ["sound-1"]
    store.remove("sound-1")
    assert keys(table) == []


def test_a_sound_that_was_removed_leaves_no_row(store: SoundStore, table: Table) -> None:
    store.add(sound(tags=TAGS, style_prompt="soft rock", expires_at=START), store.claims.claim("made-of-sound-1", "j"))
    assert store.remove("sound-1").sample_id == "sound-1"
    assert keys(table) == []
    with pytest.raises(SoundNotFound):
        store.remove("sound-1")


def test_the_nearest_of_a_family_takes_the_smallest_shift_and_rather_down_than_up(store: SoundStore) -> None:
    for name, fret in (("low", 0), ("middle", 5), ("high", 9)):
        store.add(sound(name, fret=fret), None)
    store.add(sound("derived", fret=7, derived_from=Derivation(sample_id="high", shift_semitones=-2)), None)
    store.add(sound("stranger", fret=7, family="another"), None)

    def nearest(fret: int, reach: int = 12) -> str | None:
        sample = store.nearest("family", 64 + fret, reach)
        return sample and sample.sample_id

    assert [nearest(fret) for fret in (0, 2, 3, 6, 7, 8, 20)] == [
        "low",
        "low",
        "middle",
        "middle",
        "high",
        "high",
        "high",
    ]
    assert (nearest(12, reach=3), nearest(13, reach=3)) == ("high", None)
    assert store.nearest("nobody", 64, 12) is None


def test_sounds_are_due_once_they_have_expired_the_oldest_first(store: SoundStore) -> None:
    for name, minutes in (("later", 3), ("first", 1), ("second", 2)):
        store.add(sound(name, expires_at=START + timedelta(minutes=minutes)), None)
    store.add(sound("kept"), None)

    def due(minutes: float, limit: int = 10) -> list[str]:
        return [sample.sample_id for sample in store.due(START + timedelta(minutes=minutes), limit)]

    assert (due(0.99), due(1), due(2.5), due(9, limit=1)) == ([], ["first"], ["first", "second"], ["first"])


def test_a_batch_is_linked_to_its_sounds_in_order_however_often_it_says_so(store: SoundStore) -> None:
    links = {index: f"sound-{index}" for index in range(250)}
    store.link("b-1", {12: "sound-12"})
    store.link("b-1", links)
    store.link("b-12", {0: "other"})
    assert store.linked("b-1") == sorted(links.items())
    store.unlink("b-1")
    store.unlink("b-1")
    assert (store.linked("b-1"), store.linked("b-12")) == ([], [(0, "other")])


# Claims


def test_of_several_jobs_one_gets_the_claim_and_the_others_learn_whose_it_is(store: SoundStore) -> None:
    with ThreadPoolExecutor(8) as pool:
        claims = list(pool.map(lambda number: store.claims.claim("f", f"job-{number}"), range(8)))
    assert len({(claim.job_id, claim.etag, claim.sample_id) for claim in claims}) == 1


def test_a_later_attempt_of_the_job_has_the_claim_still(store: SoundStore) -> None:
    first = store.claims.claim("f", "job-1")
    assert store.claims.claim("f", "job-1") == first
    assert store.claims.claim("f", "job-2") == first
    assert store.find("f") is None


def test_a_claim_leads_to_the_sound_that_was_made_of_it(store: SoundStore) -> None:
    added = store.add(sound(fingerprint="f"), store.claims.claim("f", "job-1"))
    claim = store.claims.claim("f", "job-2")
    assert (claim.job_id, claim.sample_id) == ("job-1", "sound-1")
    assert store.find("f") == added


def test_a_claim_that_was_taken_over_is_the_other_jobs_and_the_first_ones_sound_is_not_stored(
    store: SoundStore, table: Table
) -> None:
    mine = store.claims.claim("f", "job-1")
    theirs = store.claims.take_over(mine, "job-2")
    with pytest.raises(RowChanged):
        store.claims.take_over(mine, "job-3")
    with pytest.raises(RowChanged):
        store.add(sound("mine", fingerprint="f"), mine)
    assert keys(table) == ["made:f"]
    added = store.add(sound("theirs", fingerprint="f", job_id="job-2"), theirs)
    assert store.find("f") == added


# Searches: the unit tests try everything; these that a table in storage orders and bounds its keys as one in memory


SEARCHES: list[dict[str, Any]] = [
    {"velocity_min": 0, "sort": "newest"},
    {"velocity_min": 0, "sort": "position"},
    {"velocity_min": 0, "sort": "pitch"},
    {"instrument": "bass_guitar"},
    {"instrument": "ukulele", "string": 2, "fret_min": 3, "fret_max": 15},
    {"instrument": "acoustic_guitar", "sort": "pitch"},
    {"note_min": "E2", "note_max": "E4", "sort": "pitch"},
    {"tags": ["lead"]},
    {"tags": ["warm.v1", "lead-2"], "derived": False},
    {"text": "Straße"},
    {"text": "über rock", "sort": "position"},
]


def test_a_search_finds_the_same_in_every_table(table: Table) -> None:
    sounds, plain = random_sounds(seed=3, count=300), MemoryTable()
    for each in (table, plain):
        load(each, sounds)
    for fields in SEARCHES:
        expected = found(plain, **fields)
        assert len(expected) > 3, fields
        assert found(table, limit=max(7, len(expected) // 4), **fields) == expected, fields


def test_a_cursor_of_another_search_is_refused_by_every_table(store: SoundStore, table: Table) -> None:
    for name in ("a", "b"):
        store.add(sound(name), None)
    first = search(table, SoundQuery(string=1, limit=1))
    assert first.next_cursor is not None
    with pytest.raises(InvalidRequest):
        search(table, SoundQuery(string=2, limit=1, cursor=first.next_cursor))
