"""Whole-server behaviour as text; README.md explains the format."""
