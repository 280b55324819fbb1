"""The bank's rows when several write at once, when answers get lost, and what each call costs."""

from __future__ import annotations

import random
from collections.abc import Callable
from datetime import timedelta

import pytest

from core.errors import RowChanged, SoundNotFound
from core.ports import Change, Insert, Remove, Replace, Row
from core.soundbank.rows import MOST_WORDS, PARTITION, cents_of, place_keys, words_of
from core.soundbank.sample import Derivation
from core.soundbank.store import SoundStore
from core.storage.memory import MemoryTable
from tests.sounds import START, sound


class Watched(MemoryTable):
    """Counts its transactions; ``before_commit`` and ``before_get`` run once, as somebody else's doing.

    With ``loses_an_answer`` the next commit happens twice, as a client sees it that sent it again for want of an
    answer.
    """

    def __init__(self) -> None:
        super().__init__()
        self.transactions = 0
        self.before_commit: Callable[[], object] | None = None
        self.before_get: Callable[[], object] | None = None
        self.loses_an_answer = False

    def get(self, partition: str, key: str) -> Row:
        self.transactions += 1
        if others_doing := self.before_get:
            self.before_get = None
            others_doing()
        return super().get(partition, key)

    def scan(self, partition: str, start: str, stop: str, limit: int) -> list[Row]:
        self.transactions += 1
        return super().scan(partition, start, stop, limit)

    def commit(self, partition: str, *changes: Change) -> tuple[str, ...]:
        self.transactions += 1
        if others_doing := self.before_commit:
            self.before_commit = None
            others_doing()
        if self.loses_an_answer:
            self.loses_an_answer = False
            super().commit(partition, *changes)
        return super().commit(partition, *changes)

    def stored(self) -> list[str]:
        return [row.key for row in super().scan(PARTITION, "", "~", 1000)]


@pytest.fixture
def table() -> Watched:
    return Watched()


@pytest.fixture
def store(table: Watched) -> SoundStore:
    return SoundStore(table)


# Rows


def test_a_plain_sound_has_ten_rows_and_one_more_for_each_tag_word_and_time(store: SoundStore, table: Watched) -> None:
    store.add(sound("plain"), None)
    assert sorted(key.partition(":")[0] for key in table.stored()) == [
        "family", "made", "new", "new", "new", "pitch", "pitch", "pitch", "place", "sound",
    ]  # fmt: skip
    rich = sound(tags=("clean", "lead"), style_prompt="soft, warm & soft", expires_at=START)
    assert len(place_keys(rich)) == len(place_keys(sound())) + 5


def test_only_what_was_played_dry_is_in_a_family_and_only_what_has_a_pitch_in_their_order() -> None:
    def kinds(**fields: object) -> set[str]:
        return {key.partition(":")[0] for key in place_keys(sound(**fields))}

    assert "family" not in kinds(derived_from=Derivation(sample_id="x", shift_semitones=1))
    assert "family" not in kinds(effects=({"type": "drive"},))
    assert "pitch" not in kinds(technique=("dead_note",))
    assert "family" in kinds(technique=("dead_note",))


def test_keys_hold_nothing_that_storage_refuses() -> None:
    hostile = sound(style_prompt="a/b\\c#d?e\x00\x1f\x85 " + "x" * 3000 + " 名前 ⅷ \U0001d54f\U0001d54f")
    for key in place_keys(hostile):
        assert len(key) < 512
        assert key.isascii()
        assert key.isprintable()
        assert not set(key) & set("/\\#?%")


def test_words_are_letters_and_digits_without_case_each_once() -> None:
    assert words_of("Soft & soft: ÜBER-crunchy, 5th_of a Straße") == ("soft", "über", "crunchy", "5th", "of", "strasse")
    assert words_of("\ufb01ne \uff21\uff22") == ("fine", "ab")  # a ligature and full-width letters
    assert len(words_of(" ".join(f"w{number}" for number in range(500)))) == MOST_WORDS
    assert words_of("a ! _ -") == ()


def test_pitches_are_ordered_in_cents() -> None:
    assert [cents_of(hz) for hz in (440.0, 220.0, 440 * 2 ** (1 / 12), 8.1757989156, 1.0)] == [6900, 5700, 7000, 0, 0]


# Several at once


def test_a_sound_that_somebody_made_meanwhile_keeps_its_place(store: SoundStore, table: Watched) -> None:
    table.before_commit = lambda: SoundStore(table).add(sound("faster", fingerprint="f"), None)
    added = store.add(sound("slower", fingerprint="f"), None)
    assert store.get("slower") == added
    assert store.find("f") == store.get("faster")


def test_a_claim_that_is_taken_over_while_its_sound_is_stored_stores_nothing(store: SoundStore, table: Watched) -> None:
    claim = store.claims.claim("f", "job-1")
    table.before_commit = lambda: store.claims.take_over(claim, "job-2")
    with pytest.raises(RowChanged):
        store.add(sound(fingerprint="f"), claim)
    assert table.stored() == ["made:f"]


