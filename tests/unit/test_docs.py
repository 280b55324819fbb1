"""The documentation keeps up with the code: settings, errors, tests that it names, and links."""

from __future__ import annotations

import importlib
import pkgutil
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

import core
from core.errors import StemworksError, StorageError
from core.settings import Settings
from functions.http import errors as http_errors

PROJECT = Path(__file__).resolve().parents[2]
DOCS = PROJECT / "docs"
PAGES = [PROJECT / "README.md", PROJECT / "CONTRIBUTING.md", PROJECT / "CHANGELOG.md", *sorted(DOCS.rglob("*.md"))]
ANSWERED_500 = (StemworksError, StorageError)
"""What a client may see as 500; the other errors without a status of their own end jobs and deliveries."""
_LINK = re.compile(r"\]\(([^)\s]+)\)")
_CODE = re.compile(r"```.*?```|`[^`\n]*`", re.DOTALL)


def page_name(page: Path) -> str:
    return str(page.relative_to(PROJECT))


def rows_of(page: Path) -> dict[str, str]:
    """The rows of every table whose first cell is code, by that cell."""
    lines = page.read_text().splitlines()
    return {match[1]: line for line in lines if (match := re.match(r"\| `([^`]+)` \|", line))}


def setting_rows() -> Iterator[tuple[str, str]]:
    for name, field in Settings.model_fields.items():
        default = field.default
        if isinstance(default, bool):
            shown = str(default).lower()
        elif isinstance(default, tuple):
            shown = ",".join(value if isinstance(value, str) else f"{value:g}" for value in default)
        else:
            shown = str(default)
        yield field.alias or name.upper(), f"`{shown}`" if shown else "none"


@pytest.mark.parametrize(("name", "default"), list(setting_rows()))
def test_every_setting_is_described_with_its_default(name: str, default: str) -> None:
    row = rows_of(DOCS / "configuration.md").get(name)
    assert row, f"docs/configuration.md has no row for {name}"
    assert row.startswith(f"| `{name}` | {default} |"), f"the default of {name} is {default}"


def own_errors(kind: type[StemworksError] = StemworksError) -> Iterator[type[StemworksError]]:
    """Every error of the product that has a type of its own."""
    if "type" in vars(kind) and kind.__module__.startswith("core."):
        yield kind
    for child in kind.__subclasses__():
        yield from own_errors(child)


def error_rows() -> Iterator[tuple[str, str]]:
    for module in pkgutil.walk_packages(core.__path__, "core."):
        importlib.import_module(module.name)
    for kind in own_errors():
        status = http_errors._STATUS.get(kind, 500 if kind in ANSWERED_500 else "—")
        title = (kind.__doc__ or "").strip().splitlines()[0].rstrip(".")
        yield kind.type, f"| `{kind.type}` | {status} | {title} | {kind.next_step} |".replace("<", "\\<")
    for status, (slug, title, next_step) in [*http_errors._HTTP_PROBLEMS.items(), (400, http_errors._MALFORMED_FORM)]:
        yield slug, f"| `{slug}` | {status} | {title} | {next_step} |"


@pytest.mark.parametrize(("slug", "row"), list(error_rows()))
def test_every_error_is_described_as_it_is_answered(slug: str, row: str) -> None:
    assert rows_of(DOCS / "architecture" / "06-http.md").get(slug) == row


def anchors(page: Path) -> set[str]:
    """What GitHub makes of the page's headings."""
    headings = re.findall(r"^#+ +(.+)$", page.read_text(), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


@pytest.mark.parametrize("page", PAGES, ids=page_name)
def test_no_link_leads_nowhere(page: Path) -> None:
    for link in _LINK.findall(_CODE.sub("", page.read_text())):
        if re.match(r"[a-z]+:", link):
            continue
        path, _, anchor = link.partition("#")
        target = page.parent / path if path else page
        assert target.exists(), f"{page_name(page)} links to {link}, which is not there"
        assert not anchor or anchor in anchors(target), f"{page_name(page)} links to {link}: no such heading"


@pytest.mark.parametrize("page", PAGES, ids=page_name)
def test_every_test_that_is_named_exists(page: Path) -> None:
    named = set(re.findall(r"`(test_\w+|TestJobLife)`", page.read_text()))
    code = "\n".join(path.read_text() for path in (PROJECT / "tests").rglob("test_*.py"))
    missing = {name for name in named if not re.search(rf"\b(def {name}\(|{name} =)", code)}
    assert not missing
