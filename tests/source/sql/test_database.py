"""Rows of PowerDNS' tables become the records they mean, in every database; versions change whenever records do."""

from __future__ import annotations

from collections.abc import Iterator

import dns.name
import dns.rdata
import dns.rdataclass
import pytest

from pippin.engine.records import iterate
from pippin.source.loaded import Loaded
from pippin.source.sql.database import SQLDatabase
from pippin.source.url import DatabaseError, parse_url
from tests.source.sql.tables import Tables


@pytest.fixture
def tables(database_url: str) -> Iterator[Tables]:
    tables = Tables(database_url)
    yield tables
    tables.close()


@pytest.fixture
def database(tables: Tables) -> Iterator[SQLDatabase]:
    database = SQLDatabase(parse_url(tables.url))
    yield database
    database.close()


def read(database: SQLDatabase) -> dict[str, Loaded]:
    domains = [(domain, "") for domain in database.domains() if not domain.problem]
    return {domain.name: loaded for domain, loaded in database.read(domains, everything=True)}


def one(database: SQLDatabase, name: str) -> Loaded:
    (domain,) = [domain for domain in database.domains() if domain.name == name]
    ((_, loaded),) = database.read([(domain, "")])
    return loaded


def shown(loaded: Loaded) -> list[str]:
    """Records as text, in the order of the stream."""
    lines = []
    for record in iterate(loaded.records):
        owner = dns.name.from_wire(record.owner, 0)[0]
        rdata = dns.rdata.from_wire(dns.rdataclass.IN, record.type, record.rdata, 0, len(record.rdata))
        lines.append(f"{owner} {record.ttl} {rdata.rdtype.name} {rdata}")
    return lines


def test_rows_are_the_records_they_mean(tables: Tables, database: SQLDatabase) -> None:
    tables.add_zone(
        "octo.test",
        ("octo.test", "MX", "mail.octo.test", 300, 10),
        ("octo.test", "MX", "mail2.octo.test", None, None),
        ("_sip._tcp.octo.test", "SRV", "20 5060 sip.octo.test", 300, 5),
        ("TXT.Octo.Test", "txt", '"v=DMARC1; p=none" "(open"', 300),
        ("ent.octo.test", None, None, None),
        ("empty.octo.test", "", "", None),
        ("*.wild.octo.test", "CNAME", "www.octo.test.", 300),
        ("a;b.octo.test", "A", "192.0.2.3", 300),
        (r"x\.y.octo.test", "AAAA", "2001:db8::1", 300),
        ("$.octo.test", "CAA", '0 issue "ca.test"', 300),
        ("raw.octo.test", "TYPE65400", r"\# 2 abcd", 300),
    )
    loaded = one(database, "octo.test")
    assert loaded.problems == ()
    assert shown(loaded)[4:] == [
        "octo.test. 300 MX 10 mail.octo.test.",
        "octo.test. 3600 MX 0 mail2.octo.test.",
        "_sip._tcp.octo.test. 300 SRV 5 20 5060 sip.octo.test.",
        'TXT.Octo.Test. 300 TXT "v=DMARC1; p=none" "(open"',
        "*.wild.octo.test. 300 CNAME www.octo.test.",
        r"a\;b.octo.test. 300 A 192.0.2.3",
        r"x\.y.octo.test. 300 AAAA 2001:db8::1",
        r'\$.octo.test. 300 CAA 0 issue "ca.test"',
        r"raw.octo.test. 300 TYPE65400 \# 2 abcd",
    ]


def test_one_read_of_everything_is_the_same_as_many_of_one(tables: Tables, database: SQLDatabase) -> None:
    for number in range(30):
        tables.add_zone(f"zone{number}.test", *((f"h{i}.zone{number}.test", "A", "192.0.2.9") for i in range(number)))
    together = read(database)
    assert len(together) == 30
    for name, loaded in together.items():
        assert bytes(one(database, name).records) == bytes(loaded.records)


