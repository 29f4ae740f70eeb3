"""Load figures: from JSON, and from Prometheus' text format."""

from __future__ import annotations

from typing import Any

import pytest

from pippin.policy.checks import JSONLoad, PrometheusLoad
from pippin.policy.probes.load import DOCUMENT_LIMIT, pointed_at, read, sampled
from pippin.policy.probes.unhealthy import Unhealthy
from tests.policy.probes.conftest import Certified
from tests.policy.probes.servers import http, listening, run, saying

METRICS = rb"""# HELP jobs Jobs, by queue and state.
# TYPE jobs gauge
jobs{queue="mail",state="waiting"} 3
jobs{queue="mail",state="running",} 4.5 1700000000000
jobs{ queue = "a \"quoted\" one, with a comma" , state="waiting"} 1e1
jobs_total 99
jobs_idle 7
idle 0.25
"""


def test_pointer_leads_into_tables_and_lists() -> None:
    document = b'{"a": {"b/c": [1, {"~": 2.5}]}, "": 7}'
    assert pointed_at(document, "/a/b~1c/1/~0") == 2.5
    assert pointed_at(document, "/a/b~1c/0") == 1
    assert pointed_at(document, "/") == 7
    assert pointed_at(b"42", "") == 42


@pytest.mark.parametrize(
    ("document", "pointer", "why"),
    [
        (b"{", "", "not JSON"),
        (b"[" * 100_000, "", "not JSON"),
        (b'{"a": 1}', "/b", "nothing at /b"),
        (b"[1]", "/1", "nothing at /1"),
        (b"[1]", "/-", "nothing at /-"),
        (b'{"a": "1"}', "/a", "no number at /a"),
        (b'{"a": true}', "/a", "no number at /a"),
    ],
)
def test_figure_that_is_not_there_is_told(document: bytes, pointer: str, why: str) -> None:
    with pytest.raises(Unhealthy, match=why):
        pointed_at(document, pointer)


@pytest.mark.parametrize(
    ("metric", "labels", "value"),
    [
        ("idle", {}, 0.25),
        ("jobs", {}, 17.5),
        ("jobs", {"queue": "mail"}, 7.5),
        ("jobs", {"queue": "mail", "state": "waiting"}, 3),
        ("jobs", {"queue": 'a "quoted" one, with a comma'}, 10),
    ],
)
def test_samples_with_all_labels_are_summed_up(metric: str, labels: dict[str, str], value: float) -> None:
    assert sampled(METRICS, PrometheusLoad(metric, labels)) == value


def test_metric_without_a_sample_is_told() -> None:
    with pytest.raises(Unhealthy, match="no sample of job "):
        sampled(METRICS, PrometheusLoad("job"))
    with pytest.raises(Unhealthy, match="no sample of jobs "):
        sampled(METRICS, PrometheusLoad("jobs", {"queue": "print"}))
    with pytest.raises(Unhealthy, match="has no value"):
        sampled(b"jobs none\n", PrometheusLoad("jobs"))


def fetched(reply: bytes, load: Any, heard: list[bytes] | None = None) -> float:
    async def test() -> float:
        async with listening(saying(reply, heard)) as port:
            return await read(type(load)(**{**vars(load), "port": port}), "127.0.0.1")

    return run(test())


def test_figures_are_fetched_over_http() -> None:
    heard: list[bytes] = []
    assert fetched(http(b'{"load": 0.75}'), JSONLoad("/status", "/load", host="web.example"), heard) == 0.75
    assert heard[0].startswith(b"GET /status HTTP/1.1\r\nHost: web.example\r\n")
    assert fetched(http(METRICS), PrometheusLoad("idle"), heard) == 0.25
    assert heard[1].startswith(b"GET /metrics HTTP/1.1\r\n")


def test_figures_are_fetched_over_https(certified: Certified) -> None:
    async def test() -> float:
        async with listening(saying(http(b"1")), certified("web.example")) as port:
            return await read(JSONLoad("/", "", port=port, tls=True, host="web.example"), "127.0.0.1")

    assert run(test()) == 1


@pytest.mark.parametrize(
    ("reply", "why"),
    [
        (http(b"1", "404 Not Found"), "status 404"),
        (http(b" " * (DOCUMENT_LIMIT + 1)), "more than 1 MiB"),
        (http(b"NaN"), "nan is no load"),
        (http(b"1e999"), "inf is no load"),
    ],
)
def test_what_is_no_figure_is_told(reply: bytes, why: str) -> None:
    with pytest.raises(Unhealthy, match=why):
        fetched(reply, JSONLoad("/", ""))
