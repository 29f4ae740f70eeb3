"""The plugin's fixtures, whether or not Pippin is installed with its entry points."""

from pippin.testing.plugin import dns_server, dns_zone  # noqa: F401