@pytest.mark.parametrize(
    ("row", "reason"),
    [
        (("www.bad.test", "A", "192.0.2.300"), "'192.0.2.300' is not an IPv4 address"),
        (("www.bad.test", "A", "192.0.2.3\n192.0.2.4"), "has a line break or a control character"),
        (("www.bad.test", "A", None), "the content is missing"),
        (("www.bad.test", "A", ""), "an IPv4 address is missing"),
        (("", "A", "192.0.2.3"), "the name is empty"),
        ((None, "A", "192.0.2.3"), "the name is missing"),
        (("two words.bad.test", "A", "192.0.2.3"), "'two words.bad.test' is not a name"),
        (("tab\tbed.bad.test", "A", "192.0.2.3"), "is not a record type"),
        (("www.bad.test", "A 192.0.2", "192.0.2.3"), "'A 192.0.2' is not a record type"),
        (("www.bad.test", "NONSENSE", "192.0.2.3"), "NONSENSE"),
        (("www.bad.test", "IN", "A 192.0.2.3"), "type"),
        (("www.bad.test", "300", "A 192.0.2.3"), "is not a record type"),
        (("www.bad.test", "A", "192.0.2.3", -1), "the TTL is -1"),
        (("www.bad.test", "TXT", "no quotes"), "begins without a quote"),
        (("www.bad.test", "TXT", '"open'), "a quote that is never closed"),
        (("www.bad.test", "TXT", r'"escaped end\"'), "a quote that is never closed"),
        (("www.bad.test", "CNAME", "target.test ; comment"), "a ';' outside quotes"),
        (("www.bad.test", "CNAME", "( target.test"), "a '(' outside quotes"),
        (("www.bad.test", "CNAME", "@"), "an @ for the zone"),
        (("www.bad.test", "CNAME", "bücher.test"), "outside quotes"),
        (("bücher.bad.test", "A", "192.0.2.3"), "is not a name"),
        (("www.bad.test", "LUA", "A \"ifportup(443, {'192.0.2.1'})\""), "LUA records are programs for PowerDNS"),
        (("bad.test", "ALIAS", "elsewhere.test"), "ALIAS is a type of PowerDNS alone"),
        (("www.bad.test", "MX", "10 mail.bad.test", 300, 10), "more than MX data has"),
        (("www.bad.test", "A", "192.0.2.3 192.0.2.4"), "more than A data has"),
        (("x" * 64 + ".bad.test", "A", "192.0.2.3"), "63"),
    ],
)  # fmt: skip
def test_garbage_is_reported_with_its_row_and_spoils_no_other(
    tables: Tables, database: SQLDatabase, row: tuple[object, ...], reason: str
) -> None:
    tables.add_zone("good.test")
    number = tables.add_zone("bad.test")
    tables.add(number, *row)
    tables.add(number, "later.bad.test", "A", "192.0.2.77")
    ((wrong,),) = tables.ask("SELECT max(id) - 1 FROM records")
    loaded = read(database)
    assert loaded["good.test"].problems == ()
    (problem,) = loaded["bad.test"].problems
    assert problem.place == f"{database.url} records.id:{wrong}"
    assert reason in problem.message
    assert shown(loaded["bad.test"])[-1] == "later.bad.test. 300 A 192.0.2.77"
    assert shown(one(database, "bad.test")) == shown(loaded["bad.test"])


def test_old_soa_is_filled_up(tables: Tables, database: SQLDatabase) -> None:
    number = tables.add_zone("old.test")
    tables.do("DELETE FROM records WHERE type = 'SOA'")
    tables.add(number, "old.test", "SOA", "ns1.old.test hostmaster@old.test 2016071114")
    (soa,) = [line for line in shown(one(database, "old.test")) if " SOA " in line]
    assert soa == "old.test. 300 SOA ns1.old.test. hostmaster.old.test. 2016071114 10800 3600 604800 3600"


def test_disabled_rows_are_not_there(tables: Tables, database: SQLDatabase) -> None:
    number = tables.add_zone("some.test", ("off.some.test", "A", "192.0.2.3"))
    tables.do("UPDATE records SET disabled = true WHERE name = 'off.some.test'")
    assert not any("off" in line for line in shown(one(database, "some.test")))
    assert not database.versions()[number].is_disabled
    tables.do("UPDATE records SET disabled = true WHERE type = 'SOA'")
    assert database.versions()[number].is_disabled


