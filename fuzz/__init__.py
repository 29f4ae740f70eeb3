"""Hostile input: every target takes any bytes, and no bytes may break what the target says it holds.

    targets.py   what is fed, and what has to hold afterwards
    world.py     the zones that packets are asked of
    mutate.py    seeds in, variations out; deterministic, so that a finding can be run again by its number
    asan.py      the compiled engine, built with AddressSanitizer into a folder of its own
    coverage.py  atheris: variations guided by coverage of the uncompiled engine
    corpus/      the seeds, one file a target, hexadecimal
"""
