"""Builds the compiled floor (`pippin.engine`); everything else about the package is in pyproject.toml.

The modules in COMPILED_MODULES are compiled by Cython in pure-Python mode: the `.py` file is the only
source, and it also runs uncompiled. A failed build is an error. `PIPPIN_PURE=1` is the one way to ask for a
build without extensions.
"""

import os

from setuptools import Extension, setup

# Every engine/*.py with a `# cython:` line on top, and every engine/*.pyx; a test compares.
COMPILED_MODULES = ("cache", "compile", "memo", "path", "scan", "sockets", "unpack")

ENGINE = "src/pippin/engine/"


def extension(module: str) -> Extension:
    """One engine module; its source is the `.pyx` if there is one, else the `.py`."""
    pyx = f"{ENGINE}{module}.pyx"
    source = pyx if os.path.exists(pyx) else f"{ENGINE}{module}.py"
    return Extension(f"pippin.engine.{module}", [source], extra_compile_args=["-O3"])


if __name__ == "__main__":
    if os.environ.get("PIPPIN_PURE") == "1":
        setup()
    else:
        from Cython.Distutils import build_ext

        setup(
            ext_modules=[extension(module) for module in COMPILED_MODULES],
            cmdclass={"build_ext": build_ext},
            options={"build_ext": {"cython_c_in_temp": True}},  # generated C belongs in build/, never in src/
        )
