"""Release notes, cut out of the changelog."""

from __future__ import annotations

import pytest

from core import __version__
from infra.release_notes import CHANGELOG, ReleaseError, main, notes, sections

CHANGES = """# Changelog

What a user notices.

## Unreleased

### Added

## [0.2.0] - 2026-01-01

### Added

- A thing.

## 0.1.0

The first.
"""


def test_a_version_has_its_own_section_and_nothing_of_the_others() -> None:
    assert notes(CHANGES, "0.2.0") == "### Added\n\n- A thing."
    assert notes(CHANGES, "0.1.0") == "The first."


def test_a_tag_may_begin_with_a_v() -> None:
    assert notes(CHANGES, "v0.1.0") == notes(CHANGES, "0.1.0")


def test_an_unknown_version_is_told_with_those_that_there_are() -> None:
    with pytest.raises(ReleaseError, match=r"no section 0\.3\.0; it has Unreleased, 0\.2\.0, 0\.1\.0"):
        notes(CHANGES, "v0.3.0")


def test_headings_alone_are_no_notes() -> None:
    with pytest.raises(ReleaseError, match="section Unreleased says nothing"):
        notes(CHANGES, "Unreleased")


def test_an_empty_changelog_is_told() -> None:
    with pytest.raises(ReleaseError, match="it has none"):
        notes("# Changelog\n", "0.1.0")


def test_this_version_has_notes_in_the_changelog_of_the_project(capsys: pytest.CaptureFixture[str]) -> None:
    assert main([__version__, "--release"]) == 0
    shown = capsys.readouterr().out
    assert shown.strip()
    assert shown.strip() in CHANGELOG.read_text()
    assert "\n## " not in f"\n{shown}"


def test_every_section_of_the_projects_changelog_can_be_cut_out() -> None:
    changelog = CHANGELOG.read_text()
    found = sections(changelog)
    assert [*found][-1] == "0.1.0"
    assert all(text in changelog for text in found.values())
    assert sum(len(text.splitlines()) for text in found.values()) > 0.9 * len(changelog.splitlines())


def test_a_tag_that_is_not_the_codes_version_is_no_release(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["v9.9.9", "--release"]) == 1
    assert f"the tag says v9.9.9, core/__init__.py says {__version__}" in capsys.readouterr().err


def test_what_is_wrong_goes_to_standard_error_in_one_line(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["9.9.9"]) == 1
    output = capsys.readouterr()
    assert output.out == ""
    assert len(output.err.splitlines()) == 1
