"""Floor 1: bytes to bytes. No policy, no logging, no dnspython, no asyncio.

Every module here runs uncompiled (CPython, PyPy 3.9) and most are also compiled by Cython from
the same source; `COMPILED_MODULES` in setup.py is the list, and `is_compiled()` in each tells which one runs.
"""
