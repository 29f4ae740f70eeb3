"""Zones to serve: master-file text made from a plan, the same for the same seed.

A `Plan` can name its i-th host, alias, delegation ... without having written the zone, so a query stream is made
from the plan alone. Labels carry a scrambled counter: unique by construction, spread over the canonical order, and as
dense as the numbers of real hosts are (sparse random labels would double the memory of a radix tree).
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

WORDS = ("www", "mail", "api", "db", "app", "node", "cdn", "img", "vpn", "dev", "git", "web", "m", "static", "h", "gw")
DEPARTMENTS = 997
LINES_PER_WRITE = 20_000
SCRAMBLE = 2654435761  # odd, hence a bijection modulo any power of two: no two counters collide


@dataclass(frozen=True, slots=True)
class Plan:
    """One zone of `names` owner names and `records` records, of the usual kinds.

    Of 100 names 80 are hosts (A, some also AAAA), 8 aliases, 4 mail domains (two MX), 2 wildcards, and 6 belong to
    2 delegations (two NS with glue). AAAA records fill up to `records`.
    """

    origin: str
    names: int
    records: int
    seed: int = 1

    @property
    def aliases(self) -> int:
        return self.names * 8 // 100

    @property
    def mail_domains(self) -> int:
        return self.names * 4 // 100

    @property
    def wildcards(self) -> int:
        return self.names * 2 // 100

    @property
    def delegations(self) -> int:
        return self.names * 2 // 100

    @property
    def hosts(self) -> int:
        """All other names, without the apex and the two name servers."""
        return self.names - 3 - self.aliases - self.mail_domains - self.wildcards - 3 * self.delegations

    @property
    def dual_stack_hosts(self) -> int:
        """How many hosts, from the first on, also have an AAAA record."""
        others = 5 + self.hosts + self.aliases + 2 * self.mail_domains + self.wildcards + 4 * self.delegations
        count = self.records - others
        if not 0 < count <= self.hosts:
            raise ValueError(f"{self.names} names cannot carry {self.records} records: {others} without AAAA")
        return count

    def number(self, index: int) -> int:
        """The scrambled counter in a label: below twice `names`, and another one for each index below `names`."""
        range_mask = (1 << self.names.bit_length()) - 1
        return ((index + self.seed * 7919) * SCRAMBLE) & range_mask

    def host(self, index: int) -> str:
        """Relative owner name of a host: one, two or three labels."""
        number = self.number(index)
        label = f"{WORDS[number & 15]}-{number}"
        depth = number % 10
        if depth < 6:
            return label
        if depth < 9:
            return f"{label}.d{number % DEPARTMENTS}"
        return f"{label}.r{number % 7}.d{number % DEPARTMENTS}"

    def alias(self, index: int) -> str:
        return f"alias-{self.number(index)}"

    def mail_domain(self, index: int) -> str:
        return f"mx-{self.number(index)}"

    def wildcard_parent(self, index: int) -> str:
        return f"any-{self.number(index)}"

    def delegation(self, index: int) -> str:
        return f"sub-{self.number(index)}"

    def lines(self) -> Iterator[str]:
        """The zone as master-file lines without line ends."""
        yield f"$ORIGIN {self.origin}."
        yield "$TTL 3600"
        yield "@ IN SOA ns1 hostmaster 2026010101 7200 3600 1209600 300"
        yield "@ IN NS ns1"
        yield "@ IN NS ns2"
        yield "ns1 IN A 192.0.2.1"
        yield "ns2 IN A 192.0.2.2"
        dual_stack, hosts = self.dual_stack_hosts, self.hosts
        for index in range(hosts):
            owner = self.host(index)
            yield f"{owner} IN A {ipv4(index)}"
            if index < dual_stack:
                yield f"{owner} IN AAAA 2001:db8::{index >> 16:x}:{index & 0xFFFF:x}"
        for index in range(self.aliases):
            yield f"{self.alias(index)} IN CNAME {self.host(self.number(index) % hosts)}"
        for index in range(self.mail_domains):
            owner = self.mail_domain(index)
            yield f"{owner} IN MX 10 {self.host(self.number(index) % hosts)}"
            yield f"{owner} IN MX 20 {self.host(self.number(index + 1) % hosts)}"
        for index in range(self.wildcards):
            yield f"*.{self.wildcard_parent(index)} IN A {ipv4(index)}"
        for index in range(self.delegations):
            owner = self.delegation(index)
            yield f"{owner} IN NS ns1.{owner}"
            yield f"{owner} IN NS ns2.{owner}"
            yield f"ns1.{owner} IN A {ipv4(index)}"
            yield f"ns2.{owner} IN A {ipv4(index + 1)}"


def ipv4(index: int) -> str:
    """An address in 10.0.0.0/8."""
    return f"10.{index >> 16 & 255}.{index >> 8 & 255}.{index & 255}"


def write_lines(path: Path, lines: Iterator[str]) -> None:
    """Write text lines; the file appears under its name only when it is whole, so a cache never holds half of one."""
    unfinished = path.with_name(path.name + ".unfinished")
    with unfinished.open("w", encoding="ascii") as file:
        chunk: list[str] = []
        for line in lines:
            chunk.append(line)
            if len(chunk) == LINES_PER_WRITE:
                chunk.append("")
                file.write("\n".join(chunk))
                chunk.clear()
        if chunk:
            file.write("\n".join(chunk) + "\n")
    unfinished.rename(path)


def small_zone_origin(index: int) -> str:
    """Origin of the index-th of many small zones, without the last dot."""
    return f"zone{index:06d}.test"


def small_zone_text(origin: str, index: int) -> str:
    """A zone of 10 records, as a hoster has many of."""
    address = ipv4(index)
    return (
        f"$ORIGIN {origin}.\n$TTL 3600\n"
        f"@ IN SOA ns1 hostmaster 2026010101 7200 3600 1209600 300\n"
        f"@ IN NS ns1\n@ IN NS ns2\nns1 IN A 192.0.2.1\nns2 IN A 192.0.2.2\n"
        f"@ IN A {address}\nwww IN CNAME @\n@ IN MX 10 mail\nmail IN A {address}\n"
        f"@ IN TXT \"v=spf1 mx -all\"\n"
    )
