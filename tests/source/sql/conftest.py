"""Databases for the tests here."""

from tests.databases import database_url, mariadb, postgresql

__all__ = ["database_url", "mariadb", "postgresql"]
