"""The statements Pippin reads with, made for the version of the schema that a database has.

A row comes as one text, a line of a master file that the database itself puts together: for 100,000 rows that is
twice as fast as six columns each, and the scanner is compiled. What a line looks like is agreed with `rows.py`.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import sqlalchemy as sql
from sqlalchemy import ColumnElement, Select, column, func, literal, table
from sqlalchemy.dialects.postgresql import aggregate_order_by
from sqlalchemy.engine import Connection
from sqlalchemy.sql.selectable import TableClause

DEFAULT_TTL = 3600
"""For rows whose TTL is NULL: PowerDNS' `default-ttl`."""

MARK = "\x01"
"""In front of what `rows.py` has to look at by itself, and in place of blanks where none belong."""

PLAIN_TYPES = ("A", "AAAA", "CNAME", "NS", "PTR")
"""Types nearly all rows have, and nothing special about them: put together without asking further, a third quicker."""

ID_MARK = " ;"
"""Between the line and the number of the row, a comment for the scanner."""

PLAIN_NAME = r"[0-9a-z_*-]+([.][0-9a-z_*-]+)*"
"""What can be spelled in no other way: `A.test`, `a.test.` and `\\097.test` would all be `a.test`."""

PIECE_BITS = 11
"""Rows whose numbers differ in these bits alone are put together: 2,048 of them are some 120 KB."""

WANTED = {"domains": ("id", "name", "type"), "records": ("id", "domain_id", "name", "type", "content", "ttl", "prio")}
"""Columns that every version of the schema has."""

LATER = ("disabled", "change_date")
"""Columns of `records` that only some versions have and that matter here."""


class WrongSchema(Exception):
    """The tables are not those of PowerDNS."""


@dataclass(frozen=True, slots=True)
class Statements:
    """`lines` and `some_checksums` take the numbers of domains as `ids`, `lines_of_one` takes `id`, and what is looked
    up by name takes `names`."""

    domains: Select[Any]
    """id, name, type of every domain."""
    lines: Select[Any]
    """domain_id and the line of every record that is served, by domain and in the order of insertion."""
    all_lines: Select[Any]
    lines_of_one: Select[Any]
    """The lines alone, of one domain."""
    pieces: Select[Any] | None
    """The same as `lines`, many in one text: domain_id, how many, and the lines joined by line breaks. That a row
    has a line break of its own shows by the number of those. None: this database does not put texts together well."""
    all_pieces: Select[Any] | None
    pieces_of_one: Select[Any] | None
    """Without domain_id."""
    lines_of_names: Select[Any]
    """The lines of the domain `id` that have one of `names`."""
    odd_names: Select[Any]
    """Whether any row of the domain `id`, served or not, has a name that could be spelled in another way: only for
    PostgreSQL."""
    checksums: Select[Any]
    """domain_id, records, enabled SOA records, all SOA records, checksum."""
    some_checksums: Select[Any]
    """The same of the domains `ids`."""
    glances: Select[Any]
    """domain_id and what changes with most changes, at a fraction of the cost of a checksum."""
    zones_named: Select[Any]
    """id, name, type of the domains with these names, each with the domain_id of every SOA record at its name, and
    whether that is enabled."""
    rows_named: Select[Any]
    """id, domain_id, name, line of the records with these names, whichever zone they are in; the line is NULL where the
    type is. In no order, and no more than `limit`.

    It asks for names alone: told the zone too, a database may take all its rows and then look at the names.
    """


def statements_for(connection: Connection) -> Statements:
    """Look at the columns and build. `WrongSchema` if this is no such database."""
    look = sql.inspect(connection)
    there = {
        name: {one["name"] for one in look.get_columns(name)} if look.has_table(name) else set() for name in WANTED
    }
    for name, wanted in WANTED.items():
        if missing := [one for one in wanted if one not in there[name]]:
            what = f"the table {name} lacks {', '.join(missing)}" if there[name] else f"there is no table {name}"
            raise WrongSchema(f"{what}; `pippin database init` makes the tables of PowerDNS' generic schema")
    domains = table("domains", *map(column, WANTED["domains"]))
    extra = [name for name in LATER if name in there["records"]]
    records = table("records", *map(column, (*WANTED["records"], *extra)))
    return _build(domains, records, connection.dialect.name)


