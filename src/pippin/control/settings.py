"""What an operator can set: declared once here; reading, `pippin check` and the documentation derive from it.

A configuration is TOML. In: a file or nothing. Out: one frozen `Settings`. A mistake becomes a `SettingsError`
whose message names the file, the line, the key, what was found, and what would be right.
"""

from __future__ import annotations

import difflib
import ipaddress
import re
import tomllib
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Annotated, Any, get_type_hints

import msgspec
from msgspec import Meta, Struct

from pippin.forward.settings import ForwardSettings, parse_upstream, problems
from pippin.policy.settings import Capacity, Choice, Count, PolicySettings, PoolSettings, TargetSettings
from pippin.serve.listen import Address, ListenError, parse_address
from pippin.source import settings as source_settings
from pippin.source.settings import SourceSettings
from pippin.source.url import DatabaseError

DEFAULT_LISTEN = ("127.0.0.1:5300", "[::1]:5300")

CharacterString = Annotated[str, Meta(max_length=63)]
"""Text that fits a TXT string (RFC 1035 section 3.3.14, 255 octets) even where each character takes four."""


class SettingsError(Exception):
    """The configuration is wrong; the message, a line for each mistake, is complete and meant for the operator."""


class ZoneSettings(Struct, frozen=True, forbid_unknown_fields=True):
    """One `[[zone]]`."""

    file: Annotated[str, Meta(description="Master file or CSV, relative to the configuration's folder.")]
    origin: Annotated[
        str | None,
        Meta(
            description="The zone's name. Without it the file says (its first $ORIGIN or SOA), or its name."
        ),
    ] = None


class Settings(Struct, frozen=True, forbid_unknown_fields=True):
    """Everything that can stand in pippin.toml."""

    listen: Annotated[
        tuple[str, ...],
        Meta(
            min_length=1,
            description="Addresses to answer on, UDP and TCP: `192.0.2.1:53`, `[2001:db8::1]:53`.",
        ),
    ] = DEFAULT_LISTEN
    workers: Annotated[int, Meta(ge=0, le=1024, description="Worker processes; 0: one for each core.")] = 0
    pin: Annotated[bool, Meta(description="Bind each worker to a core of its own.")] = False
    zone: Annotated[tuple[ZoneSettings, ...], Meta(description="Zones, one by one.")] = ()
    zones: Annotated[
        str | None,
        Meta(description="A folder: every .zone, .csv, .db and .signed file in it is a zone."),
    ] = None
    source: Annotated[
        tuple[SourceSettings, ...],
        Meta(
            description="Databases. Of two places with the same zone the first one counts: files, then these in order."
        ),
    ] = ()
    policies: Annotated[
        tuple[str, ...], Meta(description="Python files of policies (answers that are programmed).")
    ] = ()
    policy: Annotated[tuple[PolicySettings, ...], Meta(description="Policies without code, one by one.")] = ()
    pool: Annotated[tuple[PoolSettings, ...], Meta(description="What those choose from, pool by pool.")] = ()
    networks: Annotated[
        dict[str, tuple[str, ...]],
        Meta(description='Names of networks, for `client.network` in policies: `office = ["10.0.0.0/8"]`.'),
    ] = {}
    geo: Annotated[
        tuple[str, ...],
        Meta(
            description="MaxMind databases, for `client.country` and its like; the first that has a field counts."
        ),
    ] = ()
    watch: Annotated[bool, Meta(description="Notice changed zone files and policies without being told.")] = (
        True
    )
    queue_size: Annotated[
        int,
        Meta(
            ge=1,
            description="Questions of one worker that may wait for a handler; more are dropped and counted.",
        ),
    ] = 4096
    cache_size: Annotated[int, Meta(ge=0, description="Entries in a worker's answer cache; 0: none.")] = 65536
    cache_bytes: Annotated[int, Meta(ge=0, description="Bytes in a worker's answer cache.")] = 32 << 20
    udp_size: Annotated[
        int,
        Meta(
            ge=512,
            le=4096,
            description="Largest reply over UDP in octets, whatever a client says (RFC 9715).",
        ),
    ] = 1232
    require_cookie: Annotated[
        bool,
        Meta(
            description="Over UDP, answer BADCOOKIE to a client that sends cookies, but not one it got here "
            "(RFC 7873 section 5.2.3). Clients without cookies are answered as ever."
        ),
    ] = False
    rotate: Annotated[
        bool,
        Meta(
            description="Begin RRsets of several addresses with another one each time. Default: as in the source."
        ),
    ] = False
    server_id: Annotated[
        CharacterString | None,
        Meta(description="Answer to `id.server` and `hostname.bind` (class CH) and NSID. Default: refused."),
    ] = None
    version: Annotated[
        CharacterString | None,
        Meta(description="Answer to `version.bind` and `version.server` (class CH). Default: refused."),
    ] = None
    allow_transfer: Annotated[
        tuple[str, ...],
        Meta(description="Networks that may fetch whole zones (AXFR); everybody else gets REFUSED."),
    ] = ("127.0.0.0/8", "::1/128")
    client_subnet_from: Annotated[
        tuple[str, ...],
        Meta(
            description="Networks of resolvers whose EDNS Client Subnet (RFC 7871) policies take for the client's "
            "address; from others it is ignored."
        ),
    ] = ("0.0.0.0/0", "::/0")
    forward: Annotated[
        ForwardSettings | None,
        Meta(
            description="Names outside the zones served are asked of other servers. Default: they are REFUSED."
        ),
    ] = None
    tcp_clients: Annotated[
        int, Meta(ge=1, description="TCP connections one worker keeps open; further ones are closed at once.")
    ] = 4096
    tcp_clients_per_address: Annotated[
        int, Meta(ge=1, description="TCP connections one worker keeps open for one client address.")
    ] = 256
    tcp_idle_timeout: Annotated[
        float,
        Meta(gt=0, description="Seconds without a complete question after which a connection is closed."),
    ] = 10.0
    tcp_write_timeout: Annotated[
        float, Meta(gt=0, description="Seconds a client may leave replies unread before it is cut off.")
    ] = 5.0
    tcp_pipeline: Annotated[
        int, Meta(ge=1, description="Questions of one connection that may be in work; reading pauses beyond.")
    ] = 128
    state: Annotated[
        str | None,
        Meta(description="Folder of the zone store, kept between runs. Default: a private temporary folder."),
    ] = None
    control: Annotated[
        str | None,
        Meta(description="Path of the control socket. Default: pippin.sock in the runtime folder."),
    ] = None
    drain_timeout: Annotated[
        float, Meta(gt=0, description="Seconds that SIGTERM leaves for questions already received.")
    ] = 5.0


