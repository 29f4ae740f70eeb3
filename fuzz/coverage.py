"""One target under atheris, uncompiled; `python -m fuzz --atheris` starts it."""

from __future__ import annotations

import importlib
import sys
import tempfile
from pathlib import Path

from fuzz.mutate import read_corpus


def main(name: str, seconds: float) -> None:
    """Never returns: atheris ends the process, with an exit status other than 0 for a finding."""
    import atheris

    with atheris.instrument_imports(include=["pippin.engine", "pippin.serve.tcp"]):
        from fuzz.targets import TARGETS
    target = TARGETS[name](lambda module: importlib.import_module(f"pippin.engine.{module}"))
    corpus = Path(tempfile.mkdtemp(prefix="pippin-fuzz-"))
    for number, seed in enumerate(read_corpus(name)):
        (corpus / f"seed-{number}").write_bytes(seed)
    limit = f"-max_total_time={int(seconds)}"
    atheris.Setup([sys.argv[0], str(corpus), limit, "-max_len=4096", "-timeout=20", "-verbosity=1"], target)
    atheris.Fuzz()


if __name__ == "__main__":
    main(sys.argv[1], float(sys.argv[2]))