def _build(domains: TableClause, records: TableClause, dialect: str) -> Statements:
    c = records.c
    enabled = sql.not_(_is_true(c.disabled)) if "disabled" in c else sql.true()
    line = _line(records)
    is_served = sql.and_(enabled, c.type != _text(""))
    lines = (
        sql.select(c.domain_id, line).where(is_served, c.domain_id.is_not(None)).order_by(c.domain_id, c.id)
    )
    is_soa = func.upper(c.type) == _text("SOA")
    checksums = sql.select(
        c.domain_id,
        func.count(c.id),
        func.sum(sql.case((sql.and_(is_soa, enabled), 1), else_=0)),
        func.sum(sql.case((is_soa, 1), else_=0)),
        _checksum(records, dialect),
    ).where(c.domain_id.is_not(None))
    glances = sql.select(
        c.domain_id,
        func.count(c.id),
        func.max(c.id),
        func.max(sql.case((is_soa, c.content))),
        *([func.sum(sql.case((enabled, 1), else_=0))] if "disabled" in c else []),
        *([func.max(c.change_date)] if "change_date" in c else []),
    ).where(c.domain_id.is_not(None))
    named = c.domain_id.in_(sql.bindparam("ids", expanding=True))
    all_pieces = pieces_of_one = None
    if dialect == "postgresql":
        piece = c.id.op(">>")(_number(PIECE_BITS))
        text = func.string_agg(line, aggregate_order_by(_text("\n"), c.id))
        joined = sql.select(func.count(), text).where(is_served)
        pieces_of_one = joined.where(c.domain_id == sql.bindparam("id")).group_by(piece).order_by(piece)
        joined = sql.select(c.domain_id, func.count(), text).where(is_served, c.domain_id.is_not(None))
        all_pieces = joined.group_by(c.domain_id, piece).order_by(c.domain_id, piece)
    return Statements(
        domains=sql.select(domains.c.id, domains.c.name, domains.c.type).order_by(domains.c.id),
        lines=lines.where(named),
        all_lines=lines,
        lines_of_one=sql.select(line).where(is_served, c.domain_id == sql.bindparam("id")).order_by(c.id),
        pieces=None if all_pieces is None else all_pieces.where(named),
        all_pieces=all_pieces,
        pieces_of_one=pieces_of_one,
        lines_of_names=sql.select(line)
        .where(is_served, c.domain_id == sql.bindparam("id"), c.name.in_(sql.bindparam("names", expanding=True)))
        .order_by(c.id),
        odd_names=sql.select(
            sql.exists().where(
                c.domain_id == sql.bindparam("id"),
                sql.or_(c.name.is_(None), sql.not_(c.name.op("~")(_text(f"^{PLAIN_NAME}$")))),
            )
        ),
        checksums=checksums.group_by(c.domain_id),
        some_checksums=checksums.where(named).group_by(c.domain_id),
        glances=glances.group_by(c.domain_id),
        zones_named=sql.select(domains.c.id, domains.c.name, domains.c.type, c.domain_id, enabled.label("enabled"))
        .select_from(
            domains.outerjoin(
                records, sql.and_(c.name == domains.c.name, c.type.in_([_text("SOA"), _text("soa")]))
            )
        )
        .where(domains.c.name.in_(sql.bindparam("names", expanding=True))),
        rows_named=sql.select(c.id, c.domain_id, c.name, line)
        .where(
            c.name.in_(sql.bindparam("names", expanding=True)), enabled, sql.or_(c.type.is_(None), c.type != _text(""))
        )
        .limit(sql.bindparam("limit")),
    )


def _line(records: TableClause) -> ColumnElement[str]:
    """`name TAB ttl IN type TAB content ;id`. NULL in any column would make the whole of it NULL."""
    c = records.c
    blank, mark, tab = _text(" "), _text(MARK), _text("\t")
    content = func.coalesce(c.content, mark)
    name = func.replace(func.coalesce(c.name, mark), blank, mark)
    ttl = sql.cast(func.coalesce(c.ttl, _number(DEFAULT_TTL)), sql.String(20))
    kind = func.upper(c.type)
    has_prio = kind.in_([_text("MX"), _text("SRV")])
    is_text = kind.in_([_text("TXT"), _text("SPF")])
    prio = sql.cast(func.coalesce(c.prio, _number(0)), sql.String(20))
    return (
        name
        + tab
        + ttl
        + _text(" IN ")
        + sql.case(
            (c.type.in_([_text(one) for one in PLAIN_TYPES]), c.type + tab + content),
            else_=func.replace(c.type, blank, mark)
            + tab
            + sql.case(
                (has_prio, prio + blank + content),
                (kind == _text("SOA"), mark + content),
                (sql.and_(is_text, sql.not_(content.like(_text('"%')))), mark + content),
                else_=content,
            ),
        )
        + _text(ID_MARK)
        + sql.cast(c.id, sql.String(20))
    ).label("line")


def _checksum(records: TableClause, dialect: str) -> ColumnElement[Any]:
    """Over all that the answers depend on, in no order. `auth` and `ordername` are PowerDNS' own."""
    c = records.c
    used = [c[name] for name in ("id", "name", "type", "content", "ttl", "prio", "disabled") if name in c]
    if dialect == "sqlite":
        return func.pippin_checksum(*used)
    row = func.concat_ws(_text("\x1f"), *(func.coalesce(sql.cast(one, _TEXT[dialect]), _text("\x1e")) for one in used))
    if dialect == "postgresql":
        return sql.cast(func.sum(func.hashtextextended(row, _number(0))), sql.Text)
    half = func.conv(func.left(func.md5(row), _number(15)), _number(16), _number(10))
    return func.sum(sql.cast(half, sql.Numeric(20, 0)))


_TEXT = {"postgresql": sql.Text(), "mysql": sql.CHAR()}


def _is_true(flag: ColumnElement[Any]) -> ColumnElement[bool]:
    """A column that is boolean in one database and a small number in another; NULL is false."""
    return sql.func.coalesce(flag, sql.false()) == sql.true()


# Written into the statement: with parameters PostgreSQL works out constants anew for each row.
def _text(value: str) -> ColumnElement[str]:
    return literal(value, sql.String(), literal_execute=True)


def _number(value: int) -> ColumnElement[int]:
    return literal(value, sql.Integer(), literal_execute=True)
