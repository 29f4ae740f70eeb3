"""What a worker counts: the order of the 64-bit integers in its mapped page, written by `path.py` and the loop."""

from __future__ import annotations

COUNTERS = (
    "queries",  # packets that reached the path
    "answers",  # replies made there
    "slow",  # handed to the slow path
    "dropped",  # packets that get no reply (QR set, too short)
    "formerr",
    "notimp",
    "refused",
    "badvers",
    "nxdomain",
    "truncated",  # replies with TC
    "cache_hits",  # slow answers given from the answer cache
    "malformed",  # packets that pointed outside themselves
    "queue_dropped",  # slow queries that found the queue full
    "send_failed",  # replies that the kernel refused
    "tcp_connections",
    "tcp_queries",
    "tcp_refused",  # connections over a limit
    "tcp_timeouts",  # connections cut off: idle, half-open or not reading
    "log_position",  # how far this worker has read the store's log
    "slow_failed",  # SERVFAIL because a handler raised
    "not_ready",  # SERVFAIL because the zone has no version yet
)

(
    C_QUERIES,
    C_ANSWERS,
    C_SLOW,
    C_DROPPED,
    C_FORMERR,
    C_NOTIMP,
    C_REFUSED,
    C_BADVERS,
    C_NXDOMAIN,
    C_TRUNCATED,
    C_CACHE_HITS,
    C_MALFORMED,
    C_QUEUE_DROPPED,
    C_SEND_FAILED,
    C_TCP_CONNECTIONS,
    C_TCP_QUERIES,
    C_TCP_REFUSED,
    C_TCP_TIMEOUTS,
    C_LOG_POSITION,
    C_SLOW_FAILED,
    C_NOT_READY,
) = range(len(COUNTERS))
