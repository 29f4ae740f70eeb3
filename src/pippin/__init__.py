"""Pippin: an authoritative DNS server, programmed in Python.

What policy files import is here; nothing is loaded before it is used, because the server imports this too.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from pippin.policy.checks import (
        CommandCheck,
        CoroutineCheck,
        DNSCheck,
        HTTPCheck,
        JSONLoad,
        PingCheck,
        PrometheusLoad,
        TCPCheck,
        TLSCheck,
    )
    from pippin.policy.client import Client, Health, Name, Now
    from pippin.policy.plans import (
        DROP,
        NODATA,
        NXDOMAIN,
        PASS,
        REFUSED,
        SERVFAIL,
        Plan,
        PlanError,
        Record,
        alias,
        all_of,
        cname,
        first,
        records,
        rotate,
        sticky,
        weighted,
    )
    from pippin.policy.policies import Policies
    from pippin.policy.pools import Pool, Target

__version__ = "0.1.0"

__all__ = [
    "DROP",
    "NODATA",
    "NXDOMAIN",
    "PASS",
    "REFUSED",
    "SERVFAIL",
    "Client",
    "CommandCheck",
    "CoroutineCheck",
    "DNSCheck",
    "HTTPCheck",
    "Health",
    "JSONLoad",
    "Name",
    "Now",
    "PingCheck",
    "Plan",
    "PlanError",
    "Policies",
    "Pool",
    "PrometheusLoad",
    "Record",
    "TCPCheck",
    "TLSCheck",
    "Target",
    "__version__",
    "alias",
    "all_of",
    "cname",
    "first",
    "records",
    "rotate",
    "sticky",
    "weighted",
]

_HOMES = {
    **dict.fromkeys(
        (
            *("CommandCheck", "CoroutineCheck", "DNSCheck", "HTTPCheck", "JSONLoad", "PingCheck"),
            *("PrometheusLoad", "TCPCheck", "TLSCheck"),
        ),
        "checks",
    ),
    **dict.fromkeys(("Client", "Health", "Name", "Now"), "client"),
    **dict.fromkeys(
        (
            *("DROP", "NODATA", "NXDOMAIN", "PASS", "REFUSED", "SERVFAIL", "Plan", "PlanError", "Record"),
            *("alias", "all_of", "cname", "first", "records", "rotate", "sticky", "weighted"),
        ),
        "plans",
    ),
    "Policies": "policies",
    **dict.fromkeys(("Pool", "Target"), "pools"),
}
"""Where in `pippin.policy` each name is."""


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module 'pippin' has no attribute {name!r}")
    value = getattr(import_module(f"pippin.policy.{_HOMES[name]}"), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return __all__
