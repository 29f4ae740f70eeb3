"""Starts the server a scenario is put to: Pippin, or for comparison nsd, knotd or named, on loopback.

In: a Scenario. Out: a running server. Unlike `tests.peers` these configurations have what scenarios vary:
identities, who may transfer, cookies, and the settings that bring peers closest to minimal responses.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from pathlib import Path

from tests.peers.server import HOST, Server, program, running, unconfined
from tests.scenarios.reader import Scenario

Files = list[tuple[str, Path]]


def start(name: str, scenario: Scenario) -> AbstractContextManager[Server]:
    """The server `name` with the scenario's zones; entered once it answers for all of them."""

    def configure(folder: Path, port: int) -> Sequence[str]:
        files: Files = []
        for zone in scenario.zones:
            path = folder / f"{zone.origin.to_text(omit_final_dot=True)}.{zone.kind}"
            path.write_text(zone.text if name in ("pippin", "named") else _without_generate(zone.text))
            files.append((zone.origin.to_text(), path))
        return CONFIGURE[name](scenario.settings, files, folder, port)

    return running(configure, [zone.origin.to_text() for zone in scenario.zones if zone.kind != "broken"])


def _without_generate(text: str) -> str:
    """The zone without $GENERATE (named's and Pippin's own), for the servers that do not know it."""
    lines = []
    for line in text.splitlines():
        words = line.split()
        if words[:1] == ["$GENERATE"]:
            first, last = words[1].split("-")
            rest = " ".join(words[2:])
            lines += [rest.replace("$", str(number)) for number in range(int(first), int(last) + 1)]
        else:
            lines.append(line)
    return "\n".join(lines) + "\n"


def _pippin(settings: dict[str, str], files: Files, folder: Path, port: int) -> list[str]:
    text = f'listen = ["{HOST}:{port}"]\nworkers = 1\nwatch = false\ncontrol = "{folder}/control"\n'
    if "id" in settings:
        text += f'server_id = "{settings["id"]}"\n'
    if "version" in settings:
        text += f'version = "{settings["version"]}"\n'
    if settings.get("allow-transfer") == "none":
        text += "allow_transfer = []\n"
    for origin, path in files:
        text += f'[[zone]]\norigin = "{origin}"\nfile = "{path}"\n'
    (folder / "pippin.toml").write_text(text)
    return [sys.executable, "-m", "pippin", "serve", "-c", str(folder / "pippin.toml")]


def _nsd(settings: dict[str, str], files: Files, folder: Path, port: int) -> list[str]:
    text = f"""server:
  ip-address: 127.0.0.1@{port}
  username: ""
  chroot: ""
  zonesdir: "{folder}"
  database: ""
  pidfile: "{folder}/pid"
  xfrdfile: "{folder}/xfrd"
  xfrdir: "{folder}"
  zonelistfile: "{folder}/zones.list"
  server-count: 1
  hide-version: {"no" if "version" in settings else "yes"}
  hide-identity: {"no" if "id" in settings else "yes"}
  version: "{settings.get("version", "")}"
  identity: "{settings.get("id", "")}"
  minimal-responses: no
  answer-cookie: yes
  ipv4-edns-size: 1232
"""
    if "id" in settings:
        text += f'  nsid: "ascii_{settings["id"]}"\n'
    text += "remote-control:\n  control-enable: no\n"
    for origin, path in files:
        text += f'zone:\n  name: "{origin}"\n  zonefile: "{path}"\n'
        if settings.get("allow-transfer") != "none":
            text += "  provide-xfr: 127.0.0.1 NOKEY\n"
    (folder / "nsd.conf").write_text(text)
    return [program("nsd", "nsd"), "-d", "-c", str(folder / "nsd.conf")]


def _knot(settings: dict[str, str], files: Files, folder: Path, port: int) -> list[str]:
    text = f"""server:
  listen: 127.0.0.1@{port}
  rundir: "{folder}"
  identity: "{settings.get("id", "")}"
  version: "{settings.get("version", "")}"
  nsid: "{settings.get("id", "")}"
  udp-workers: 1
  tcp-workers: 1
  background-workers: 1
database:
  storage: "{folder}"
mod-cookies:
  - id: plain
acl:
  - id: loop
    address: 127.0.0.1
    action: transfer
template:
  - id: default
    storage: "{folder}"
    global-module: mod-cookies/plain
    zonefile-sync: -1
    zonefile-load: whole
    semantic-checks: off
zone:
"""
    for origin, path in files:
        text += f'  - domain: "{origin}"\n    file: "{path}"\n'
        if settings.get("allow-transfer") != "none":
            text += "    acl: loop\n"
    (folder / "knot.conf").write_text(text)
    return [program("knotd", "knot"), "-c", str(folder / "knot.conf")]


def _named(settings: dict[str, str], files: Files, folder: Path, port: int) -> list[str]:

    def quoted(name: str) -> str:
        return f'"{settings[name]}"' if name in settings else "none"

    text = f"""options {{
  directory "{folder}";
  pid-file "{folder}/pid";
  session-keyfile "{folder}/session.key";
  listen-on port {port} {{ 127.0.0.1; }};
  listen-on-v6 {{ none; }};
  recursion no;
  dnssec-validation no;
  minimal-responses no-auth;
  max-udp-size 1232;
  edns-udp-size 1232;
  notify no;
  max-records-per-type 0;
  version {quoted("version")};
  server-id {quoted("id")};
  hostname {quoted("id")};
  rrset-order {{ order fixed; }};
  check-names primary ignore;
  allow-transfer {{ {"none" if settings.get("allow-transfer") == "none" else "127.0.0.1"}; }};
}};
controls {{ }};
"""
    for origin, path in files:
        text += (
            f'zone "{origin}" {{ type primary; file "{path}"; check-integrity no; check-mx ignore; '
            f"check-srv-cname ignore; check-sibling no; zone-statistics no; }};\n"
        )
    (folder / "named.conf").write_text(text)
    return [unconfined(program("named", "bind9"), folder), "-g", "-n", "1", "-c", str(folder / "named.conf")]


CONFIGURE: dict[str, Callable[[dict[str, str], Files, Path, int], list[str]]] = {
    "pippin": _pippin,
    "nsd": _nsd,
    "knot": _knot,
    "named": _named,
}
