"""The tables of PowerDNS' generic schema (5.x), and what `pippin database init` makes of them.

Pippin reads `domains` and `records`; the others are there for the tools that expect them. Older databases lack some
columns: `columns.py` looks at what there is.
"""

from __future__ import annotations

import sqlalchemy as sql
from sqlalchemy import BigInteger, Boolean, Column, ForeignKey, Index, Integer, MetaData, String, Table, Text

from pippin.source.sql import triggers
from pippin.source.sql.connection import explained, open_engine
from pippin.source.url import DatabaseURL

METADATA = MetaData()
CONTENT = String(65535).with_variant(Text, "mysql")
"""MySQL counts the bytes of a row, and a VARCHAR of that size alone would be too many."""
BIG_ID = BigInteger().with_variant(Integer, "sqlite")
"""SQLite numbers rows by itself only in a column of type INTEGER."""


def _belongs_to_a_domain() -> Column[int]:
    return Column("domain_id", Integer, ForeignKey("domains.id", ondelete="CASCADE"), nullable=False)


DOMAINS = Table(
    "domains",
    METADATA,
    Column("id", Integer, primary_key=True),
    Column("name", String(255), nullable=False, unique=True),
    Column("master", String(128)),
    Column("last_check", Integer),
    Column("type", String(8), nullable=False, server_default="NATIVE"),
    Column("notified_serial", BigInteger),
    Column("account", String(40)),
    Column("options", Text),
    Column("catalog", String(255)),
    Index("catalog_idx", "catalog"),
)
RECORDS = Table(
    "records",
    METADATA,
    Column("id", BIG_ID, primary_key=True),
    Column("domain_id", Integer, ForeignKey("domains.id", ondelete="CASCADE")),
    Column("name", String(255)),
    Column("type", String(10)),
    Column("content", CONTENT),
    Column("ttl", Integer),
    Column("prio", Integer),
    Column("disabled", Boolean, server_default=sql.false()),
    Column("ordername", String(255)),
    Column("auth", Boolean, server_default=sql.true()),
    Index("records_name_idx", "name"),
    Index("records_nametype_idx", "name", "type"),
    Index("records_domain_id_idx", "domain_id"),
    Index("records_order_idx", "domain_id", "ordername"),
)
Table(
    "supermasters",
    METADATA,
    Column("ip", String(64), primary_key=True),
    Column("nameserver", String(255), primary_key=True),
    Column("account", String(40), nullable=False),
)
Table(
    "comments",
    METADATA,
    Column("id", Integer, primary_key=True),
    _belongs_to_a_domain(),
    Column("name", String(255), nullable=False),
    Column("type", String(10), nullable=False),
    Column("modified_at", Integer, nullable=False),
    Column("account", String(40)),
    Column("comment", CONTENT, nullable=False),
    Index("comments_name_type_idx", "name", "type"),
    Index("comments_order_idx", "domain_id", "modified_at"),
)
Table(
    "domainmetadata",
    METADATA,
    Column("id", Integer, primary_key=True),
    _belongs_to_a_domain(),
    Column("kind", String(32)),
    Column("content", Text),
    Index("domainmetadata_idx", "domain_id", "kind"),
)
Table(
    "cryptokeys",
    METADATA,
    Column("id", Integer, primary_key=True),
    _belongs_to_a_domain(),
    Column("flags", Integer, nullable=False),
    Column("active", Boolean),
    Column("published", Boolean, server_default=sql.true()),
    Column("content", Text),
    Index("cryptokeys_domain_id_idx", "domain_id"),
)
Table(
    "tsigkeys",
    METADATA,
    Column("id", Integer, primary_key=True),
    Column("name", String(255)),
    Column("algorithm", String(50)),
    Column("secret", String(255)),
    Index("tsigkeys_name_algorithm_idx", "name", "algorithm", unique=True),
)


def create(url: DatabaseURL, *, with_triggers: bool = True) -> list[str]:
    """Make what is missing; what was done, a line each. Nothing that is there is changed. DatabaseError."""
    engine = open_engine(url, write=True)
    try:
        with explained(url), engine.begin() as connection:
            there = set(sql.inspect(connection).get_table_names())
            lines = [
                f"table {table.name}: {'was there' if table.name in there else 'created'}"
                for table in METADATA.sorted_tables
            ]
            METADATA.create_all(connection)
            if not with_triggers:
                lines.append("no triggers: changes will be found by polling")
        if with_triggers:
            lines += triggers.install(engine, url)
        return lines
    finally:
        engine.dispose()
