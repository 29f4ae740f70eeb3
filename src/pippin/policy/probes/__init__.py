"""Asking one target once how it is: a module for each way to ask, `run.py` knows which way a check wants.

A probe is a coroutine that returns a few words when the target is well, and raises `Unhealthy`, OSError or TimeoutError
when it is not. Whoever calls it sets the time limit, and cancels it then; a probe leaves nothing behind.
"""
