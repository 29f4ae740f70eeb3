"""`[forward]` as text: upstreams, suffixes, networks, and what is said about mistakes."""

from __future__ import annotations

from pathlib import Path

import pytest

from pippin.control.settings import SettingsError, parse_settings
from pippin.forward.settings import ForwardSettings, UpstreamAddress, parse_upstream, problems


@pytest.mark.parametrize(
    ("text", "address"),
    [
        ("9.9.9.9", UpstreamAddress("9.9.9.9", 53, "udp")),
        ("9.9.9.9:5353", UpstreamAddress("9.9.9.9", 5353, "udp")),
        ("udp://9.9.9.9", UpstreamAddress("9.9.9.9", 53, "udp")),
        ("tcp://9.9.9.9", UpstreamAddress("9.9.9.9", 53, "tcp")),
        ("2001:db8::1", UpstreamAddress("2001:db8::1", 53, "udp")),
        ("[2001:db8::1]", UpstreamAddress("2001:db8::1", 53, "udp")),
        ("[2001:db8::1]:5353", UpstreamAddress("2001:db8::1", 5353, "udp")),
        ("tls://9.9.9.9#dns.quad9.net", UpstreamAddress("9.9.9.9", 853, "tls", "dns.quad9.net")),
        (
            "tls://[2620:fe::fe]:8853#dns.quad9.net",
            UpstreamAddress("2620:fe::fe", 8853, "tls", "dns.quad9.net"),
        ),
        ("tls://1.1.1.1", UpstreamAddress("1.1.1.1", 853, "tls")),
    ],
)
def test_upstreams_as_text(text: str, address: UpstreamAddress) -> None:
    assert parse_upstream(text) == address
    assert parse_upstream(str(address)) == address


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("dns.quad9.net", "is no IP address"),
        ("9.9.9.9:", None),
        ("9.9.9.9:0", "from 1 to 65535"),
        ("9.9.9.9:99999", "from 1 to 65535"),
        ("9.9.9.9:dns", "from 1 to 65535"),
        ("https://9.9.9.9", "https:// is not known here"),
        ("9.9.9.9#dns.quad9.net", "for tls:// only"),
        ("[2001:db8::1", "right would be"),
        ("", "is no IP address"),
    ],
)
def test_what_is_no_upstream(text: str, complaint: str | None) -> None:
    if complaint is None:
        assert parse_upstream(text).port == 53
        return
    with pytest.raises(ValueError, match=complaint):
        parse_upstream(text)


def test_a_configuration_with_everything() -> None:
    settings = parse_settings(
        """
        [forward]
        upstreams = ["9.9.9.9", "tls://9.9.9.9#dns.quad9.net"]
        mode = "rotate"
        tls_ca = "ca.pem"
        [forward.suffix]
        "corp.example" = ["10.0.0.53"]
        "." = ["10.0.0.54"]
        "never.example" = []
        """,
        Path("/etc/pippin/pippin.toml"),
    ).forward
    assert settings is not None
    assert settings.mode == "rotate"
    assert settings.tls_ca == "/etc/pippin/ca.pem"
    assert settings.suffix["corp.example"] == ("10.0.0.53",)


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ('upstreams = ["9.9.9"]', "pippin.toml:2: upstreams: .*'9.9.9' is no IP address"),
        (
            '[forward.suffix]\n"corp.example" = ["nine"]',
            "pippin.toml:3: corp.example: .*'nine' is no IP address",
        ),
        (
            '[forward.suffix]\n"corp..example" = ["10.0.0.1"]',
            "pippin.toml:3: corp..example: .*is no domain name",
        ),
        (
            'upstreams = ["9.9.9.9"]\nallow_forward = ["10.0.0.1/8"]',
            "pippin.toml:3: allow_forward: .*no network",
        ),
        ('upstream = ["9.9.9.9"]', "pippin.toml:2: unknown key 'forward.upstream', did you mean 'upstreams'"),
        ('upstreams = ["9.9.9.9"]\nmode = "random"', "pippin.toml:3: .*mode"),
        ("prefetch = true", "whom to ask"),
        ('upstreams = ["127.0.0.1:5300"]', "pippin.toml:2: upstreams: .*is this server itself"),
        ('[forward.suffix]\n"a.example" = ["tcp://[::1]:5300"]', "pippin.toml:3: a.example: .*this server itself"),
    ],
)
def test_mistakes_are_told_with_their_place(text: str, complaint: str) -> None:
    with pytest.raises(SettingsError, match=complaint):
        parse_settings("[forward]\n" + text, Path("pippin.toml"))


def test_the_default_is_nobody_from_outside() -> None:
    settings = ForwardSettings(upstreams=("9.9.9.9",))
    assert not list(problems(settings))
    assert "0.0.0.0/0" not in settings.allow_forward
