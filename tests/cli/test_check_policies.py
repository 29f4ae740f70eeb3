"""`pippin check` of policies: what is wrong with them by themselves, and where they stand in zones."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.cli.test_cli import pippin
from tests.control.running import write_zone

POLICY = """
from pippin import Policies, Pool

policies = Policies()
pool = Pool("pool", ["192.0.2.1", "192.0.2.2"])


@policies.answer("{name}", "{type}")
def answer(client):
    return pool
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    zone = write_zone(tmp_path / "example.zone")
    zone.write_text(zone.read_text() + "@ MX 10 mail\nsub NS ns1\n")
    return tmp_path


def checked(folder: Path, name: str, *files: str, rdtype: str = "A") -> tuple[int, list[str]]:
    """Exit code and output of checking these files and a policy for a name."""
    (folder / "traffic.py").write_text(POLICY.format(name=name, type=rdtype))
    done = pippin("check", "traffic.py", *files, cwd=folder)
    assert done.stderr == ""
    return done.returncode, done.stdout.splitlines()


OK = "traffic.py: 1 policy, 2 targets, ok"
ZONE_OK = "example.zone: zone example, 7 records, ok"


def test_policies_and_zones_that_go_together(folder: Path) -> None:
    """The target of the MX record has its address from the policy, so there is nothing to warn about."""
    assert checked(folder, "mail.example", "example.zone") == (0, [OK, ZONE_OK])


def test_policies_alone(folder: Path) -> None:
    assert checked(folder, "mail.example") == (0, [OK])


def test_policy_beside_a_cname(folder: Path) -> None:
    code, said = checked(folder, "alias.example", "example.zone")
    assert code == 1
    assert [line.split(" has a CNAME")[0] for line in said] == [
        OK,
        "example.zone:7:1: policy alias.example. A: alias.example.",
        "example.zone:8:1: warning: MX target mail.example. does not exist in this zone; add records for it, or "
        "correct the name",
    ]


def test_policy_of_a_delegated_name(folder: Path) -> None:
    code, said = checked(folder, "www.sub.example", "example.zone")
    assert code == 1
    assert said[-1].startswith("policy www.sub.example. A: sub.example. is delegated")
    write_zone(folder / "sub.zone", "sub.example")
    code, said = checked(folder, "www.sub.example", "sub.zone", "example.zone")
    assert code == 0
    assert not any(line.startswith("policy") for line in said)


def test_policy_of_a_name_in_no_zone(folder: Path) -> None:
    code, said = checked(folder, "www.elsewhere", "example.zone")
    assert code == 0
    assert said[-1].startswith("policy www.elsewhere. A: warning: the name is in no zone served here")


def test_policy_file_that_is_wrong(folder: Path) -> None:
    (folder / "wrong.py").write_text("from pippin import Nonsense\n")
    done = pippin("check", "wrong.py", "example.zone", cwd=folder)
    assert done.returncode == 1
    assert done.stdout.startswith("wrong.py:1")
    assert ZONE_OK in done.stdout
