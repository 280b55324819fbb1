"""``python -m infra.checks``: print every fault there is, then the plan. The exit status is 1 if there is any fault.

``python -m infra.checks names --write`` writes ``infra/names.json`` anew from the code.
"""

from __future__ import annotations

import sys
from importlib import import_module
from pkgutil import iter_modules

import infra.checks
from infra.checks.fault import Fault


def all_faults() -> list[Fault]:
    """What every subject found: each module beside this one that has ``check()``."""
    faults: list[Fault] = []
    for name in sorted(module.name for module in iter_modules(infra.checks.__path__)):
        if name != "__main__" and (check := getattr(import_module(f"infra.checks.{name}"), "check", None)):
            faults += check()
    return sorted(faults, key=lambda fault: (fault.file, fault.line or 0, fault.detail))


def main(arguments: list[str]) -> int:
    """Run what the arguments ask for and return the exit status."""
    faults = all_faults()
    for fault in faults:
        print(fault)
    return int(bool(faults))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
