"""How busy a target is: a figure read over HTTP, from JSON or from Prometheus' text format."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Iterator

from pippin.policy.checks import JSONLoad, Load, PrometheusLoad
from pippin.policy.probes.http import Request, bracketed, default_port, fetch, host_name
from pippin.policy.probes.stream import tls_context
from pippin.policy.probes.unhealthy import Unhealthy, shortened

DOCUMENT_LIMIT = 1 << 20
"""Octets of a document that holds the figure."""

_SAMPLE = re.compile(r"(?P<metric>[a-zA-Z_:][a-zA-Z0-9_:]*)\s*(?:\{(?P<labels>.*)\})?\s*(?P<value>\S+)(?:\s+-?\d+)?\s*")
_LABEL = re.compile(r'\s*([a-zA-Z_][a-zA-Z0-9_]*)\s*=\s*"((?:[^"\\]|\\.)*)"\s*(?:,|$)')
_ESCAPES = {"\\\\": "\\", '\\"': '"', "\\n": "\n"}


async def read(load: JSONLoad | PrometheusLoad, address: str) -> float:
    """The figure, not yet divided by any capacity. `Unhealthy` if it is not there."""
    document = await _fetch(load, load.path, address)
    value = pointed_at(document, load.pointer) if isinstance(load, JSONLoad) else sampled(document, load)
    if not math.isfinite(value):
        raise Unhealthy(f"{value} is no load")
    return value


async def _fetch(load: Load, path: str, address: str) -> bytes:
    request = Request(
        address,
        load.port or default_port(load.tls),
        path,
        load.host or bracketed(address),
        tls=tls_context(load.verify) if load.tls else None,
        server_name=host_name(load.host) or address,
    )
    response = await fetch(request, DOCUMENT_LIMIT)
    if response.status != 200:
        raise Unhealthy(f"status {response.status}")
    if not response.is_whole:
        raise Unhealthy(f"more than {DOCUMENT_LIMIT >> 20} MiB")
    return response.body


def pointed_at(document: bytes, pointer: str) -> float:
    """The number a JSON pointer (RFC 6901) leads to."""
    try:
        found = json.loads(document)
    except (ValueError, RecursionError) as error:
        raise Unhealthy(f"not JSON: {shortened(str(error))}") from error
    for token in pointer.split("/")[1:]:
        key = token.replace("~1", "/").replace("~0", "~")
        if isinstance(found, list) and re.fullmatch(r"0|[1-9]\d{0,9}", key) and int(key) < len(found):
            found = found[int(key)]
        elif isinstance(found, dict) and key in found:
            found = found[key]
        else:
            raise Unhealthy(f"nothing at {pointer} in the document")
    if isinstance(found, bool) or not isinstance(found, int | float):
        raise Unhealthy(f"no number at {pointer} in the document")
    return float(found)


def sampled(document: bytes, load: PrometheusLoad) -> float:
    """The sum of the samples of a metric that have all the labels, whatever others they have too."""
    wanted = dict(load.labels).items()
    values = [value for labels, value in _samples(document, load.metric) if wanted <= labels.items()]
    if not values:
        raise Unhealthy(f"no sample of {load.metric} with these labels")
    return sum(values)


def _samples(document: bytes, metric: str) -> Iterator[tuple[dict[str, str], float]]:
    for line in document.decode("utf-8", "replace").splitlines():
        if not line.startswith(metric):
            continue
        found = _SAMPLE.fullmatch(line)
        if found is None or found["metric"] != metric:
            continue
        labels = {name: _unescaped(value) for name, value in _LABEL.findall(found["labels"] or "")}
        try:
            yield labels, float(found["value"])
        except ValueError:
            raise Unhealthy(f"{shortened(line)!r} has no value") from None


def _unescaped(value: str) -> str:
    return re.sub(r"\\[\\\"n]", lambda escape: _ESCAPES[escape[0]], value)
