"""The plugin's fixtures, whether or not Pippin is installed with its entry points."""

from pippin.testing.plugin import (  # noqa: F401
    dns_server,
    dns_zone,
    policy_client,
    policy_clock,
    policy_health,
)
