"""Compiled zones in words: sections that fill the image, and names with their blocks decoded."""

from __future__ import annotations

import dns.name
import pytest

from pippin.engine import layout
from pippin.zone import inspect
from tests.zone.images import compile_text

ZONE = """
@ SOA ns1 host 7 7200 3600 1209600 300
@ NS ns1
ns1 A 192.0.2.1
alias CNAME ns1
away CNAME elsewhere.test.
a.deep A 192.0.2.2
*.wild TXT "any"
sub NS ns.sub
ns.sub A 192.0.2.3
"""


@pytest.fixture(scope="module")
def image():
    return compile_text(ZONE, "example.")[0]


def said(image, owner):
    return "\n".join(inspect.name(image, dns.name.from_text(owner).to_wire()))


def test_sections_fill_the_image(image):
    at = 0
    for _, start, size in inspect.sections(image):
        assert start == at
        at += size
    assert at == len(image)


def test_overview_tells_sizes_and_the_header(image):
    text = "\n".join(inspect.overview(image))
    header = layout.read_header(image)
    assert "zone example.  serial 7  flags none" in text
    assert f"9 records  {header.nodes} nodes  {len(image):,} bytes" in text
    assert f"longest probe {header.max_probe}" in text
    assert "negative block" in text
    assert "authority  example. 300 IN SOA" in text


def test_name_shows_its_answer(image):
    text = said(image, "NS1.example.")
    assert text.startswith("node ns1.example. at ")
    assert "entry A  flags OWN" in text
    assert "answer     ns1.example. 3600 IN A 192.0.2.1" in text


def test_alias_shows_the_chain(image):
    text = said(image, "alias.example.")
    assert "entry DEFAULT_TYPE" in text
    assert "answer     ns1.example. 3600 IN A 192.0.2.1" in text
    assert "CHASE" in said(image, "away.example.")


def test_referral_shows_its_glue(image):
    text = said(image, "sub.example.")
    assert "flags CUT" in text
    assert "authority  sub.example. 3600 IN NS ns.sub.example." in text
    assert "additional ns.sub.example. 3600 IN A 192.0.2.3" in text
    assert "link   sub.example. at" in said(image, "ns.sub.example.")


def test_wildcard_is_shown_for_the_name_above(image):
    assert "link   *.wild.example. at" in said(image, "wild.example.")
    assert 'answer     wild.example. 3600 IN TXT "any"' in said(image, "*.wild.example.")


def test_empty_non_terminal_and_missing_name(image):
    assert "no entries: an empty non-terminal" in said(image, "deep.example.")
    assert said(image, "nope.example.") == "nope.example. has no node in the zone example."
    assert said(image, "other.test.") == "other.test. has no node in the zone example."


def test_other_bytes_are_refused():
    with pytest.raises(ValueError, match="not a compiled zone"):
        list(inspect.overview(b"no zone" * 100))
