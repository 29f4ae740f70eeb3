"""Triggers that say which zones have changed, so that nobody has to look at all records to know.

PostgreSQL: statement triggers notify the channel `pippin` with the number of the domain and, if it were few rows, the
names of those, as JSON (`*`: many domains, look for yourself). They write nothing, so they cost writers nothing but the
message. The others have no such messages: there, row triggers count the changes of each domain in the table
`pippin_changes`, which is small enough to be read every second. Two transactions that change the same zone then wait
for each other, as they do already if both set its serial.
"""

from __future__ import annotations

import msgspec
import sqlalchemy as sql
from sqlalchemy import BigInteger, Column, Integer, MetaData, Table
from sqlalchemy.engine import Connection, Engine

from pippin.source.sql.connection import explained
from pippin.source.url import DatabaseError, DatabaseURL

CHANNEL = "pippin"
EVERYTHING = "*"
THE_LIST = "0"
"""What the channel says when a domain is new, renamed or gone; no domain has this number."""
MANY_ZONES = 1000
"""Zones changed by one statement from which on PostgreSQL sends one message and not one for each."""

MANY_ROWS = 50
"""Rows changed by one statement from which on nobody is told their names, only the zones."""
LONGEST = 7900
"""Octets of a message; PostgreSQL takes 7,999."""

COUNTS = Table(
    "pippin_changes",
    MetaData(),
    Column("domain_id", Integer, primary_key=True, autoincrement=False),
    Column("version", BigInteger, nullable=False),
)
"""How often each domain's records have changed, where triggers count it. A domain without a row: never yet."""

_POSTGRESQL = f"""
CREATE OR REPLACE FUNCTION pippin_tell_records() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
    changed integer[];
    rows jsonb;
    zone integer;
    names jsonb;
    message text;
BEGIN
    IF TG_OP = 'TRUNCATE' THEN
        PERFORM pg_catalog.pg_notify('{CHANNEL}', '{EVERYTHING}');
        RETURN NULL;
    ELSIF TG_OP = 'INSERT' THEN
        SELECT pg_catalog.jsonb_agg(pg_catalog.jsonb_build_array(domain_id, name)) INTO rows
        FROM (SELECT domain_id, name FROM new_rows LIMIT {MANY_ROWS}) AS few;
    ELSIF TG_OP = 'DELETE' THEN
        SELECT pg_catalog.jsonb_agg(pg_catalog.jsonb_build_array(domain_id, name)) INTO rows
        FROM (SELECT domain_id, name FROM old_rows LIMIT {MANY_ROWS}) AS few;
    ELSE
        SELECT pg_catalog.jsonb_agg(pg_catalog.jsonb_build_array(domain_id, name)) INTO rows
        FROM (SELECT domain_id, name FROM new_rows UNION ALL SELECT domain_id, name FROM old_rows LIMIT {MANY_ROWS})
        AS few;
    END IF;
    IF rows IS NULL THEN
        RETURN NULL;
    END IF;
    IF pg_catalog.jsonb_array_length(rows) < {MANY_ROWS} THEN
        FOR zone, names IN
            SELECT (one->>0)::integer, pg_catalog.jsonb_agg(DISTINCT one->1)
            FROM pg_catalog.jsonb_array_elements(rows) AS one WHERE one->>0 IS NOT NULL GROUP BY 1
        LOOP
            message := zone::text || ' ' || names::text;
            IF pg_catalog.octet_length(message) > {LONGEST} THEN
                message := zone::text;
            END IF;
            PERFORM pg_catalog.pg_notify('{CHANNEL}', message);
        END LOOP;
        RETURN NULL;
    END IF;
    IF TG_OP = 'INSERT' THEN
        SELECT pg_catalog.array_agg(DISTINCT domain_id) INTO changed FROM new_rows;
    ELSIF TG_OP = 'DELETE' THEN
        SELECT pg_catalog.array_agg(DISTINCT domain_id) INTO changed FROM old_rows;
    ELSE
        SELECT pg_catalog.array_agg(domain_id) INTO changed
        FROM (SELECT domain_id FROM new_rows UNION SELECT domain_id FROM old_rows) AS both_rows;
    END IF;
    IF pg_catalog.cardinality(changed) > {MANY_ZONES} THEN
        PERFORM pg_catalog.pg_notify('{CHANNEL}', '{EVERYTHING}');
    ELSIF changed IS NOT NULL THEN
        FOREACH zone IN ARRAY changed LOOP
            IF zone IS NOT NULL THEN
                PERFORM pg_catalog.pg_notify('{CHANNEL}', zone::text);
            END IF;
        END LOOP;
    END IF;
    RETURN NULL;
END $$;
CREATE OR REPLACE FUNCTION pippin_tell_domains() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    PERFORM pg_catalog.pg_notify('{CHANNEL}', '{THE_LIST}');
    RETURN NULL;
END $$;
CREATE TRIGGER pippin_insert AFTER INSERT ON records REFERENCING NEW TABLE AS new_rows
    FOR EACH STATEMENT EXECUTE FUNCTION pippin_tell_records();
CREATE TRIGGER pippin_update AFTER UPDATE ON records REFERENCING OLD TABLE AS old_rows NEW TABLE AS new_rows
    FOR EACH STATEMENT EXECUTE FUNCTION pippin_tell_records();
CREATE TRIGGER pippin_delete AFTER DELETE ON records REFERENCING OLD TABLE AS old_rows
    FOR EACH STATEMENT EXECUTE FUNCTION pippin_tell_records();
CREATE TRIGGER pippin_truncate AFTER TRUNCATE ON records FOR EACH STATEMENT EXECUTE FUNCTION pippin_tell_records();
CREATE TRIGGER pippin_domains AFTER INSERT OR DELETE OR TRUNCATE ON domains
    FOR EACH STATEMENT EXECUTE FUNCTION pippin_tell_domains();
CREATE TRIGGER pippin_domains_update AFTER UPDATE OF name, type ON domains
    FOR EACH STATEMENT EXECUTE FUNCTION pippin_tell_domains();
"""
_POSTGRESQL_TRIGGERS = {
    "records": ("pippin_insert", "pippin_update", "pippin_delete", "pippin_truncate"),
    "domains": ("pippin_domains", "pippin_domains_update"),
}
# `FOR EACH ROW` is all that these two have. SQLite: no upsert, for inside a trigger the conflict clause of the
# outer statement counts (`INSERT OR REPLACE` would set the count back).
_COUNT = {
    "sqlite": "INSERT INTO pippin_changes SELECT {row}.domain_id, 0 WHERE {row}.domain_id IS NOT NULL AND NOT EXISTS "
    "(SELECT 1 FROM pippin_changes WHERE domain_id = {row}.domain_id); "
    "UPDATE pippin_changes SET version = version + 1 WHERE domain_id = {row}.domain_id;",
    "mysql": "INSERT INTO pippin_changes (domain_id, version) SELECT {row}.domain_id, 1 FROM DUAL "
    "WHERE {row}.domain_id IS NOT NULL ON DUPLICATE KEY UPDATE version = version + 1;",
}
_EVENTS = {"INSERT": ("NEW",), "DELETE": ("OLD",), "UPDATE": ("OLD", "NEW")}


