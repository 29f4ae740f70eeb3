"""DNS in tests: a real server inside the test's process, and what unit tests of policies need.

`DNSServer` works with every test framework; pytest has it as the fixture `dns_server` (`pippin.testing.plugin`).
Nothing is imported before it is used: pytest loads the plugin in every run, also where no test asks for DNS.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from pippin.testing.faults import Fault, SeenQuery
    from pippin.testing.policies import FakeClock, FakeHealth, looked_at, policy_client, policy_name
    from pippin.testing.records import ZoneError
    from pippin.testing.server import DNSServer

__all__ = [
    "DNSServer",
    "FakeClock",
    "FakeHealth",
    "Fault",
    "SeenQuery",
    "ZoneError",
    "looked_at",
    "policy_client",
    "policy_name",
]

_HOMES = {
    "DNSServer": "server",
    "FakeClock": "policies",
    "FakeHealth": "policies",
    "Fault": "faults",
    "SeenQuery": "faults",
    "ZoneError": "records",
    "looked_at": "policies",
    "policy_client": "policies",
    "policy_name": "policies",
}


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module 'pippin.testing' has no attribute {name!r}")
    return getattr(import_module(f"pippin.testing.{_HOMES[name]}"), name)
