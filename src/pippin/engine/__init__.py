"""Floor 1: bytes to bytes. No policy, no logging, no dnspython, no asyncio.

Every module here runs uncompiled (CPython, PyPy 3.9) and most are also compiled by Cython from
the same source; `COMPILED_MODULES` in setup.py is the list, and `is_compiled()` in each tells which one runs.

With `PIPPIN_PURE=1` in the environment the sources run even where extension modules lie beside them.
`sockets` has no such source, it is Cython alone; its twin in plain Python, `sockets_py`, is loaded under the
name of `sockets` when the sources were asked for and in builds without extensions. So importers say
`pippin.engine.sockets` in every case.
"""

from __future__ import annotations

import os
import sys
from importlib.machinery import EXTENSION_SUFFIXES, ModuleSpec
from importlib.util import find_spec, spec_from_file_location

_PURE = os.environ.get("PIPPIN_PURE") == "1"
_FOLDER = os.path.dirname(__file__)
_SOURCES = {"sockets": "sockets_py"}


class _SourceFinder:
    """Finds `pippin.engine.*` as source files, where the usual finders would prefer the extension module."""

    @staticmethod
    def find_spec(fullname: str, path: object = None, target: object = None) -> ModuleSpec | None:
        package, _, module = fullname.rpartition(".")
        if package != __name__ or not (_PURE or module in _SOURCES):
            return None
        source = os.path.join(_FOLDER, _SOURCES.get(module, module) + ".py")
        if not os.path.exists(source) or (not _PURE and _has_extension(module)):
            return None
        return spec_from_file_location(fullname, source)


def _has_extension(module: str) -> bool:
    return any(os.path.exists(os.path.join(_FOLDER, module + suffix)) for suffix in EXTENSION_SUFFIXES)


sys.meta_path.insert(0, _SourceFinder)


def engine_name() -> str:
    """Which engine this process runs: "compiled" or "uncompiled"."""
    spec = find_spec(__name__ + ".path")
    if spec is None or spec.origin is None:
        raise ModuleNotFoundError("pippin.engine.path is missing: the installation is not complete")
    return "compiled" if spec.origin.endswith(tuple(EXTENSION_SUFFIXES)) else "uncompiled"
