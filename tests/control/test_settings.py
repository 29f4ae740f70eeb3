"""Settings: what a mistake in pippin.toml is answered with."""

from __future__ import annotations

from pathlib import Path

import pytest

from pippin.control.settings import Settings, SettingsError, describe, parse_settings, read_settings

PATH = Path("/etc/pippin/pippin.toml")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("workerz = 3", "pippin.toml:1: unknown key 'workerz', did you mean 'workers'?"),
        ("watch = true\nqqq = 1", "pippin.toml:2: unknown key 'qqq', known here: listen, workers"),
        (
            '[[zone]]\nfile = "a"\norign = "b"',
            "pippin.toml:3: unknown key 'zone.orign', did you mean 'origin'?",
        ),
        (
            "workerz = 3\n[[zone]]\nfil = 'a'",
            "unknown key 'workerz', did you mean 'workers'?\n/etc/pippin/pippin.toml:3: unknown key 'zone.fil'",
        ),
        ("\nworkers = 'two'", "pippin.toml:2: workers: expected an integer, found text"),
        ("workers = -1", "pippin.toml:1: workers: expected an integer >= 0"),
        ("udp_size = 100", "pippin.toml:1: udp_size: expected an integer >= 512"),
        ("watch = 1", "pippin.toml:1: watch: expected true or false, found an integer"),
        ('[[zone]]\norigin = "example."', "pippin.toml:1: zone: `file` is missing, it has no default"),
        ("listen = '127.0.0.1:53'", "pippin.toml:1: listen: expected a list, found text"),
        ("listen = ['127.0.0.1:53', '127.0.0.1:53']", "listen: '127.0.0.1:53' is there twice; once is enough"),
        ("listen = ['localhost:53']", "pippin.toml:1: listen: 'localhost:53' is no address to listen on"),
        ("listen = ['127.0.0.1:66000']", "port '66000' is not a number from 0 to 65535"),
        ("listen = ['::1:53']", "right would be 192.0.2.1:53, [2001:db8::1]:53"),
        (
            "allow_transfer = ['10.0.0.1/8']",
            "allow_transfer: '10.0.0.1/8' is no network: 10.0.0.1/8 has host bits set",
        ),
        ("workers =", "not TOML: Invalid value"),
    ],
)
def test_mistake_is_named_with_file_line_and_what_would_be_right(text: str, message: str) -> None:
    with pytest.raises(SettingsError) as caught:
        parse_settings(text, PATH)
    assert str(caught.value).startswith(str(PATH))
    assert message in str(caught.value)


def test_unreadable_configuration_says_so(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match="cannot be read: No such file or directory"):
        read_settings(tmp_path / "pippin.toml")
    (tmp_path / "pippin.toml").write_bytes(b"# \xff")
    with pytest.raises(SettingsError, match="byte 2 is not UTF-8 text"):
        read_settings(tmp_path / "pippin.toml")


def test_paths_are_relative_to_the_configuration() -> None:
    text = 'zones = "zones"\nstate = "/var/lib/pippin"\ncontrol = "run/sock"\n[[zone]]\nfile = "a.zone"'
    settings = parse_settings(text, PATH)
    assert settings.zones == "/etc/pippin/zones"
    assert settings.state == "/var/lib/pippin"
    assert settings.control == "/etc/pippin/run/sock"
    assert settings.zone[0].file == "/etc/pippin/a.zone"


def test_empty_configuration_is_the_defaults() -> None:
    assert parse_settings("", PATH) == Settings()


def test_every_setting_has_a_meaning() -> None:
    described = {name: meaning for name, _, _, meaning in describe()}
    assert set(Settings.__struct_fields__) < set(described)
    assert all(len(meaning) > 10 for meaning in described.values())