def parse_message(text: str) -> tuple[int, frozenset[str] | None] | None:
    """A domain, and the names of the rows that have changed, None if it may be any; None: no message of ours."""
    number, _, rest = text.partition(" ")
    if not (number.isascii() and number.isdecimal()):
        return None  # anybody may write to a channel
    try:
        names = msgspec.json.decode(rest, type=frozenset[str]) if rest else None
    except msgspec.MsgspecError:  # a row without a name, for one
        names = None
    return int(number), names


def install(engine: Engine, url: DatabaseURL) -> list[str]:
    """Make the triggers, anew where there were some; what was done. Where they may not be made, that is said."""
    dialect = engine.dialect.name
    try:
        with explained(url), engine.begin() as connection:
            if dialect == "postgresql":
                _install_postgresql(connection)
                return [f"triggers: created, they notify the channel {CHANNEL}"]
            COUNTS.create(connection, checkfirst=True)
            for event, rows in _EVENTS.items():
                name = f"pippin_{event.lower()}"
                counting = " ".join(_COUNT[dialect].format(row=row) for row in rows)
                connection.exec_driver_sql(f"DROP TRIGGER IF EXISTS {name}")
                connection.exec_driver_sql(
                    f"CREATE TRIGGER {name} AFTER {event} ON records FOR EACH ROW BEGIN {counting} END"
                )
        return ["triggers: created, they count changes in the table pippin_changes"]
    except DatabaseError as error:
        return [f"triggers: not created, changes will be found by polling; {error}"]


def _install_postgresql(connection: Connection) -> None:
    for table, names in _POSTGRESQL_TRIGGERS.items():
        for name in names:
            connection.exec_driver_sql(f"DROP TRIGGER IF EXISTS {name} ON {table}")
    connection.exec_driver_sql(_POSTGRESQL)
    for table, names in _POSTGRESQL_TRIGGERS.items():
        for name in names:  # ALWAYS: also for rows that logical replication writes
            connection.exec_driver_sql(f"ALTER TABLE {table} ENABLE ALWAYS TRIGGER {name}")


def are_installed(connection: Connection) -> bool:
    """Whether PostgreSQL tells of every change, and to this server: a standby that replays a log tells nobody."""
    names = [name for several in _POSTGRESQL_TRIGGERS.values() for name in several]
    found = connection.execute(
        sql.text(
            "SELECT count(*) FROM pg_catalog.pg_trigger WHERE tgname = ANY(:names) AND tgenabled IN ('O', 'A') AND "
            "tgrelid IN (to_regclass('records'), to_regclass('domains')) AND NOT pg_catalog.pg_is_in_recovery()"
        ),
        {"names": names},
    ).scalar_one()
    return bool(found == len(names))


def count_changes(connection: Connection) -> bool:
    """Whether changes are counted. Who may only read may not see triggers: the table has to do."""
    return sql.inspect(connection).has_table(COUNTS.name)
