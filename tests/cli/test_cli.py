"""The command line: messages, exit codes, and what is written loads again."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from pippin.engine.records import iterate
from pippin.source.files import load
from tests.control.running import running, write_zone
from tests.peers.server import free_port
from tests.source.test_masterfile import SAMPLES

SIGNED_KIND = """$TTL 300
@ SOA ns1 host\\.master 7 7200 3600 1209600 300
@ NS ns1
ns1 A 192.0.2.1
ns1 AAAA 2001:db8::1
*.wild 60 TXT "a \\"quoted\\" string" "and \\009 control"
sub NS ns.other.example.
sub DS 12345 13 2 AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA
odd\\.name A 192.0.2.2
unknown TYPE65280 \\# 3 abcdef
svc HTTPS 1 . alpn=h2 ipv4hint=192.0.2.3
mail MX 10 ns1
"""


def pippin(*arguments: str, cwd: Path) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "pippin", *arguments]
    return subprocess.run(command, cwd=cwd, capture_output=True, text=True, timeout=60, check=False)


def test_version_says_which_engine(tmp_path: Path) -> None:
    done = pippin("--version", cwd=tmp_path)
    assert done.returncode == 0
    assert done.stdout.startswith("pippin 0.")
    assert "compiled engine, " in done.stdout


def test_commands_are_listed(tmp_path: Path) -> None:
    done = pippin("--help", cwd=tmp_path)
    assert done.returncode == 0
    for command in ("serve", "check", "reload", "status", "zone"):
        assert command in done.stdout


def test_check_passes_good_zones(tmp_path: Path) -> None:
    write_zone(tmp_path / "example.zone")
    done = pippin("check", "example.zone", cwd=tmp_path)
    assert (done.returncode, done.stdout) == (0, "example.zone: zone example, 5 records, ok\n")


def test_check_tells_everything_at_once(tmp_path: Path) -> None:
    zone = write_zone(tmp_path / "example.zone")
    zone.write_text(zone.read_text() + "a A 999.1.2.3\nwww CNAME ns1\nb.example.org. A 192.0.2.3\n")
    write_zone(tmp_path / "good.zone", "good")
    write_zone(tmp_path / "again.zone", "good")
    done = pippin("check", "example.zone", "good.zone", "again.zone", "nope.zone", cwd=tmp_path)
    assert done.returncode == 1
    lines = done.stdout.splitlines()
    assert [line.partition(": ")[0] for line in lines] == [
        "example.zone:8:5",
        "example.zone:9:1",
        "example.zone:10:1",
        "good.zone",
        "again.zone",
        "nope.zone",
    ]
    assert "zone good is in good.zone already" in done.stdout


def test_warnings_alone_are_no_failure(tmp_path: Path) -> None:
    (tmp_path / "apple.csv").write_text("apple.tree,a.tree b.tree 1 2 3 4 5\nwww.apple.tree,192.0.2.1\n")
    done = pippin("check", "apple.csv", cwd=tmp_path)
    assert done.returncode == 0
    assert "apple.csv:1:1: warning: the apex apple.tree. has no NS records" in done.stdout


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["check"], "nothing to serve: name zone files, or a configuration with -c"),
        (["serve"], "nothing to serve: name zone files, or a configuration with -c"),
        (["serve", "x.zone", "--listen", "localhost:53"], "'localhost:53' is no address to listen on"),
        (["serve", "x.zone", "--workers", "0"], "should be greater than or equal to 1"),
        (["zone", "export", "a..b", "x.zone"], "'a..b' is no domain name"),
        (["dance"], "No such command 'dance'"),
    ],
)
def test_wrong_command_lines_exit_with_2(tmp_path: Path, arguments: list[str], message: str) -> None:
    done = pippin(*arguments, cwd=tmp_path)
    assert done.returncode == 2
    assert message in " ".join(done.stderr.replace("│", " ").split())


def test_wrong_configuration_fails_with_its_line(tmp_path: Path) -> None:
    (tmp_path / "pippin.toml").write_text("\nworkerz = 1\n")
    for command in ("check", "serve"):
        done = pippin(command, cwd=tmp_path)
        assert done.returncode == 1
        assert done.stderr == "pippin: pippin.toml:2: unknown key 'workerz', did you mean 'workers'?\n"


def test_export_loads_again_to_the_same_zone(tmp_path: Path) -> None:
    (tmp_path / "example.zone").write_text("$ORIGIN example.\n" + SIGNED_KIND)
    first = pippin("zone", "export", "Example", "example.zone", cwd=tmp_path)
    assert first.returncode == 0, first.stderr
    owners = [line.split("\t")[0] for line in first.stdout.splitlines()]
    assert owners[0] == "example."
    assert owners.index("mail.example.") < owners.index("ns1.example.") < owners.index("*.wild.example.")
    (tmp_path / "again.zone").write_text(first.stdout)
    second = pippin("zone", "export", "example.", "again.zone", cwd=tmp_path)
    assert second.stdout == first.stdout


def test_export_of_what_is_not_there_says_what_is(tmp_path: Path) -> None:
    write_zone(tmp_path / "example.zone")
    done = pippin("zone", "export", "other", "example.zone", cwd=tmp_path)
    assert done.returncode == 1
    assert done.stderr == "pippin: no zone other there; found: example\n"


def test_commands_for_a_running_server(tmp_path: Path) -> None:
    zone = write_zone(tmp_path / "example.zone")
    with running(tmp_path, "example.zone", workers=2) as server:
        control = ["--control", str(server.control)]
        status = pippin("status", *control, cwd=tmp_path)
        assert "1 zone, 5 records" in status.stdout
        assert status.stdout.count("answering") == 2
        assert json.loads(pippin("status", "--json", *control, cwd=tmp_path).stdout)["zones"] == 1
        zones = pippin("zone", "list", *control, cwd=tmp_path)
        name, source, serial, records, *_, state = zones.stdout.splitlines()[1].split()
        assert (name, source, serial, records, state) == ("example", "example.zone", "1", "5", "ok")
        (listed,) = json.loads(pippin("zone", "list", "--json", *control, cwd=tmp_path).stdout)
        assert listed["zone"] == "example"
        again = pippin("reload", "example", *control, cwd=tmp_path)
        assert (again.returncode, again.stdout) == (0, "example: serial 1, 5 records\n")
        zone.write_text("nonsense\n")
        broken = pippin("reload", "example", *control, cwd=tmp_path)
        assert broken.returncode == 1
        assert "example: rejected, the old zone stays" in broken.stdout
        assert pippin("reload", "other", *control, cwd=tmp_path).returncode == 1


def test_commands_without_a_server_say_so(tmp_path: Path) -> None:
    for command in (["status"], ["reload"], ["zone", "list"]):
        done = pippin(*command, "--control", "nowhere.sock", cwd=tmp_path)
        assert done.returncode == 1
        assert "nowhere.sock: no running pippin answers there" in done.stderr


def test_start_lines_say_what_a_new_user_needs(tmp_path: Path) -> None:
    write_zone(tmp_path / "example.zone")
    with running(tmp_path, "example.zone") as server:
        output = server.output
        assert " engine, 1 worker, ready after " in output
        assert f"answering on  127.0.0.1:{server.port}  (UDP and TCP)" in output
        assert "zone  example  5 records  serial 1" in output
        assert f"try:  dig @127.0.0.1 -p {server.port} example SOA" in output


def test_start_lines_of_a_server_that_only_forwards(tmp_path: Path) -> None:
    config = tmp_path / "pippin.toml"
    config.write_text(
        '[forward]\nupstreams = ["192.0.2.53", "tls://192.0.2.54#dns.example"]\n'
        '[forward.suffix]\n"corp.example" = ["10.0.0.53"]\n"secret.example" = []\n'
    )
    with running(tmp_path, "-c", "pippin.toml") as server:
        shown = server.output.splitlines()[2:]
        assert shown == [
            "forward  corp.example to 10.0.0.53",
            "forward  all other names to 192.0.2.53, tls://192.0.2.54#dns.example",
            "forward  for clients in this host and private networks",
            f"try:  dig @127.0.0.1 -p {server.port} example.com",
        ]
    other = tmp_path / "other"
    other.mkdir()
    (other / "pippin.toml").write_text(
        '[forward]\nallow_forward = ["10.0.0.0/8"]\n[forward.suffix]\n"corp.example" = ["10.0.0.53"]\n'
    )
    with running(other, "-c", "pippin.toml", "broken.zone") as server:
        assert "broken.zone: the file cannot be read" in server.output
        assert "1 zone not served, the reasons are above" in server.output
        assert "forward  for clients in 10.0.0.0/8" in server.output
        assert f"try:  dig @127.0.0.1 -p {server.port} corp.example SOA" in server.output
        assert server.address_of("www.broken") == "SERVFAIL"


def test_status_of_forwarding_names_upstreams_and_how_they_do(tmp_path: Path) -> None:
    (tmp_path / "pippin.toml").write_text(f'[forward]\nupstreams = ["127.0.0.1:{free_port()}"]\n')
    with running(tmp_path, "-c", "pippin.toml") as server:
        for number in range(3):
            assert server.address_of(f"h{number}.example.net") == "SERVFAIL"
        shown = pippin("status", "--control", str(server.control), cwd=tmp_path).stdout
        assert "forward  questions 3  asked 3  failed 3  remembered 3\n" in shown
        assert "  fails, asked last  asked 6  unreachable 6\n" in shown


def test_export_of_a_csv_without_ns_records_loads_again(tmp_path: Path) -> None:
    (tmp_path / "apple.csv").write_text("apple.tree,a.tree b.tree 1 2 3 4 5\nwww.apple.tree,192.0.2.1\n")
    first = pippin("zone", "export", "apple.tree", "apple.csv", cwd=tmp_path)
    assert (first.returncode, first.stderr) == (
        0,
        "pippin: apple.tree has no NS records; other servers may refuse it for that\n",
    )
    assert "www.apple.tree.\t5\tIN\tA\t192.0.2.1\n" in first.stdout
    (tmp_path / "apple.zone").write_text(first.stdout)
    assert pippin("zone", "export", "apple.tree", "apple.zone", cwd=tmp_path).stdout == first.stdout
    checked = pippin("check", "apple.zone", cwd=tmp_path)
    assert checked.returncode == 0
    assert "warning: the apex apple.tree. has no NS records" in checked.stdout
    (tmp_path / "apple.zone").write_text(first.stdout.partition("\n")[2])  # which any other master file is refused for
    assert pippin("check", "apple.zone", cwd=tmp_path).returncode == 1


def test_export_asks_the_running_server_where_the_zone_is(tmp_path: Path) -> None:
    write_zone(tmp_path / "zones.zone", "example")
    with running(tmp_path, "example=zones.zone") as server:
        (tmp_path / "elsewhere").mkdir()
        done = pippin(
            "zone", "export", "example", "--control", str(server.control), cwd=tmp_path / "elsewhere"
        )
    assert done.stdout.startswith("example.\t60\tIN\tSOA\t"), done.stderr


def test_check_of_a_folder_without_zones_says_what_zones_are_called(tmp_path: Path) -> None:
    done = pippin("check", ".", cwd=tmp_path)
    assert (done.returncode, done.stderr) == (
        0,
        "pippin: no zones there; in a folder, they end in .csv, .db, .signed, .zone\n",
    )


def test_reload_says_what_is_wrong_with_the_configuration(tmp_path: Path) -> None:
    write_zone(tmp_path / "example.zone")
    config = tmp_path / "pippin.toml"
    config.write_text('[[zone]]\nfile = "example.zone"\n')
    with running(tmp_path, "-c", "pippin.toml") as server:
        config.write_text('workerz = 1\nlistn = 2\n')
        done = pippin("reload", "--control", str(server.control), cwd=tmp_path)
    assert done.returncode == 1
    assert done.stdout.splitlines() == [
        f"{config.name}:1: unknown key 'workerz', did you mean 'workers'?",
        f"{config.name}:2: unknown key 'listn', did you mean 'listen'?",
        "the configuration is wrong, the old one stays",
    ]


def test_export_of_every_type_loads_again(tmp_path: Path) -> None:
    left_out = {"A", "NS", "SOA", "CNAME", "RRSIG", "SIG", "NSEC", "NSEC3", "NSEC3PARAM"}
    rows = "".join(f"t{kind} {kind} {text}\n" for kind, text in SAMPLES.items() if kind not in left_out)
    write_zone(tmp_path / "example.zone", "example.com")
    (tmp_path / "all.zone").write_text((tmp_path / "example.zone").read_text() + rows)
    first = pippin("zone", "export", "example.com", "all.zone", cwd=tmp_path)
    assert first.returncode == 0, first.stderr
    (tmp_path / "again.zone").write_text(first.stdout)
    before, after = (load(str(tmp_path / name)) for name in ("all.zone", "again.zone"))
    assert after.problems == ()
    assert {(r.owner.lower(), r.type, r.rdata) for r in iterate(before.records)} == {
        (r.owner.lower(), r.type, r.rdata) for r in iterate(after.records)
    }
