"""What tests of every floor need: each engine module both ways, uncompiled and compiled."""

from __future__ import annotations

import importlib
import importlib.util
import os
import sys
from collections.abc import Callable
from pathlib import Path
from types import ModuleType

import pytest

import pippin.engine

ENGINE = Path(pippin.engine.__file__).parent


def uncompiled_twin(name: str) -> ModuleType:
    """An engine module run from its source, also where a compiled one would be imported instead."""
    module = importlib.import_module(f"pippin.engine.{name}")
    if not module.is_compiled():
        return module
    twin = f"uncompiled_twin_of_{name}"
    if twin not in sys.modules:
        spec = importlib.util.spec_from_file_location(twin, ENGINE / f"{name}.py")
        assert spec is not None
        assert spec.loader is not None
        loaded = importlib.util.module_from_spec(spec)
        sys.modules[twin] = loaded
        spec.loader.exec_module(loaded)
    return sys.modules[twin]


@pytest.fixture(params=["uncompiled", "compiled"])
def engine_module(request: pytest.FixtureRequest) -> Callable[[str], ModuleType]:
    """`engine_module("scan")` is the module, uncompiled and then compiled: every test that asks runs both ways."""

    def load(name: str) -> ModuleType:
        if request.param == "uncompiled":
            return uncompiled_twin(name)
        module = importlib.import_module(f"pippin.engine.{name}")
        if not module.is_compiled():
            if os.environ.get("CI") and os.environ.get("PIPPIN_PURE") != "1":
                pytest.fail(f"pippin.engine.{name} is not compiled, and in CI it has to be")
            pytest.skip(f"pippin.engine.{name} is not compiled in this installation")
        return module

    return load
