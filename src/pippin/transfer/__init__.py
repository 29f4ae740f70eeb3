"""Floor 4: whole zones on the wire, out and in."""
