"""Run while an image is built, in the app's folder: ``check_image.py requirements.txt …``. Does what is in it fit?

Every pinned requirement is there in that very version, the app loads in its role, and with torch every module of it
does. A broken image then fails to build, instead of to start.
"""

from __future__ import annotations

import pkgutil
import sys
from collections.abc import Iterator
from importlib import import_module
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path


def pins(path: Path) -> Iterator[tuple[str, str]]:
    """Name and version of each ``name==version`` line."""
    for line in path.read_text(encoding="utf-8").splitlines():
        name, is_pinned, pinned = line.partition("#")[0].strip().partition("==")
        if is_pinned:
            yield name.partition("[")[0], pinned


def complaint(name: str, pinned: str) -> str:
    """What is wrong with one requirement, or an empty text."""
    try:
        installed = version(name)
    except PackageNotFoundError:
        return f"{name}=={pinned} is not installed"
    if installed.partition("+")[0] != pinned:  # torch's CPU build calls itself 2.13.0+cpu
        return f"{name} is {installed}, not {pinned}"
    return ""


def load(*, has_torch: bool) -> list[str]:
    """Load the app; with torch, every module of ``core`` too. The names of the app's functions."""
    sys.path.insert(0, str(Path.cwd()))
    if has_torch:
        for module in pkgutil.walk_packages(import_module("core").__path__, "core."):
            import_module(module.name)
    functions = import_module("function_app").app.get_functions()
    return sorted(function.get_function_name() for function in functions)


def main(files: list[str]) -> int:
    """Print what is wrong; the exit status is 1 if anything is."""
    wanted = dict(pin for file in files for pin in pins(Path(file)))
    complaints = [found for pin in wanted.items() if (found := complaint(*pin))]
    for line in complaints:
        print(f"check_image: {line}", file=sys.stderr)
    if complaints:
        return 1
    print("functions:", *load(has_torch="torch" in wanted))
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
