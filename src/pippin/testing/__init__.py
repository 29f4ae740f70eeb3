"""DNS in tests: a real server inside the test's process, and what unit tests of policies need.

`DNSServer` works with every test framework; pytest has it as the fixture `dns_server` (`pippin.testing.plugin`).
Nothing is imported before it is used: pytest loads the plugin in every run, also where no test asks for DNS.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from pippin.testing.faults import Fault, SeenQuery
    from pippin.testing.records import ZoneError
    from pippin.testing.server import DNSServer

__all__ = ["DNSServer", "Fault", "SeenQuery", "ZoneError"]

_HOMES = {
    "DNSServer": "server",
    "Fault": "faults",
    "SeenQuery": "faults",
    "ZoneError": "records",
}


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module 'pippin.testing' has no attribute {name!r}")
    return getattr(import_module(f"pippin.testing.{_HOMES[name]}"), name)
