"""Floor 5: sockets and the loops that read them. Transports unwrap messages and ask the engine; nothing else."""

import sys

if "rich" not in sys.modules:
    # structlog draws rich in where that is installed, for a console renderer that is not used here: 50 ms and 8 MiB
    # in every process of a server. It is hidden for this one import; whoever shows tables will find it.
    sys.modules["rich"] = None  # type: ignore[assignment]
    import structlog  # noqa: F401

    del sys.modules["rich"]
