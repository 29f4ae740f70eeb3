"""Floor 6: the control process. Settings, the one door for zone changes, and the supervisor of the workers."""

import pippin.serve  # noqa: F401 - first of all, for it decides what structlog draws in
