"""What counts as the same answer, and what does not."""

import dns.message
import pytest

from bench.check import WrongAnswer, compare, digest

ALIAS = "id 1\nopcode QUERY\nrcode NOERROR\nflags QR AA\n;QUESTION\na.test. IN A\n;ANSWER\n"
FOLLOWED = dns.message.from_text(ALIAS + "a.test. 60 IN CNAME b.test.\nb.test. 60 IN A 192.0.2.1\n")
ALONE = dns.message.from_text(ALIAS + "a.test. 60 IN CNAME b.test.\n")
MISSING = dns.message.from_text(
    "id 1\nopcode QUERY\nrcode NXDOMAIN\nflags QR AA\n;QUESTION\nc.test. IN A\n;AUTHORITY\n"
    "test. 60 IN SOA ns.test. root.test. 1 2 3 4 5\n"
)


def test_ttl_and_order_do_not_matter():
    again = dns.message.from_text(ALIAS + "b.test. 30 IN A 192.0.2.1\na.test. 30 IN CNAME b.test.\n")
    compare(["a.test A"], [digest(again)], [digest(FOLLOWED)])


def test_another_rcode_is_a_wrong_answer():
    with pytest.raises(WrongAnswer, match=r"1 of 1 replies differ, first: c\.test A"):
        compare(["c.test A"], [digest(ALONE)], [digest(MISSING)])


def test_the_cname_alone_is_right_only_for_servers_that_do_not_follow_aliases():
    compare(["a.test A"], [digest(ALONE)], [digest(FOLLOWED)], follows_aliases=False)
    with pytest.raises(WrongAnswer, match="the reference says"):
        compare(["a.test A"], [digest(ALONE)], [digest(FOLLOWED)])
