"""Floor 2: what zone data means. Zones, changes, checks, and the answer algorithm that all others agree with."""
