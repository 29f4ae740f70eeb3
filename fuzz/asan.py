"""The engine compiled with AddressSanitizer, in a folder of its own: nothing of the working copy is touched.

gcc's run-time library is loaded in front of the interpreter's. Leaks are not looked for: CPython itself keeps
memory at its end.
"""

from __future__ import annotations

import os
import runpy
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).parent.parent
FLAGS = "-O1 -g -fsanitize=address -fno-omit-frame-pointer"


def environment(folder: Path | None = None) -> dict[str, str]:
    """Build if necessary; the environment in which an interpreter imports this engine."""
    folder = folder or Path(tempfile.gettempdir()) / f"pippin-asan-{os.getuid()}"
    build(folder)
    runtime = subprocess.run(
        ["gcc", "-print-file-name=libasan.so"], capture_output=True, text=True, check=True
    ).stdout.strip()
    return {
        "PYTHONPATH": str(folder / "src"),
        "PYTHONMALLOC": "malloc",  # so that every object has its own guarded place
        "LD_PRELOAD": runtime,
        "ASAN_OPTIONS": "detect_leaks=0:abort_on_error=1:allocator_may_return_null=1",
        "PIPPIN_PURE": "0",
    }


def build(folder: Path) -> None:
    """Copy the sources and compile every module of setup.py's list that is older than its source."""
    copy_sources(folder)
    for name in ("setup.py", "pyproject.toml", "README.md", "LICENSE"):
        shutil.copy(ROOT / name, folder / name)
    modules = runpy.run_path(str(ROOT / "setup.py"))["COMPILED_MODULES"]
    engine = folder / "src" / "pippin" / "engine"
    sources = {name: next(p for p in (engine / f"{name}.pyx", engine / f"{name}.py") if p.exists()) for name in modules}
    built = {path.name.partition(".")[0]: path.stat().st_mtime for path in engine.glob("*.so")}
    if all(built.get(name, 0) > source.stat().st_mtime for name, source in sources.items()):
        return
    print("compiling the engine with AddressSanitizer; this takes a few minutes", flush=True)
    subprocess.run(
        [sys.executable, "setup.py", "-q", "build_ext", "--inplace", "--parallel", str(os.cpu_count() or 1)],
        cwd=folder,
        env=os.environ | {"CFLAGS": FLAGS, "LDFLAGS": "-fsanitize=address"},
        stdout=subprocess.DEVNULL,
        check=True,
    )


def copy_sources(folder: Path) -> None:
    """Everything in src/ but extension modules, into `folder`/src; what is the same stays as it is."""
    for path in (ROOT / "src").rglob("*"):
        if path.suffix in (".py", ".pyx", ".pyi", ".typed"):
            copy = folder / "src" / path.relative_to(ROOT / "src")
            if not copy.exists() or copy.read_bytes() != path.read_bytes():
                copy.parent.mkdir(parents=True, exist_ok=True)
                shutil.copy(path, copy)
