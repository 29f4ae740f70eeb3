"""Other servers' configurations: what becomes of them, and what their own checkers think of the examples."""

from __future__ import annotations

import shutil
import subprocess
import tomllib

import pytest

from pippin.control.convert import ConvertError, convert
from pippin.control.settings import parse_settings

BIND = """
// the whole of it
acl "partners" { 192.0.2.0/24; !192.0.2.66; localhost; };
options {
    directory "/var/lib/bind";
    listen-on port 5353 { 127.0.0.1; 192.0.2.53; };
    listen-on-v6 { any; };
    allow-transfer { partners; 2001:db8::/32; };
    version "not told";   # a comment
    max-udp-size 1400;
    recursion no;
    forwarders { 9.9.9.9; 149.112.112.112 port 5353; };
};
/* several
   lines */
include "more.conf";
zone "example.com" IN { type primary; file "example.com.zone"; allow-update { none; }; };
zone "." { type hint; file "root.hints"; };
zone "corp.example" { type forward; forwarders { 10.0.0.53; }; };
zone "else.example" { type secondary; primaries { 192.0.2.1; }; };
"""
MORE = 'zone "second.example" { type master; file "/srv/second.zone"; };\n'

NSD = """
server:
    ip-address: 192.0.2.53
    ip-address: 2001:db8::53@5353
    port: 5300
    zonesdir: "/var/lib/nsd"
    identity: "ns1.example"
    server-count: 2
    round-robin: yes
    zonemd-reject: no
pattern:
    name: "mine"
    zonefile: "%s.zone"
    provide-xfr: 192.0.2.0/24 NOKEY
    provide-xfr: 198.51.100.1 secret.key
zone:
    name: "example.com"
    include-pattern: "mine"
zone: name: other.example
    zonefile: signed/other.zone
zone:
    name: far.example
    request-xfr: 192.0.2.9 NOKEY
"""

KNOT = """
server:
    rundir: "/run/knot"
    listen: [ 127.0.0.1@5353, ::1@5353 ]   # both
    udp-max-payload: 1232
    version: ""
acl:
  - id: partners
    address: [192.0.2.0/24, 2001:db8::1]
    action: transfer
template:
  - id: default
    storage: "/var/lib/knot/zones"
    file: "%s.db"
zone:
  - domain: example.com
    acl: partners
  - domain: signed.example.
    file: signed.zone
    dnssec-signing: on
  - domain: far.example
    master: elsewhere
"""


def read(tmp_path, name, text):
    path = tmp_path / name
    path.write_text(text)
    converted = convert(path)
    text = converted.write(path)
    parse_settings(text, tmp_path / "pippin.toml")  # it is a configuration of ours
    return tomllib.loads(text), converted.notes


def zones(tree):
    return {zone["origin"]: zone["file"] for zone in tree["zone"]}


def test_named_conf(tmp_path):
    (tmp_path / "more.conf").write_text(MORE)
    tree, notes = read(tmp_path, "named.conf", BIND)
    assert tree["listen"] == ["127.0.0.1:5353", "192.0.2.53:5353", "[::]:53"]
    assert tree["allow_transfer"] == ["192.0.2.0/24", "127.0.0.0/8", "::1/128", "2001:db8::/32"]
    assert (tree["version"], tree["udp_size"]) == ("not told", 1400)
    assert zones(tree) == {
        "second.example": "/srv/second.zone",
        "example.com": "/var/lib/bind/example.com.zone",
    }
    assert tree["forward"]["upstreams"] == ["9.9.9.9", "149.112.112.112:5353"]
    assert tree["forward"]["suffix"] == {"corp.example": ["10.0.0.53"]}
    assert [note.removeprefix(f"{tmp_path}/") for note in notes] == [
        "named.conf:3: acl: !192.0.2.66",
        "named.conf:17: zone example.com: allow-update",
        "named.conf:20: zone else.example: secondary zones are not transferred in",
    ]


