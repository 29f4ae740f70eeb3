"""`explain` on the control socket: what `pippin explain` says, for programs."""

from __future__ import annotations

from pathlib import Path

import pytest

from pippin.control.channel import ask
from tests.control.running import running, write_zone

POLICY = """
from pippin import Policies, Pool

policies = Policies()
eu = Pool("eu", ["192.0.2.10", "192.0.2.11"])

@policies.answer("www.example", "A")
def www(client):
    return eu
"""


def test_a_program_is_told_what_a_person_is_told(tmp_path: Path) -> None:
    (tmp_path / "traffic.py").write_text(POLICY)
    write_zone(tmp_path / "example.zone")
    with running(tmp_path, "traffic.py", "example.zone") as server:
        asked = {"do": "explain", "name": "www.example", "client": "203.0.113.9", "down": ["eu/192.0.2.10"]}
        answer = ask(server.control, asked)
        assert answer["ok"], answer
        assert "192.0.2.11" in str(answer["explanation"])
        drained = ask(server.control, asked | {"drain": ["eu/192.0.2.11"]})
        assert [each["records"] for each in drained["explanation"]["answers"]] == [["A 192.0.2.10"]], "it fails open"
        for wrong in ({"client": "nobody"}, {"down": ["eu/192.0.2.99"]}, {"colour": "red"}):
            refused = ask(server.control, asked | wrong)
            assert not refused["ok"]
            assert refused["error"]
        odd = ask(server.control, asked | {"name": "--help", "down": []})
        assert odd["ok"], "a name, not an option"


@pytest.mark.parametrize("missing", ["name", "client"])
def test_what_is_missing_is_told(tmp_path: Path, missing: str) -> None:
    write_zone(tmp_path / "example.zone")
    with running(tmp_path, "example.zone") as server:
        asked = {"do": "explain", "name": "www.example", "client": "203.0.113.9"}
        del asked[missing]
        answer = ask(server.control, asked)
        assert not answer["ok"]
        assert missing in answer["error"]
