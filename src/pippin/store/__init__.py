"""Floor 3: many compiled zones in few mapped files. The control process writes (`Store`), workers read (`Reader`).

    zones      one sparse file, mapped whole by every worker; images lie in it side by side
    log.N      what was placed and removed, in order; readers fold it into their own table of zones
    counters   one page of 64-bit integers for each worker (`pippin.engine.counters`)
    lock       held by the control process

Publishing one zone writes its image and one log entry, whatever else is served. A reader looks at one integer to
know whether there is news. Space is used again when every reader has read past the entry that made it free. A crash
between any two writes leaves the last published state: an entry counts only once the log's end says so.
"""

from pippin.store.reader import Reader
from pippin.store.store import Store, StoreError, StoreFull

__all__ = ["Reader", "Store", "StoreError", "StoreFull"]
