"""Benchmarks: Pippin beside NSD, Knot, BIND, PowerDNS and gdnsd, in one run on one machine.

`python -m bench` asks the questions listed in `bench.questions`, one file per question. What is measured and how
is told in `bench/measure.py`; the servers and their settings are in `bench/peers/`.
"""
