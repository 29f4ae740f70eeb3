"""`pippin zone`: lists that stay readable, and compiled zones looked into."""

from __future__ import annotations

import json
from pathlib import Path

from pippin.control.places import Place
from pippin.control.prepare import prepare
from pippin.store import Store
from tests.cli.test_cli import pippin
from tests.control.running import running, write_zone


def test_list_is_bounded_and_begins_with_what_is_wrong(tmp_path: Path) -> None:
    folder = tmp_path / "zones"
    folder.mkdir()
    for name in ("a", "b", "c"):
        write_zone(folder / f"{name}.zone", name)
    (folder / "z.zone").write_text("nonsense\n")
    with running(tmp_path, "zones") as server:
        control = ["--control", str(server.control)]
        lines = pippin("zone", "list", "--limit", "2", *control, cwd=tmp_path).stdout.splitlines()
        assert [line.split()[0] for line in lines[1:]] == ["z", "a", "…"]
        assert lines[1].endswith("not ready")
        assert lines[3] == "… 2 more; `--limit 0` shows all"
        assert len(pippin("zone", "list", "--limit", "0", *control, cwd=tmp_path).stdout.splitlines()) == 5
        assert len(json.loads(pippin("zone", "list", "--json", *control, cwd=tmp_path).stdout)) == 4
        inspected = pippin("zone", "inspect", "b", "ns1", *control, cwd=tmp_path)
        assert inspected.stdout.startswith("node ns1.b. at ")


def test_inspect_compiles_a_file(tmp_path: Path) -> None:
    write_zone(tmp_path / "example.zone")
    whole = pippin("zone", "inspect", "example.zone", cwd=tmp_path)
    assert whole.stdout.startswith("zone example.  serial 1  flags none\n5 records")
    apex = pippin("zone", "inspect", "example.zone", "@", cwd=tmp_path)
    assert "entry SOA  flags OWN" in apex.stdout
    for owner in ("ns1", "ns1.example", "NS1.example."):
        assert "entry A  flags OWN" in pippin("zone", "inspect", "example.zone", owner, cwd=tmp_path).stdout


def test_inspect_reads_what_a_store_has_published(tmp_path: Path) -> None:
    prepared = prepare(Place(str(write_zone(tmp_path / "example.zone"))), 7)
    assert prepared.image is not None
    store = Store.open(tmp_path / "state", 1)
    store.publish(prepared.origin, prepared.image)
    done = pippin("zone", "inspect", "example", "--state", "state", cwd=tmp_path)
    assert "zone example.  serial 1" in done.stdout
    other = pippin("zone", "inspect", "other", "--state", "state", cwd=tmp_path)
    assert (other.returncode, other.stderr) == (1, "pippin: no zone other in state\n")
    store.close()
    (tmp_path / "image").write_bytes(prepared.image)
    assert "zone example.  serial 1" in pippin("zone", "inspect", "image", cwd=tmp_path).stdout


def test_inspect_says_why_there_is_nothing_to_see(tmp_path: Path) -> None:
    (tmp_path / "bad.zone").write_text("nonsense\n")
    bad = pippin("zone", "inspect", "bad.zone", cwd=tmp_path)
    assert bad.returncode == 1
    assert "bad.zone:1" in bad.stderr
    (tmp_path / "pippin.toml").write_text("")
    missing = pippin("zone", "inspect", "nope", cwd=tmp_path)
    assert (missing.returncode, missing.stderr) == (1, "pippin: no zone and no file nope there\n")