@pytest.mark.parametrize(
    "change",
    [
        "UPDATE records SET content = '192.0.2.11' WHERE type = 'A' AND name = 'www.watched.test'",
        "UPDATE records SET ttl = 301 WHERE type = 'NS' AND domain_id = 1",
        "UPDATE records SET ttl = NULL WHERE type = 'NS' AND domain_id = 1",
        "UPDATE records SET prio = 1 WHERE type = 'NS' AND domain_id = 1",
        "UPDATE records SET disabled = true WHERE type = 'NS' AND domain_id = 1",
        "UPDATE records SET name = 'web.watched.test' WHERE name = 'www.watched.test'",
        "DELETE FROM records WHERE name = 'www.watched.test'",
        "INSERT INTO records (domain_id, name, type, content) VALUES (1, 'new.watched.test', 'A', '192.0.2.3')",
    ],
)
def test_every_change_gives_another_version_and_is_counted(tables: Tables, database: SQLDatabase, change: str) -> None:
    tables.add_zone("watched.test", number=1)
    tables.add_zone("other.test", number=2)
    before, glances = database.versions(), database.glances()
    assert database.versions([1]) == {1: before[1]}
    tables.do(change)
    after = database.versions()
    assert after[1] != before[1]
    assert after[2] == before[2]
    if database.url.scheme != "postgresql":
        assert database.counts_changes
        assert database.glances()[1] != glances[1]
        assert database.glances()[2] == glances[2]


def test_what_powerdns_writes_for_itself_changes_no_version(tables: Tables, database: SQLDatabase) -> None:
    tables.add_zone("watched.test", number=1)
    before = database.versions()
    tables.do("UPDATE records SET auth = false, ordername = 'www'")
    assert database.versions() == before


def test_domains_that_cannot_be_zones_are_said(tables: Tables, database: SQLDatabase) -> None:
    tables.add_zone("Good.Test.", number=1)
    tables.add_zone("GOOD.test", number=2)
    tables.do("INSERT INTO domains (id, name, type) VALUES (3, 'a..b', 'NATIVE')")
    good, twice, empty_label = sorted(database.domains(), key=lambda domain: domain.id)
    assert (good.name, good.problem) == ("good.test", "")
    assert "twice, see id 1" in twice.problem
    assert "no domain name" in empty_label.problem


def test_old_schema_is_read_too(database_url: str) -> None:
    tables = Tables(database_url, old=True)
    tables.do("INSERT INTO domains (id, name, type) VALUES (1, 'old.test', 'MASTER')")
    tables.do("INSERT INTO records VALUES (1, 1, 'old.test', 'SOA', 'ns1.old.test', 60, NULL, 1)")
    tables.do("UPDATE records SET content = 'ns1.old.test hostmaster.old.test 7'")
    tables.do("INSERT INTO records VALUES (2, 1, 'old.test', 'MX', 'mail.old.test', 60, 10, 1)")
    database = SQLDatabase(parse_url(database_url))
    assert shown(one(database, "old.test"))[1] == "old.test. 60 MX 10 mail.old.test."
    assert not database.listen()
    glances, versions = database.glances(), database.versions()
    assert not database.counts_changes
    tables.do("UPDATE records SET ttl = 61, change_date = 2 WHERE id = 2")
    assert database.glances() != glances
    assert database.versions() != versions
    database.close()
    tables.close()


def test_missing_tables_are_said(database_url: str) -> None:
    if database_url.startswith("sqlite"):
        with pytest.raises(DatabaseError, match="unable to open"):
            SQLDatabase(parse_url(database_url)).domains()
        open(database_url.removeprefix("sqlite:///"), "wb").close()
    with pytest.raises(DatabaseError, match="there is no table domains; `pippin database init`"):
        SQLDatabase(parse_url(database_url)).domains()


