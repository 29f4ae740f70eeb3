"""The scenario reader refuses what it does not know, with file and line."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.scenarios.reader import ScenarioError, parse

ZONE = "zone example.\n    @ 300 SOA ns host 1 2 3 4 5\n\n"
CASE = "case A title [RFC 1034 4.3.2]\n  ask example. SOA\n  reply NOERROR aa\n"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (ZONE, "t.scenario:1: no case in this file"),
        (ZONE + "cas A title [RFC 1034]\n", "t.scenario:4: unknown word 'cas'"),
        (ZONE + "case A title\n  ask example. SOA\n", "t.scenario:4: the title does not end in a citation"),
        (ZONE + CASE + CASE, "t.scenario:7: a second case with the title"),
        (ZONE + CASE.replace("SOA\n", "SOA +dnsec\n"), "t.scenario:5: unknown query word +dnsec"),
        (ZONE + CASE.replace("SOA\n", "SOAP\n"), "t.scenario:5: unknown type 'SOAP'"),
        (ZONE + CASE.replace("ask example.", "ask example"), "t.scenario:5: name 'example' is not absolute"),
        (ZONE + CASE.replace("NOERROR", "NOERR"), "t.scenario:6: unknown rcode 'NOERR'"),
        (ZONE + CASE.replace(" aa", " aaa"), "t.scenario:6: unknown flag 'aaa'"),
        (ZONE + CASE + "  anwser\n", "t.scenario:7: unknown word 'anwser'"),
        (ZONE + CASE + "  opt sise=1\n", "t.scenario:7: unknown opt word 'sise'"),
        (ZONE + CASE + "    example. 300 SOA\n", "t.scenario:7: a record outside a section"),
        (ZONE + CASE + "  answer\n    example. 300 NS\n", "t.scenario:8: no RRset example. NS in the zones"),
        (ZONE + CASE + "  answer\n    example. 5m SOA\n", "t.scenario:8: '5m' is not a number"),
        (ZONE + CASE + "  peers-differ bind: x\n", "t.scenario:7: unknown peer 'bind'"),
        (ZONE + "case T [RFC 1]\n  ask example. SOA\n", "t.scenario:5: ask without a reply"),
        ("zone example.\n    @ 300 SOA ns\n" + CASE, "t.scenario:1: zone example.:"),
    ],
)
def test_a_mistake_is_named_with_its_line(tmp_path: Path, text: str, message: str) -> None:
    path = tmp_path / "t.scenario"
    path.write_text(text)
    with pytest.raises(ScenarioError) as caught:
        parse(path)
    assert str(caught.value).startswith(message)