def test_nsd_conf(tmp_path):
    tree, notes = read(tmp_path, "nsd.conf", NSD)
    assert tree["listen"] == ["192.0.2.53:5300", "[2001:db8::53]:5353"]
    assert (tree["server_id"], tree["workers"], tree["rotate"]) == ("ns1.example", 2, True)
    assert zones(tree) == {
        "example.com": "/var/lib/nsd/example.com.zone",
        "other.example": "/var/lib/nsd/signed/other.zone",
    }
    assert tree["allow_transfer"] == ["192.0.2.0/24"]
    assert [note.partition(": ")[2] for note in notes] == [
        "zonemd-reject: no",
        "zone example.com: provide-xfr 198.51.100.1 secret.key",
        "zone far.example: secondary zones are not transferred in",
    ]


def test_knot_conf(tmp_path):
    tree, notes = read(tmp_path, "knot.conf", KNOT)
    assert tree["listen"] == ["127.0.0.1:5353", "[::1]:5353"]
    assert zones(tree) == {
        "example.com": "/var/lib/knot/zones/example.com.db",
        "signed.example": "/var/lib/knot/zones/signed.zone",
    }
    assert tree["allow_transfer"] == ["192.0.2.0/24", "2001:db8::1/128"]
    assert [note.partition(": ")[2] for note in notes] == [
        "zone signed.example: dnssec-signing",
        "zone far.example: secondary zones are not transferred in",
    ]


def test_the_ini_beside_a_csv(tmp_path):
    (tmp_path / "db.csv").write_text("apple.tree,vm.apple.tree me.apple.tree 1 2 3 4 5\n")
    ini = "[server]\nip = 0.0.0.0\nport = 5353\ndb = db.csv\nthreads = 4\ncolour = red\n"
    tree, notes = read(tmp_path, "dns.ini", ini)
    assert tree["listen"] == ["0.0.0.0:5353"]
    assert tree["workers"] == 4
    assert zones(tree) == {"apple.tree": str(tmp_path / "db.csv")}
    assert notes == [f"{tmp_path}/dns.ini [server]: colour = red"]


@pytest.mark.parametrize(
    ("name", "text", "wrong"),
    [
        ("named.conf", "options { directory ", "named.conf:1: the file ends inside 'directory'"),
        ("named.conf", 'options {\n directory "x"\n};', "named.conf:3: a ';' is missing before '}'"),
        ("named.conf", 'zone "a\n', "named.conf:1: a quotation mark or comment that does not end"),
        ("named.conf", 'include "named.conf";', "included by itself"),
        ("nsd.conf", "server:\n  port 53\n", "nsd.conf:2: 'port' is no attribute"),
        ("nsd.conf", "zonefile: a\n", "nsd.conf:1: 'zonefile' stands outside of a clause"),
        ("knot.conf", "server:\n  listen\n", "knot.conf:2: 'listen' is not of the form `name: value`"),
        ("knot.conf", "server:\n  listen: [a, b\n", "knot.conf:2: a list begins with [ and ends with ]"),
        ("dns.ini", "[server]\nport = 53\n", "it names no CSV"),
        ("dns.ini", "port\n", "dns.ini: File contains no section headers"),
        ("strange.txt", "hello\n", "what this is cannot be seen from it"),
    ],
)
def test_what_cannot_be_read_is_told_with_its_place(tmp_path, name, text, wrong):
    (tmp_path / name).write_text(text)
    with pytest.raises(ConvertError) as error:
        convert(tmp_path / name)
    assert wrong in str(error.value)


@pytest.mark.parametrize(
    ("name", "text", "command"),
    [
        ("named.conf", BIND.replace('include "more.conf";', ""), ["named-checkconf"]),
        ("knot.conf", KNOT.replace("    master: elsewhere\n", ""), ["knotc", "conf-check", "-c"]),
    ],
)
def test_the_examples_are_what_those_servers_take(tmp_path, name, text, command):
    if shutil.which(command[0]) is None:
        pytest.skip(f"{command[0]} is not installed")
    path = tmp_path / name
    path.write_text(text)
    arguments = (
        [command[0], "-c", str(path), "conf-check"] if command[0] == "knotc" else [command[0], str(path)]
    )
    done = subprocess.run(arguments, capture_output=True, text=True, timeout=30, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