def test_wrong_password_is_not_told(postgresql: object, mariadb: object) -> None:
    for server, name in ((postgresql, "postgres"), (mariadb, "mysql")):
        url = sql_url_with_password(server.url(name), "hunter2secret")  # type: ignore[attr-defined]
        with pytest.raises(DatabaseError) as caught:
            SQLDatabase(parse_url(url)).domains()
        assert "hunter2secret" not in str(caught.value)
        assert "authentication failed" in str(caught.value) or "Access denied" in str(caught.value)


def sql_url_with_password(url: str, password: str) -> str:
    import sqlalchemy as sql

    return sql.make_url(url).set(password=password).render_as_string(hide_password=False)


def test_init_says_what_it_did_and_changes_nothing_twice(database_url: str) -> None:
    tables = Tables(database_url, triggers=False)
    assert "table records: created" in tables.made
    assert tables.made[-1] == "no triggers: changes will be found by polling"
    tables.add_zone("kept.test")
    again = Tables(database_url)
    assert "table records: was there" in again.made
    assert again.made[-1].startswith("triggers: created")
    assert Tables(database_url).made == again.made
    assert tables.ask("SELECT count(*) FROM domains") == [(1,)]


def test_text_that_is_no_utf_8_spoils_only_its_row(tmp_path: object) -> None:
    tables = Tables(f"sqlite:///{tmp_path}/zones.db")
    number = tables.add_zone("bytes.test")
    wrong = "INSERT INTO records (domain_id, name, type, content) VALUES (:n, CAST(x'ff' AS TEXT), 'A', '192.0.2.3')"
    tables.do(wrong, n=number)
    database = SQLDatabase(parse_url(tables.url))
    (problem,) = read(database)["bytes.test"].problems
    assert r"'\xff' is not a name" in problem.message
    assert len(shown(one(database, "bytes.test"))) == 4


def test_postgresql_tells_which_zones_have_changed(postgresql: object) -> None:
    tables = Tables(postgresql.new_database())  # type: ignore[attr-defined]
    tables.add_zone("one.test", number=1)
    tables.add_zone("two.test", number=2)
    database = SQLDatabase(parse_url(tables.url))
    assert database.listen()
    assert database.take() == set()
    tables.do("UPDATE records SET ttl = 5 WHERE domain_id = 2")
    assert database.take() == {2}
    tables.do("UPDATE records SET domain_id = 1 WHERE domain_id = 2 AND name = 'www.two.test'")
    assert database.take() == {1, 2}
    tables.do("DELETE FROM domains WHERE id = 1")
    assert database.take() == {0, 1}
    tables.do("UPDATE domains SET last_check = 1")
    assert database.take() == set()
    tables.do("UPDATE domains SET name = 'renamed.test'")
    assert database.take() == {0}
    tables.do("TRUNCATE records")
    assert database.take() is None
    tables.do("NOTIFY pippin, 'from somebody else'")
    assert database.take() == set()
    database.close()
    tables.close()


def test_sqlite_tells_when_nothing_was_committed(tmp_path: object) -> None:
    tables = Tables(f"sqlite:///{tmp_path}/zones.db")
    tables.add_zone("one.test")
    database = SQLDatabase(parse_url(tables.url))
    assert not database.is_quiet()
    assert database.is_quiet()
    tables.do("UPDATE records SET ttl = 5")
    assert not database.is_quiet()
    assert database.is_quiet()
    database.close()


def test_large_zone_is_read_in_batches_with_its_rows_kept(tmp_path: object) -> None:
    tables = Tables(f"sqlite:///{tmp_path}/zones.db", triggers=False)
    number = tables.add_zone("large.test", *((f"h{i}.large.test", "A", "192.0.2.1") for i in range(50_000)))
    tables.add(number, "www.elsewhere.test", "A", "192.0.2.1")
    tables.add(number, "wrong.large.test", "A", "192.0.2")
    database = SQLDatabase(parse_url(tables.url))
    loaded = one(database, "large.test")
    (problem,) = loaded.problems
    assert problem.line == 50_006
    records = list(iterate(loaded.records))
    assert len(records) == 50_005
    from pippin.control.places import Place
    from pippin.control.prepare import prepare_loaded

    places = [one.place for one in prepare_loaded(Place("x"), loaded, 1).problems]
    assert f"{database.url} records.id:50005" in places