def test_tags_are_set_on_the_sound_as_somebody_else_has_just_left_it(store: SoundStore, table: Watched) -> None:
    store.add(sound(tags=("old",)), None)
    table.before_commit = lambda: store.retag("sound-1", ("theirs",))
    assert store.retag("sound-1", ("mine",)).tags == ("mine",)
    assert [key for key in table.stored() if key.startswith("tag:")] == [
        key for key in sorted(place_keys(store.get("sound-1"))) if key.startswith("tag:mine:")
    ]


def test_a_sound_that_is_removed_while_its_tags_are_set_stays_removed(store: SoundStore, table: Watched) -> None:
    store.add(sound(), None)
    table.before_commit = lambda: store.remove("sound-1")
    with pytest.raises(SoundNotFound):
        store.retag("sound-1", ("mine",))
    assert table.stored() == []


def test_a_sound_whose_tags_are_set_while_it_is_removed_leaves_no_row(store: SoundStore, table: Watched) -> None:
    store.add(sound(tags=("old",)), None)
    table.before_commit = lambda: store.retag("sound-1", ("new", "newer"))
    assert store.remove("sound-1").tags == ("new", "newer")
    assert table.stored() == []


def test_of_two_who_remove_a_sound_both_are_told_that_it_is_gone(store: SoundStore, table: Watched) -> None:
    store.add(sound(), None)
    table.before_commit = lambda: store.remove("sound-1")
    assert store.remove("sound-1").sample_id == "sound-1"


def test_a_batch_that_two_forget_at_once_is_forgotten(store: SoundStore, table: Watched) -> None:
    store.link("b", dict.fromkeys(range(150), "x"))
    table.before_commit = lambda: store.unlink("b")
    store.unlink("b")
    assert table.stored() == []


# Lost answers: the client's library sends the same transaction again, which then finds its own work


def test_a_sound_whose_answer_was_lost_is_stored_once(store: SoundStore, table: Watched) -> None:
    claim = store.claims.claim("f", "job-1")
    table.loses_an_answer = True
    assert store.add(sound(fingerprint="f"), claim) == store.get("sound-1") == store.find("f")
    table.loses_an_answer = True
    assert store.add(sound("take", fingerprint="f"), None) == store.get("take")


def test_tags_a_removal_and_a_claim_whose_answer_was_lost_are_as_they_were_asked(
    store: SoundStore, table: Watched
) -> None:
    table.loses_an_answer = True
    claim = store.claims.claim("made-of-sound-1", "job-1")
    assert claim.job_id == "job-1"
    store.add(sound(), claim)
    table.loses_an_answer = True
    assert store.retag("sound-1", ("new",)) == store.get("sound-1")
    table.loses_an_answer = True
    assert store.remove("sound-1").tags == ("new",)
    assert table.stored() == []


def test_rows_that_fit_no_sound_end_a_removal_instead_of_repeating_it(store: SoundStore, table: Watched) -> None:
    store.add(sound(), None)
    table.commit(PARTITION, Remove(next(key for key in table.stored() if key.startswith("place:"))))
    with pytest.raises(RowChanged, match="sound-1"):
        store.remove("sound-1")


# What it costs


def cost(table: Watched, call: Callable[[], object]) -> int:
    before = table.transactions
    call()
    return table.transactions - before


def test_each_call_costs_few_transactions(store: SoundStore, table: Watched) -> None:
    claim = store.claims.claim("f", "job-1")
    assert cost(table, lambda: store.claims.claim("g", "job-1")) == 1
    assert cost(table, lambda: store.add(sound(fingerprint="f"), claim)) == 1
    assert cost(table, lambda: store.add(sound("take", fingerprint="f"), None)) == 2
    assert cost(table, lambda: store.get("sound-1")) == 1
    assert cost(table, lambda: store.find("f")) == 2
    assert cost(table, lambda: store.find("absent")) == 1
    assert cost(table, lambda: store.nearest("family", 60, 12)) == 1
    assert cost(table, lambda: store.due(START + timedelta(days=1), 100)) == 1
    assert cost(table, lambda: store.link("b", dict.fromkeys(range(100), "x"))) == 1
    assert cost(table, lambda: store.linked("b")) == 1
    assert cost(table, lambda: store.retag("sound-1", ("new",))) == 2
    assert cost(table, lambda: store.remove("sound-1")) == 3


# The table in memory


def test_rows_that_come_and_go_between_scans_are_in_order() -> None:
    table = MemoryTable()
    expected: set[str] = set()
    draw = random.Random(1)
    for count in (1, 40, 3, 300, 1):
        new = {f"{draw.randrange(10**6):06}" for _ in range(count)} - expected
        for key in new:
            table.commit("p", Insert(key, ""))
        expected |= new
        gone = set(sorted(expected)[::5])
        for key in gone:
            table.commit("p", Remove(key))
        expected -= gone
        assert [row.key for row in table.scan("p", "", "~", 1000)] == sorted(expected)
        table.commit("p", *(Replace(key, "new") for key in sorted(expected)[:3]))
    assert len(expected) > 100
