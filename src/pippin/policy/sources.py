"""The texts of policy files and of the modules beside them: read once, run everywhere.

Whatever happens to the files later, a worker or a checker that is started again runs what was checked. So the process
that checks the files notes what it read, and the others import from these texts and not from the disk. Bytecode caches
are left alone: they go by whole seconds, and an edit may come within one.
"""

from __future__ import annotations

import importlib.util
import os
import sys
from collections.abc import Iterable, Mapping, Sequence
from importlib.machinery import ModuleSpec, PathFinder, SourceFileLoader
from types import ModuleType

INSTALLED = f"{os.sep}site-packages{os.sep}"
"""In the path of what has been installed: part of the system and not of the policies."""


class Sources:
    """Texts by absolute path: those `kept` from an earlier reading, and those read from the disk because of it."""

    def __init__(self, kept: Mapping[str, bytes] | None = None) -> None:
        self.texts: dict[str, bytes] = dict(kept or {})

    def read(self, path: str) -> bytes:
        """The text of a file. OSError if it cannot be read."""
        path = os.path.abspath(path)
        if path not in self.texts:
            with open(path, "rb") as file:
                self.texts[path] = file.read()
        return self.texts[path]

    def has(self, path: str) -> bool:
        return path in self.texts or os.path.isfile(path)

    def import_beside(self, files: Iterable[str]) -> None:
        """From now on modules beside these files are imported from here, and found as `python FILE` would."""
        for folder in dict.fromkeys(os.path.dirname(os.path.abspath(file)) for file in files):
            if folder not in sys.path:
                sys.path.insert(0, folder)
            if folder not in _FINDER.folders:
                _FINDER.folders.insert(0, folder)
        _FINDER.sources = self
        if _FINDER not in sys.meta_path:
            disk = sys.meta_path.index(PathFinder) if PathFinder in sys.meta_path else len(sys.meta_path)
            sys.meta_path.insert(disk, _FINDER)


class _Finder:
    """Finds modules in the folders of policy files before the disk is asked; one in a process, for good."""

    def __init__(self) -> None:
        self.folders: list[str] = []
        self.sources = Sources()

    def find_spec(
        self, name: str, path: Sequence[str] | None = None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        within = tuple(folder + os.sep for folder in self.folders)
        for folder in self.folders if path is None else path:
            if not (folder + os.sep).startswith(within) or INSTALLED in folder + os.sep:
                continue
            module = os.path.join(folder, name.rpartition(".")[2])
            package = os.path.join(module, "__init__.py")
            if self.sources.has(package):
                loader = _Loader(name, package, self.sources)
                return importlib.util.spec_from_file_location(
                    name, package, loader=loader, submodule_search_locations=[module]
                )
            if self.sources.has(module + ".py"):
                loader = _Loader(name, module + ".py", self.sources)
                return importlib.util.spec_from_file_location(name, module + ".py", loader=loader)
        return None


class _Loader(SourceFileLoader):
    def __init__(self, name: str, path: str, sources: Sources) -> None:
        super().__init__(name, path)
        self._sources = sources

    def get_data(self, path: str) -> bytes:
        return self._sources.read(path)

    def path_stats(self, path: str) -> Mapping[str, object]:
        raise OSError  # with no times to compare there is no bytecode: importlib leaves it alone


_FINDER = _Finder()