def read_settings(path: Path) -> Settings:
    """Read a configuration; paths in it become relative to its folder. Raises `SettingsError`."""
    try:
        text = path.read_text(encoding="utf-8")
    except OSError as error:
        raise SettingsError(f"{path}: cannot be read: {error.strerror}") from error
    except UnicodeDecodeError as error:
        raise SettingsError(f"{path}: byte {error.start} is not UTF-8 text, which TOML must be") from error
    return parse_settings(text, path)


def parse_settings(text: str, path: Path) -> Settings:
    """`read_settings` for text that is already there; `path` is for messages and relative paths."""
    try:
        tree = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise SettingsError(f"{path}: not TOML: {error}") from error
    wrong = [
        f"{path}:{_line_of(text, keys)}: {message}" for keys, message in _unknown_keys(Settings, tree, ())
    ]
    if wrong:
        raise SettingsError("\n".join(wrong))
    try:
        settings = msgspec.convert(tree, Settings, strict=True)
    except msgspec.ValidationError as error:
        raise SettingsError(_explain(error, text, path)) from error
    wrong = [f"{path}:{_line_of(text, (key,))}: {key}: {message}" for key, message in _impossible(settings)]
    if wrong:
        raise SettingsError("\n".join(wrong))
    settings = _absolute(settings, path)
    try:
        source = source_settings.resolved(settings.source, path.parent)
    except DatabaseError as error:
        raise SettingsError(f"{path}:{_line_of(text, ('source',))}: source: {error}") from None
    return msgspec.structs.replace(settings, source=source)


def describe() -> Iterator[tuple[str, str, object, str]]:
    """Name, type, default and meaning of every setting, for the documentation."""
    for owner, prefix in (
        (Settings, ""),
        (ZoneSettings, "zone."),
        (SourceSettings, "source."),
        (PolicySettings, "policy."),
        (PoolSettings, "pool."),
        (TargetSettings, "pool.targets."),
        (ForwardSettings, "forward."),
    ):
        hints = get_type_hints(owner, include_extras=True)
        for field in msgspec.structs.fields(owner):
            base, meta = hints[field.name].__args__[0], hints[field.name].__metadata__[0]
            default = "required" if field.required else field.default
            if default is msgspec.NODEFAULT:
                default = field.default_factory()
            yield prefix + field.name, _type_name(base), default, meta.description


def _type_name(hint: Any) -> str:
    names = {
        int: "integer",
        float: "number",
        bool: "true or false",
        tuple[str, ...]: "list of texts",
        tuple[ZoneSettings, ...]: "tables",
        tuple[SourceSettings, ...]: "tables",
        tuple[PolicySettings, ...]: "tables",
        tuple[PoolSettings, ...]: "tables",
        ForwardSettings | None: "table",
        dict[str, tuple[str, ...]]: "lists of texts",
        dict[str, Any] | None: "table",
        dict[str, int] | None: "table of weights",
        dict[str, int] | tuple[str | TargetSettings, ...]: "table of weights, or list of texts and tables",
        Choice: "text or list of texts",
        Choice | None: "text or list of texts",
        dict[str, Choice]: "table",
        Count | None: "integer",
        Capacity | None: "number",
    }
    return names.get(hint, "text")


