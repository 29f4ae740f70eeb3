"""Servers that decide what to answer: the same decision in the words of each.

A class serves one zone with the names `static` (two addresses, no decision) and `www`, decided as `decision` says:

    weighted   one of two addresses, three to one
    country    by the country of the client's address or subnet (`bench.steering.database`): DE and FR get one address
    address    by the client's whole address, so that every client is a case of its own
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path
from typing import ClassVar

from bench.peers.gdnsd import Gdnsd
from bench.peers.peer import Peer, ZoneFile
from bench.peers.pippin import Pippin
from bench.peers.powerdns import PowerDns

ONE, TWO = "192.0.2.1", "192.0.2.2"
ZONE = f"""$ORIGIN example.test.
$TTL 300
@ SOA ns1 host 1 7200 900 1209600 300
@ NS ns1
ns1 A 192.0.2.53
static 30 A {ONE}
"""

POLICIES = {
    "weighted": f"""
from pippin import Policies, Pool

policies = Policies()
pool = Pool("pool", {{"{ONE}": 3, "{TWO}": 1}})


@policies.answer("www.example.test", "A", ttl=30)
def www(client):
    return pool
""",
    "country": f"""
from pippin import Policies

policies = Policies(geo=[DATABASE])


@policies.answer("www.example.test", "A", ttl=30)
def www(client):
    return "{ONE}" if client.country in ("DE", "FR") else "{TWO}"
""",
    "address": f"""
from pippin import Policies

policies = Policies()


@policies.answer("www.example.test", "A", ttl=30)
def www(client):
    return "{ONE}" if client.address.packed[-1] % 2 else "{TWO}"
""",
}

LUA = {
    "weighted": f"pickwrandom({{{{3,'{ONE}'}},{{1,'{TWO}'}}}})",
    "country": f";if country('DE') or country('FR') then return '{ONE}' else return '{TWO}' end",
}

DYNAMIC = {
    "weighted": (
        "weighted!www",
        f"weighted => {{ www => {{ service_types => up, a = [ {ONE}, 3 ], b = [ {TWO}, 1 ] }} }}",
    ),
    "country": (
        "geoip!www",
        "geoip => { maps => { m => { geoip2_db => DATABASE, datacenters => [one, two], "
        "map => { EU => { DE => [one], FR => [one] }, default => [two] } } }, "
        f"resources => {{ www => {{ map => m, service_types => up, dcmap => {{ one => {ONE}, two => {TWO} }} }} }} }}",
    ),
}


class Steering(Peer):
    """What the classes below share."""

    decision: ClassVar[str]
    database: ClassVar[Path]

    def write_zone(self, www: str) -> ZoneFile:
        """The zone with one more record."""
        path = self.folder / "example.test.zone"
        path.write_text(ZONE + www)
        return ZoneFile("example.test", path)


class SteeringPippin(Steering, Pippin):
    """A policy in Python."""

    def prepare(self) -> None:
        (self.folder / "state").mkdir(exist_ok=True)
        self.write_zone("")
        policy = POLICIES[self.decision].replace("DATABASE", repr(str(self.database)))
        (self.folder / "policy.py").write_text(policy.lstrip())

    def command(self) -> Sequence[str]:
        listen = ["--listen", f"127.0.0.1:{self.port}", "--workers", str(self.workers)]
        places = ["--state", str(self.folder / "state"), "--control", str(self.folder / "pippin.sock")]
        sources = [str(self.folder / "policy.py"), str(self.folder / "example.test.zone")]
        return [sys.executable, "-m", "pippin", "serve", *sources, *listen, *places]


class SteeringPowerDns(Steering, PowerDns):
    """A Lua record. `lua` as PowerDNS calls it: `yes` has a state of its own for each record, `shared` one for all."""

    lua: ClassVar[str]

    def prepare(self) -> None:
        self.zones = self.write_zone(f'www 30 IN LUA A "{LUA[self.decision]}"\n')
        super().prepare()
        with (self.folder / "pdns.conf").open("a") as settings:
            settings.write(f"enable-lua-records={self.lua}\nedns-subnet-processing=yes\n")
            if self.decision == "country":
                settings.write(f"launch+=geoip\ngeoip-database-files=mmdb:{self.database}\n")


class SteeringGdnsd(Steering, Gdnsd):
    """A plugin of its own, configured."""

    def prepare(self) -> None:
        name, plugin = DYNAMIC[self.decision]
        self.zones = self.write_zone(f"www 30 DYNA {name}\n")
        super().prepare()
        with (self.folder / "config").open("a") as config:
            config.write("plugins => { " + plugin.replace("DATABASE", str(self.database)) + " }\n")


def steering(base: type[Steering], called: str, decision: str, database: Path, lua: str = "") -> type[Steering]:
    """A class of the above for one decision, under a name of its own."""
    return type(base)(base.__name__, (base,), {"name": called, "decision": decision, "database": database, "lua": lua})
