"""What every table promises."""

from __future__ import annotations

import pytest

from core.bootstrap import Storage
from core.errors import RowChanged, RowExists, RowNotFound, StorageError
from core.ports import Insert, Remove, Replace, Table


@pytest.fixture
def table(storage: Storage) -> Table:
    return storage.tables["jobs"]


def test_a_row_that_was_inserted_can_be_read(table: Table) -> None:
    (etag,) = table.commit("p", Insert("a", '{"x": "ü♯"}'))
    row = table.get("p", "a")
    assert (row.key, row.document, row.etag) == ("a", '{"x": "ü♯"}', etag)


def test_reading_from_a_table_that_is_missing_finds_nothing(table: Table) -> None:
    assert table.scan("p", "", "~", 10) == []
    with pytest.raises(RowNotFound):
        table.get("p", "a")


@pytest.mark.parametrize("key", ["a/b", "a\\b", "a#b", "a?b", "a\x00b", "a\nb", "a" * 2000, "..", "'", "ä♯"])
def test_a_key_that_no_row_can_have_names_no_row(table: Table, key: str) -> None:
    table.commit("p", Insert("a", "1"))
    with pytest.raises(RowNotFound):
        table.get("p", key)
    with pytest.raises(RowNotFound):
        table.get(key, "a")


def test_an_insert_over_a_row_is_refused(table: Table) -> None:
    table.commit("p", Insert("a", "1"))
    with pytest.raises(RowExists):
        table.commit("p", Insert("a", "2"))
    assert table.get("p", "a").document == "1"


def test_a_replace_needs_the_etag_that_was_read(table: Table) -> None:
    (first,) = table.commit("p", Insert("a", "1"))
    table.commit("p", Replace("a", "2", first))
    with pytest.raises(RowChanged):
        table.commit("p", Replace("a", "3", first))
    assert table.get("p", "a").document == "2"


def test_a_replace_of_a_row_that_is_gone_is_refused(table: Table) -> None:
    (etag,) = table.commit("p", Insert("a", "1"))
    table.commit("p", Remove("a"))
    with pytest.raises(RowNotFound):
        table.commit("p", Replace("a", "2", etag))


def test_a_replace_without_an_etag_writes_whatever_is_there(table: Table) -> None:
    table.commit("p", Replace("a", "1"))
    table.commit("p", Replace("a", "2"))
    assert table.get("p", "a").document == "2"


def test_a_removal_may_be_conditional(table: Table) -> None:
    (first,) = table.commit("p", Insert("a", "1"))
    (second,) = table.commit("p", Replace("a", "2", first))
    with pytest.raises(RowChanged):
        table.commit("p", Remove("a", first))
    table.commit("p", Remove("a", second))
    with pytest.raises(RowNotFound):
        table.commit("p", Remove("a"))


@pytest.mark.parametrize("bad", [Insert("taken", "x"), Replace("taken", "x", "W/\"datetime'2020'\""), Remove("absent")])
def test_of_several_changes_all_or_none_happen(table: Table, bad: Insert | Replace | Remove) -> None:
    table.commit("p", Insert("taken", "1"), Insert("kept", "1"))
    with pytest.raises((RowExists, RowChanged, RowNotFound, StorageError)):
        table.commit("p", Insert("new", "1"), Remove("kept"), bad)
    assert [row.key for row in table.scan("p", "", "~", 10)] == ["kept", "taken"]


def test_a_scan_is_ordered_bounded_and_stays_in_its_partition(table: Table) -> None:
    table.commit("p", *(Insert(f"k{number:03}", str(number)) for number in range(30)))
    table.commit("q", Insert("k005", "other"))
    assert [row.document for row in table.scan("p", "k005", "k010", 100)] == ["5", "6", "7", "8", "9"]
    assert [row.document for row in table.scan("p", "k005", "k010", 2)] == ["5", "6"]
    assert table.scan("p", "k031", "~", 5) == []


def test_keys_with_the_characters_that_ids_may_have_work(table: Table) -> None:
    key = "list:*:generation:00012:gen-123e4567..._A'"
    table.commit("p", Insert(key, "1"))
    assert table.scan("p", "list:*:", "list:*;", 5)[0].key == key
    assert table.get("p", key).document == "1"
