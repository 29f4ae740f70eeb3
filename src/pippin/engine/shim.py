"""Stands in for Cython's `cython` module where Cython is not installed: every annotation and decorator is a no-op.

Only what the engine uses is here. Modules import it the way Cython understands:

    try:
        import cython
    except ModuleNotFoundError:
        from pippin.engine import shim as cython
"""

from __future__ import annotations

compiled = False

# Types stand as arguments of `declare` and `cast` only; annotations are never evaluated.
bint = uchar = int = uint = longlong = ulonglong = Py_ssize_t = None


def _same(thing):  # type: ignore[no-untyped-def]
    return thing


def _decorator(*_args, **_kwargs):  # type: ignore[no-untyped-def]
    return _same


final = cclass = cfunc = inline = _same
boundscheck = exceptval = _decorator


def declare(_type=None, value=None, **_kwargs):  # type: ignore[no-untyped-def]
    return value


def cast(_type, value, **_kwargs):  # type: ignore[no-untyped-def]
    return value
