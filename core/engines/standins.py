"""Lets a package be imported without modules that it imports and never needs here.

The stand-ins are seen by that package's own modules alone: these are run with an ``__import__`` that knows them.
Nothing is put into ``sys.modules``, and so no other library is led to believe that the stand-ins were the real ones.
They stand in whether or not the real ones are installed, so that every installation does the same.
"""

from __future__ import annotations

import builtins
import importlib
import sys
import threading
from collections.abc import Mapping, Sequence
from importlib.abc import MetaPathFinder
from importlib.machinery import ModuleSpec, PathFinder, SourceFileLoader
from importlib.util import resolve_name
from types import ModuleType
from typing import Any


def stand_in(name: str, **attributes: object) -> ModuleType:
    """A module of this full name that has nothing but ``attributes``."""
    module = ModuleType(name, f"A stand-in: see {__name__}.")
    vars(module).update(attributes)
    return module


class StandIns(MetaPathFinder):
    """Finds one package's modules where they are installed, and has them see stand-ins for other modules."""

    def __init__(self, package: str, modules: Sequence[ModuleType]) -> None:
        """Change nothing yet.

        Args:
            package: the top-level package that sees the stand-ins.
            modules: each under its full name; of one with a dot in it, the parent is among them, too.
        """
        self._package = package
        self._modules = {module.__name__: module for module in modules}
        self._lock = threading.Lock()

    def import_module(self, name: str) -> ModuleType:
        """A module of the package; safe to call from several threads. Raises ``ImportError``."""
        with self._lock:
            if self not in sys.meta_path:
                sys.meta_path.insert(0, self)
            return importlib.import_module(name)

    def find_spec(
        self, fullname: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        if fullname.partition(".")[0] != self._package:
            return None
        spec = PathFinder.find_spec(fullname, path, target)
        if spec is not None and isinstance(spec.loader, SourceFileLoader):
            spec.loader = _Loader(spec.loader.name, spec.loader.path, self)
        return spec

    def import_for(
        self,
        name: str,
        namespace: Mapping[str, Any] | None = None,
        local: Mapping[str, Any] | None = None,
        fromlist: Sequence[str] | None = (),
        level: int = 0,
    ) -> ModuleType:
        """``__import__`` as the package's modules see it; parameters as of the built-in one."""
        full_name = resolve_name("." * level + name, (namespace or {}).get("__package__"))
        if full_name not in self._modules:
            return builtins.__import__(name, namespace, local, fromlist or (), level)
        return self._modules[full_name if fromlist else full_name.partition(".")[0]]


class _Loader(SourceFileLoader):
    """Runs a module with that ``__import__``; its functions keep it, for what they import when they are called."""

    def __init__(self, fullname: str, path: str, stand_ins: StandIns) -> None:
        super().__init__(fullname, path)
        self._stand_ins = stand_ins

    def exec_module(self, module: ModuleType) -> None:
        vars(module)["__builtins__"] = {**vars(builtins), "__import__": self._stand_ins.import_for}
        super().exec_module(module)
