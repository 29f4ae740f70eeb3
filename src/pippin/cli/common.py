"""What several commands share: which zones are meant, which server, and how a failure is told."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, NoReturn, Optional

import typer

if TYPE_CHECKING:
    from pippin.control.places import Place
    from pippin.control.settings import Settings

FAILED, USAGE = 1, 2

CONFIGURATIONS = (Path("pippin.toml"), Path("/etc/pippin/pippin.toml"))
"""Where a configuration is looked for when neither files nor `-c` are given."""

Files = Annotated[
    Optional[list[str]],  # noqa: UP045 - typer reads this at run time
    typer.Argument(
        metavar="[ORIGIN=]FILE",
        help="Zone files, CSV files, folders of them, databases (URLs), and policies (.py).",
        show_default=False,
    ),
]
Config = Annotated[
    Optional[Path],  # noqa: UP045
    typer.Option("--config", "-c", metavar="TOML", help="A configuration.", show_default=False),
]
Databases = Annotated[
    Optional[list[str]],  # noqa: UP045
    typer.Option(
        "--database",
        metavar="URL",
        help="A database with PowerDNS' tables: postgresql://, mysql://, sqlite:///; or a Redis: redis://.",
        show_default=False,
    ),
]
Control = Annotated[
    Optional[Path],  # noqa: UP045
    typer.Option("--control", metavar="PATH", help="The server's control socket.", show_default=False),
]


def fail(message: object, code: int = FAILED) -> NoReturn:
    for line in str(message).splitlines():
        typer.echo(f"pippin: {line}", err=True)
    raise typer.Exit(code)


def count(number: int, what: str, several: str = "") -> str:
    """`1 zone`, `2,000 zones`; `several` where that is not made by an s."""
    return f"{number:,} {what if number == 1 else several or what + 's'}"


def age(seconds: float) -> str:
    """A time span in its largest unit: `8 s`, `12 min`, `5 h`, `3 d`."""
    for size, unit in ((86400, "d"), (3600, "h"), (60, "min")):
        if seconds >= size:
            return f"{seconds / size:.0f} {unit}"
    return f"{max(0.0, seconds):.0f} s"


def find_config(given: Path | None) -> Path | None:
    """The configuration given, or the first there is where one is looked for."""
    return given or next((path for path in CONFIGURATIONS if path.exists()), None)


def with_databases(files: Sequence[str] | None, databases: Sequence[str] | None) -> list[str]:
    """Files, and the URLs of `--database`, which must be some."""
    from pippin.source.url import DatabaseError, parse_url

    for url in databases or ():
        try:
            parse_url(url)
        except DatabaseError as error:
            fail(error, USAGE)
    return [*(files or ()), *(databases or ())]


def policy_files(files: Sequence[str] | None) -> list[str]:
    """Those of the files of the command line that are policies."""
    return [file for file in files or () if is_policy_file(file)]


def is_policy_file(file: str) -> bool:
    """Whether a file is a policy, going by its name."""
    return file.endswith(".py")


def settings_and_places(
    files: Sequence[str] | None, config: Path | None
) -> tuple[Settings, list[Place], Path | None]:
    """The settings, the places of zones of the command line, and the configuration they came from."""
    from pippin.control.places import parse_place
    from pippin.control.settings import Settings, SettingsError, read_settings
    from pippin.source.url import DatabaseError

    try:
        places = [parse_place(file) for file in files or () if not is_policy_file(file)]
    except DatabaseError as error:
        fail(error, USAGE)
    if config is None and not places:
        config = find_config(config)
        if config is None:
            fail("nothing to serve: name zone files, or a configuration with -c", USAGE)
    if config is None:
        return Settings(), places, None
    try:
        return read_settings(config), places, config
    except SettingsError as error:
        fail(error)


def ask(control: Path | None, config: Path | None, command: dict[str, Any]) -> dict[str, Any]:
    """Ask the running server; ends the command if there is none or it refuses."""
    from pippin.control import channel
    from pippin.control.settings import SettingsError, read_settings

    if control is None and config is not None:
        try:
            configured = read_settings(config).control
        except SettingsError as error:
            fail(error)
        control = Path(configured) if configured else None
    try:
        answer = channel.ask(control or channel.default_path(), command)
    except channel.ChannelError as error:
        fail(error)
    if "error" in answer:
        fail(answer["error"])
    return answer
