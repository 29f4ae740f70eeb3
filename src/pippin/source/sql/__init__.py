"""Zones in SQL databases: PowerDNS' generic schema in PostgreSQL, MariaDB, MySQL and SQLite, read whole.

`url.py` says which database, and keeps its password out of every message; `connection.py` opens it; `schema.py` and
`triggers.py` make what is missing in it; `columns.py` finds out which version of the schema it has; `rows.py` makes
rows a record stream; `database.py` lists the zones, reads them, and tells which have changed.
"""
