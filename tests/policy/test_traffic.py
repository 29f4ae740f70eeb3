"""Who asks how much: tables of networks, BIND's query log, JSON lines; and what is said about those that are wrong."""

from __future__ import annotations

import ipaddress
from pathlib import Path

import pytest

from pippin.policy.traffic import Traffic, TrafficError, read_networks, read_query_log

BIND = """\
23-Nov-2026 09:21:10.000 client @0x7f00 192.0.2.1#53211 (www.example.com): query: www.example.com IN A +E(0)K (192.0.2.53)
23-Nov-2026 09:21:12.500 client @0x7f00 192.0.2.77#1024 (WWW.example.com): query: WWW.example.com IN A +E(0)K (192.0.2.53)
23-Nov-2026 09:21:13.000 queries: info: client 2001:db8:1:203::1#1 (a.example.com): query: a.example.com IN AAAA -T (::1)
23-Nov-2026 09:21:15.000 client @0x7f00 198.51.100.1#1 (b.example): query: b.example IN A +E(0) (192.0.2.53) [ECS 203.0.113.0/24/0]
23-Nov-2026 09:21:15.000 general: info: zone example.com/IN: loaded serial 1
"""  # noqa: E501 - as named writes it
JSON = """\
{"client": "192.0.2.1", "name": "www.example.com.", "type": "a", "time": 1000.0}
{"client": "192.0.2.2", "name": "www.example.com", "type": "A", "time": 1004.0, "more": true}
{"client": "127.0.0.1", "subnet": "2001:db8::/32", "name": "b.example", "type": "AAAA", "time": 1002.5}
{"client": "nobody", "name": "b.example", "type": "AAAA"}
{"broken":
"""


def network(text: str) -> ipaddress.IPv4Network | ipaddress.IPv6Network:
    return ipaddress.ip_network(text)


def test_table_with_and_without_its_header(tmp_path: Path) -> None:
    path = tmp_path / "networks.csv"
    rows = "# our users\n203.0.113.0/24,120\n\n 2001:db8::1 , 0.5, WWW.Example.com., aaaa\n198.51.100.7/24,1,,A\n"
    expected = (
        Traffic(network("203.0.113.0/24"), 120),
        Traffic(network("2001:db8::1/128"), 0.5, "www.example.com", "AAAA"),
        Traffic(network("198.51.100.0/24"), 1, None, "A"),
    )
    path.write_text(rows)
    assert read_networks(path) == expected
    path.write_text("network,weight,name,type\n" + rows)
    assert read_networks(path) == expected


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("", "there are no clients"),
        ("network,weight\n", "there are no clients"),
        ("192.0.2.0/24\n", ":1: 1 columns"),
        ("192.0.2.0/24,1,a,A,x\n", ":1: 5 columns"),
        ("192.0.2.0/24,1\nexample,2\n", ":2: 'example' is no network"),
        ("192.0.2.0/24,many\n", ":1: weight 'many'"),
        ("192.0.2.0/24,-1\n", ":1: weight '-1'"),
        ("192.0.2.0/24,inf\n", ":1: weight 'inf'"),
        ("192.0.2.0/24,nan\n", ":1: weight 'nan'"),
    ],
)
def test_mistakes_in_a_table_are_named_with_their_line(tmp_path: Path, text: str, says: str) -> None:
    path = tmp_path / "networks.csv"
    path.write_text(text)
    with pytest.raises(TrafficError, match=says):
        read_networks(path)


def test_log_of_bind_is_counted_by_network_name_and_type(tmp_path: Path) -> None:
    path = tmp_path / "query.log"
    path.write_text(BIND)
    log = read_query_log(path)
    assert (log.seconds, log.queries, log.skipped) == (5.0, 4, 1)
    assert log.traffic == (
        Traffic(network("192.0.2.0/24"), 0.4, "www.example.com", "A"),
        Traffic(network("2001:db8:1:200::/56"), 0.2, "a.example.com", "AAAA"),
        Traffic(network("203.0.113.0/24"), 0.2, "b.example", "A"),
    )


POWERDNS = """\
Nov 23 09:21:18 ns1 pdns[712]: Remote 192.0.2.1 wants 'www.Example.com|A', do = 0, bufsize = 512: packetcache HIT
Nov 23 09:21:19 ns1 pdns[712]: Remote 192.0.2.1<-203.0.113.0/24 wants 'b.example|AAAA', do = 1, bufsize = 512 (MISS)
Nov 23 09:21:28 Remote 2001:db8::1 wants 'www.example.com|A', do = 0, bufsize = 512: packetcache MISS
Nov 23 09:21:28 ns1 pdns_server[712]: Done launching threads, ready to distribute questions
"""
COREDNS = """\
2026-11-23T09:21:18.500Z [INFO] 192.0.2.1:40212 - 29008 "A IN www.example.com. udp 41 false 4096" NOERROR qr,aa 106 0.1s
2026-11-23T09:21:28.500Z [INFO] [2001:db8::1]:50759 - 29008 "A IN www.example.com. tcp 41 true 4096" NOERROR qr 6 0.1s
2026-11-23T09:21:28.500Z [INFO] plugin/reload: Running configuration
"""


@pytest.mark.parametrize("text", [POWERDNS, COREDNS])
def test_logs_of_powerdns_and_coredns(tmp_path: Path, text: str) -> None:
    path = tmp_path / "query.log"
    path.write_text(text)
    log = read_query_log(path)
    assert (log.seconds, log.skipped) == (10.0, 1)
    assert {each.network for each in log.traffic if each.type == "A"} == {
        network("192.0.2.0/24"),
        network("2001:db8::/56"),
    }
    assert {(each.name, each.weight) for each in log.traffic if each.type == "A"} == {("www.example.com", 0.1)}
    others = [(each.network, each.name) for each in log.traffic if each.type == "AAAA"]
    assert others == ([(network("203.0.113.0/24"), "b.example")] if text is POWERDNS else [])


def test_log_without_times_of_coredns(tmp_path: Path) -> None:
    path = tmp_path / "query.log"
    path.write_text('[INFO] 192.0.2.1:40212 - 2908 "A IN a.example. udp 41 false 4096" NOERROR qr,aa,rd 106 0.0001s\n')
    assert read_query_log(path).traffic == (Traffic(network("192.0.2.0/24"), 1.0, "a.example", "A"),)


def test_log_of_json_lines(tmp_path: Path) -> None:
    path = tmp_path / "query.json"
    path.write_text(JSON)
    log = read_query_log(path)
    assert (log.seconds, log.queries, log.skipped) == (4.0, 3, 2)
    assert log.traffic == (
        Traffic(network("192.0.2.0/24"), 0.5, "www.example.com", "A"),
        Traffic(network("2001:db8::/32"), 0.25, "b.example", "AAAA"),
    )


def test_log_that_does_not_say_when_gives_numbers_of_queries(tmp_path: Path) -> None:
    path = tmp_path / "query.log"
    path.write_text("client 192.0.2.1#53 (a.example): query: a.example IN A +\n" * 3)
    log = read_query_log(path)
    assert log.seconds is None
    assert log.traffic == (Traffic(network("192.0.2.0/24"), 3.0, "a.example", "A"),)


def test_what_is_no_log_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "query.log"
    path.write_text("nothing\nof interest\n")
    with pytest.raises(TrafficError, match="no line is a query"):
        read_query_log(path)
    with pytest.raises(TrafficError, match="cannot be read: No such file"):
        read_query_log(tmp_path / "missing")
    with pytest.raises(TrafficError, match="cannot be read: Is a directory"):
        read_networks(tmp_path)
