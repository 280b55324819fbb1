"""``python -m infra.release_notes VERSION``: what a version changes, cut out of ``CHANGELOG.md``."""

from __future__ import annotations

import argparse
import re
import sys
from pathlib import Path

from core import __version__

CHANGELOG = Path(__file__).resolve().parent.parent / "CHANGELOG.md"
_HEADING = re.compile(r"^## +\[?([^\]\s]+)", re.MULTILINE)


class ReleaseError(Exception):
    """There are no notes to be had; in one line, why."""


def sections(changelog: str) -> dict[str, str]:
    """The text under each heading of the second level, by the heading's first word: a version, or ``Unreleased``."""
    headings = list(_HEADING.finditer(changelog))
    starts = [heading.start() for heading in headings]
    texts = [changelog[start:end] for start, end in zip(starts, [*starts[1:], len(changelog)], strict=False)]
    return {heading[1]: text.partition("\n")[2].strip() for heading, text in zip(headings, texts, strict=True)}


def notes(changelog: str, version: str) -> str:
    """The section of ``version``, with or without a tag's ``v``; ``ReleaseError`` if there is nothing in it."""
    found = sections(changelog)
    name = version if version in found else version.removeprefix("v")
    if name not in found:
        raise ReleaseError(f"the changelog has no section {name}; it has {', '.join(found) or 'none'}")
    if not re.search(r"^[^#\s]", found[name], re.MULTILINE):
        raise ReleaseError(f"the changelog's section {name} says nothing")
    return found[name]


def demand_this_version(version: str) -> None:
    """``ReleaseError`` unless the code itself says that it is ``version``."""
    if version.removeprefix("v") != __version__:
        raise ReleaseError(f"the tag says {version}, core/__init__.py says {__version__}: change one of them")


def main(arguments: list[str] | None = None) -> int:
    """Print the notes; with what is wrong, and status 1, if there are none."""
    parser = argparse.ArgumentParser(prog="python -m infra.release_notes", description=__doc__)
    parser.add_argument("version", metavar="VERSION", help="such as 0.1.0, v0.1.0 or Unreleased")
    parser.add_argument("--release", action="store_true", help="refuse a version that is not the code's own")
    options = parser.parse_args(arguments)
    try:
        if options.release:
            demand_this_version(options.version)
        print(notes(CHANGELOG.read_text(), options.version))
    except ReleaseError as error:
        print(f"release_notes: {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
