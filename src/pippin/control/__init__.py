"""Floor 6: the control process. Settings, the one door for zone changes, and the supervisor of the workers."""
