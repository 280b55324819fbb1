"""``python -m infra.checks``: print every fault there is, then the plan. The exit status is 1 if there is any fault.

``python -m infra.checks names --write`` writes ``infra/names.json`` anew from the code.
"""

from __future__ import annotations

import sys
from importlib import import_module
from pkgutil import iter_modules

import infra.checks
from infra.checks import names
from infra.checks.fault import Fault
from infra.checks.plan import plan, table


def all_faults() -> list[Fault]:
    """What every subject found: each module beside this one that has ``check()``."""
    found: list[Fault] = []
    for name in sorted(module.name for module in iter_modules(infra.checks.__path__)):
        if name != "__main__" and (check := getattr(import_module(f"infra.checks.{name}"), "check", None)):
            found += check()
    return sorted(set(found), key=lambda fault: (fault.file, fault.line or 0, fault.detail))


def main(arguments: list[str]) -> int:
    """Do what the arguments ask for and return the exit status."""
    if arguments == ["names", "--write"]:
        names.write()
        return 0
    if arguments:
        sys.stderr.write(f"{__doc__}\n")
        return 2
    faults = all_faults()
    said = f"Faults: {len(faults)}" if faults else "No faults. This is no compile: Azure has not seen these files."
    sys.stdout.writelines(f"{line}\n" for line in (*faults, said, "", table(plan())))
    return int(bool(faults))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
