"""Floor 4: questions outside our zones, asked of other servers (upstreams) and remembered."""
