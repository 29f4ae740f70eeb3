"""Pippin: an authoritative DNS server, programmed in Python."""

__version__ = "0.1.0"
