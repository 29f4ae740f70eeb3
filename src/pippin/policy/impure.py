"""What a policy's memo does not see, by the full name of what is called or looked at, and what to use instead.

In: dotted names, as imports spell them. Out: the rest of a sentence that begins with the name. `policy/purity.py`
finds the names.
"""

from __future__ import annotations

_DRAW = (
    "draws once and is remembered; return a plan instead, weighted(), rotate() or sticky(), which is drawn "
    "from for each query"
)
_TIME = (
    "is not seen by the memo, so the answer outlives the moment; take the parameter `now`: now.hour, "
    "now.at('Europe/Prague').weekday"
)
_ENVIRONMENT = "is read once and remembered; read it outside the function, when the file is imported"
_FILE = (
    "is read once and remembered, and holds up every query meanwhile; read it outside the function, when the file is "
    "imported"
)
_NETWORK = (
    "holds up every query of this worker, and what it finds is remembered for good; let a health check or a load "
    "source ask (health.up, health.load), or make the policy `async def`, which is asked again after its TTL"
)
_SLEEP = "holds up every query of this worker"
_HASH = "differs from process to process; sticky() makes the same choice everywhere"
_MACHINE = (
    "is measured once and remembered; let a load source read it, and look at health.load(), which is in the memo's key"
)

CALLS = {
    **dict.fromkeys(("random", "secrets", "numpy.random", "uuid.uuid1", "uuid.uuid4"), _DRAW),
    **dict.fromkeys(("os.urandom", "os.getrandom", "random.Random", "random.SystemRandom"), _DRAW),
    "time": _TIME,
    "time.sleep": _SLEEP,
    **dict.fromkeys((f"datetime.datetime.{name}" for name in ("now", "utcnow", "today")), _TIME),
    "datetime.date.today": _TIME,
    **dict.fromkeys(("pendulum.now", "pendulum.today", "arrow.now", "arrow.utcnow"), _TIME),
    **dict.fromkeys(("os.getenv", "os.getcwd", "os.path.expandvars", "os.path.expanduser"), _ENVIRONMENT),
    **dict.fromkeys(("open", "io.open", "os.open", "input", "linecache", "shelve", "dbm"), _FILE),
    **dict.fromkeys((f"os.{name}" for name in ("listdir", "scandir", "stat", "walk", "access")), _FILE),
    **dict.fromkeys((f"os.path.{name}" for name in ("exists", "isfile", "isdir", "getsize", "getmtime")), _FILE),
    **dict.fromkeys(("glob", "tempfile", "shutil", "pathlib.Path.open", "pathlib.Path.read_text"), _FILE),
    **dict.fromkeys((f"pathlib.Path.{name}" for name in ("read_bytes", "exists", "is_file", "is_dir")), _FILE),
    **dict.fromkeys((f"pathlib.Path.{name}" for name in ("stat", "iterdir", "glob", "rglob")), _FILE),
    **dict.fromkeys(("requests", "urllib.request", "urllib3", "http.client", "httpx", "aiohttp"), _NETWORK),
    **dict.fromkeys(("socket", "ssl", "select", "ftplib", "smtplib", "imaplib", "xmlrpc.client", "grpc"), _NETWORK),
    **dict.fromkeys(("subprocess", "os.system", "os.popen", "multiprocessing"), _NETWORK),
    **dict.fromkeys(("sqlite3", "psycopg", "psycopg2", "asyncpg", "pymysql", "aiomysql", "MySQLdb"), _NETWORK),
    **dict.fromkeys(("mysql.connector", "sqlalchemy", "pymongo", "redis", "memcache", "pymemcache"), _NETWORK),
    **dict.fromkeys(("boto3", "kubernetes", "consul", "etcd3", "ldap3", "paramiko", "docker"), _NETWORK),
    **dict.fromkeys(("dns.resolver", "dns.asyncresolver", "dns.query", "dns.asyncquery"), _NETWORK),
    **dict.fromkeys(("hash", "id", "os.getpid", "threading.get_ident"), _HASH),
    **dict.fromkeys(("os.getloadavg", "psutil", "resource"), _MACHINE),
}
"""What is called, by its full name or the module it is from; the longest match counts."""

VALUES = {"os.environ": _ENVIRONMENT}
"""What is looked at without a call."""

READING_METHODS = frozenset({"read_text", "read_bytes"})
"""Of `pathlib.Path`, whatever it is called."""

CHANGING_METHODS = frozenset(
    (
        *("add", "append", "appendleft", "clear", "discard", "extend", "insert", "pop", "popitem", "popleft"),
        *("remove", "reverse", "setdefault", "sort", "update", "subtract", "rotate", "put", "put_nowait"),
    )
)
"""Of the built-in containers, and of those in `collections` and `queue`."""

CHANGE = (
    "is changed here, but the function is not run for each query: the server counts queries itself (`pippin status`); "
    "for turns there is rotate(), for load health.load()"
)

MANY = {
    "address": "puts every single address into the memo's key; client.subnet() or client.network is enough mostly",
    "resolver": "puts every single resolver into the memo's key; client.resolver_subnet() is enough mostly",
}
"""What is read of a client and has very many values."""

IS_FILE = _FILE
IS_TIME = _TIME
BLOCKING = frozenset({_NETWORK, _FILE})
"""What is no fault where a coroutine awaits it."""


def said_of(name: str) -> str | None:
    """What is to be said about calling this, if anything."""
    steps = name.split(".")
    for length in range(len(steps), 0, -1):
        message = CALLS.get(".".join(steps[:length]))
        if message is not None:
            return message
    return None