def _unknown_keys(
    owner: type[Struct], tree: dict[str, Any], place: tuple[str, ...]
) -> Iterator[tuple[tuple[str, ...], str]]:
    known = [field.name for field in msgspec.structs.fields(owner)]
    for key, value in tree.items():
        if key not in known:
            close = difflib.get_close_matches(key, known, n=1)
            hint = f"did you mean {close[0]!r}?" if close else f"known here: {', '.join(known)}"
            yield (*place, key), f"unknown key {'.'.join((*place, key))!r}, {hint}"
        elif owner is Settings and key in _TABLES and isinstance(value, list):
            for item in value:
                if isinstance(item, dict):
                    yield from _unknown_keys(_TABLES[key], item, (key,))
        elif owner is Settings and key == "forward" and isinstance(value, dict):
            yield from _unknown_keys(ForwardSettings, value, (key,))


_TABLES: dict[str, type[Struct]] = {
    "zone": ZoneSettings,
    "source": SourceSettings,
    "policy": PolicySettings,
    "pool": PoolSettings,
}
"""What a configuration can have several of."""


def _impossible(settings: Settings) -> Iterator[tuple[str, str]]:
    """Values that types cannot tell from right ones."""
    for address in settings.listen:
        try:
            parse_address(address)
        except ListenError as error:
            yield "listen", str(error)
    for address in {address for address in settings.listen if settings.listen.count(address) > 1}:
        yield "listen", f"{address!r} is there twice; once is enough"
    for key in ("allow_transfer", "client_subnet_from"):
        for network in getattr(settings, key):
            try:
                ipaddress.ip_network(network)
            except ValueError as error:
                yield key, f"{network!r} is no network: {error}; right would be 192.0.2.0/24 or 2001:db8::/32"
    yield from source_settings.problems(settings.source)
    if settings.forward is not None:
        yield from problems(settings.forward)
        yield from _circles(settings.forward, settings.listen)


def _circles(forward: ForwardSettings, listen: tuple[str, ...]) -> Iterator[tuple[str, str]]:
    """Upstreams that are this server itself: it would ask itself until nobody has any patience left."""
    own = set()
    for text in listen:
        with suppress(ListenError):
            own.add(parse_address(text))
    for key, upstreams in (("upstreams", forward.upstreams), *forward.suffix.items()):
        for text in upstreams:
            with suppress(ValueError):  # which is told already
                upstream = parse_upstream(text)
                if Address(upstream.host, upstream.port) in own:
                    yield key, f"{text!r} is this server itself (`listen`); right would be the address of another one"


def _line_of(text: str, keys: tuple[str, ...]) -> int:
    """The line where the last of `keys` is set; TOML readers give values without places. 1 if it is not found."""
    key = re.compile(rf"""[\s{{,]*["']?{re.escape(keys[-1])}["']?\s*=""")
    table = re.compile(rf"\s*\[+\s*{re.escape(keys[-1])}\s*[\].]")
    for number, line in enumerate(text.splitlines(), 1):
        if key.match(line) or table.match(line):
            return number
    return 1


def _explain(error: msgspec.ValidationError, text: str, path: Path) -> str:
    """msgspec's message, in words of a configuration: `pippin.toml:3: workers: expected an integer, found text`."""
    message, _, where = str(error).partition(" - at `$")
    keys = tuple(re.findall(r"[A-Za-z_][A-Za-z0-9_]*", where)) or tuple(re.findall(r"field `(\w+)`", message))
    for name, words in (
        ("int", "an integer"),
        ("float", "a number"),
        ("str", "text"),
        ("bool", "true or false"),
        ("array", "a list"),
        ("object", "a table"),
        ("null", "nothing"),
    ):
        message = message.replace(f"`{name}`", words).replace(f"`{name} | null`", words)
    message = re.sub(
        r"^Object missing required field `(\w+)`", r"`\1` is missing, it has no default", message
    )
    message = message[0].lower() + message[1:]
    line = _line_of(text, keys) if keys else 1
    return f"{path}:{line}: {'.'.join(keys) or 'configuration'}: {message.replace(', got ', ', found ')}"


def _absolute(settings: Settings, path: Path) -> Settings:
    """With paths that lead to the same files from anywhere.

    A configuration that says something about policies is itself one of their files (`policy/declared.py` reads it).
    """
    folder = path.parent
    policies = [str(folder / file) for file in settings.policies]
    if settings.policy or settings.pool or settings.networks or settings.geo:
        policies.append(str(path))
    return msgspec.structs.replace(
        settings,
        zone=tuple(msgspec.structs.replace(zone, file=str(folder / zone.file)) for zone in settings.zone),
        zones=None if settings.zones is None else str(folder / settings.zones),
        policies=tuple(policies),
        state=None if settings.state is None else str(folder / settings.state),
        control=None if settings.control is None else str(folder / settings.control),
        forward=_absolute_forward(settings.forward, folder),
    )


def _absolute_forward(forward: ForwardSettings | None, folder: Path) -> ForwardSettings | None:
    if forward is None or forward.tls_ca is None:
        return forward
    return msgspec.structs.replace(forward, tls_ca=str(folder / forward.tls_ca))
