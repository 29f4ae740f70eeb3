"""What would be remembered wrongly is found in the source, and what is fine is left alone."""

from __future__ import annotations

import textwrap

import pytest

from pippin.policy.purity import facts_read, suspicions
from pippin.policy.written import Beside
from pippin.zone.problem import Severity

TOP = """
import datetime
import os
import random
import secrets
import socket
import time
import urllib.request
from datetime import date
from datetime import datetime as dt
from os import environ
from pathlib import Path
from random import choice

import httpx

from pippin import Policies, Pool, weighted

policies = Policies()
eu = Pool("eu", ["192.0.2.1"])
rng = random.Random()
seen = {}
mode = "calm"
SITES = {"DE": eu}


def elsewhere():
    global mode
    mode = "busy"


"""
DECORATOR = '@policies.answer("a.example.com", "A")\n'


def warnings(body: str, decorator: str = DECORATOR, start: str = "def a(client, now, health):") -> list[str]:
    """The messages about a policy with this body, by line of it."""
    text = TOP + decorator + start + "\n" + textwrap.indent(textwrap.dedent(body).strip("\n"), "    ") + "\n"
    before = (TOP + decorator + start).count("\n") + 1
    problems = suspicions(text, "traffic.py")
    assert all(problem.severity is Severity.WARNING for problem in problems)
    return [f"{problem.line - before}:{problem.column} {problem.message}" for problem in problems]


@pytest.mark.parametrize(
    ("body", "found"),
    [
        (
            "return random.choice(SITES)",
            "1:12 random.choice() draws once and is remembered; return a plan instead, weighted()",
        ),
        ("return choice([1])", "1:12 random.choice() draws once"),
        ("return rng.random()", "1:12 random.Random.random() draws once"),
        ("import random as r\nreturn r.random()", "2:12 random.random() draws once"),
        ("return secrets.randbelow(3)", "1:12 secrets.randbelow() draws once"),
        (
            "return time.time()",
            "1:12 time.time() is not seen by the memo, so the answer outlives the moment; take the parameter `now`",
        ),
        ("return time.strftime('%H')", "1:12 time.strftime() is not seen"),
        ("return dt.now().hour", "1:12 datetime.datetime.now() is not seen by the memo"),
        ("return datetime.datetime.now(datetime.UTC)", "1:12 datetime.datetime.now() is not seen"),
        ("return date.today()", "1:12 datetime.date.today() is not seen"),
        ("time.sleep(1)", "1:5 time.sleep() holds up every query of this worker"),
        (
            "return os.environ['SITE']",
            "1:12 os.environ is read once and remembered; read it outside the function",
        ),
        ("return environ['SITE']", "1:12 os.environ is read once"),
        ("return os.getenv('SITE')", "1:12 os.getenv() is read once"),
        ("return open('sites').read()", "1:12 open() is read once and remembered, and holds up every query"),
        ("return Path('sites').read_text()", "1:12 pathlib.Path.read_text() is read once"),
        (
            "return httpx.get('http://x')",
            "1:12 httpx.get() holds up every query of this worker, and what it finds is remembered",
        ),
        ("return urllib.request.urlopen('http://x')", "1:12 urllib.request.urlopen() holds up"),
        ("return socket.gethostbyname('x')", "1:12 socket.gethostbyname() holds up"),
        ("seen[1] = 2", "1:5 seen is changed here, but the function is not run for each query"),
        ("seen.update(a=1)", "1:5 seen is changed here"),
        ("del seen[1]", "1:9 seen is changed here"),
        ("SITES['DE'].weight = 3", "1:5 SITES is changed here"),
        ("global mode\nmode = 'x'", "2:5 mode is changed here"),
        ("global mode\nmode += 'x'", "2:5 mode is changed here"),
        ("return next(rng)", "1:12 rng is changed here"),
        (
            "return eu if mode == 'calm' else None",
            "1:18 mode is changed in line 29, which the memo does not see",
        ),
        (
            "return client.address",
            "1:12 client.address puts every single address into the memo's key; client.subnet()",
        ),
        ("return client.resolver", "1:12 client.resolver puts every single resolver"),
        (
            "return hash('a') % 3",
            "1:12 hash() differs from process to process; sticky() makes the same choice",
        ),
    ],
)
def test_what_would_be_remembered_wrongly(body: str, found: str) -> None:
    (warning,) = warnings(body)
    assert warning.startswith(found)


@pytest.mark.parametrize(
    "body",
    [
        "return weighted({eu: 3})",
        "return SITES.get(client.country, eu)",
        "return eu if now.hour > 3 and client.subnet() else None",
        "random = client.country\nreturn random.choice",  # its own variable
        "seen = {}\nseen[1] = 2\nreturn seen",
        "found = []\nfound.append(eu)\nreturn found",
        "return time.strftime('%H', moment)",
        "return time.gmtime(0)",
        "return random.Random(str(client.subnet())).choice([1, 2])",  # the same for the same fact
        "return datetime.date(2026, 12, 24)",
        "return os.path.join('a', 'b')",
        "return dt.fromisoformat('2026-12-24')",
        "return client.update(1)",
        "open = eu\nreturn open",
    ],
)
def test_what_is_fine_is_left_alone(body: str) -> None:
    assert warnings(body) == []


def test_functions_that_a_policy_calls_are_looked_at_too() -> None:
    helpers = (
        "def helper():\n    return other()\n\n\ndef other():\n    return time.time()\n\n\n"
        "def unused():\n    return time.time()\n\n\n"
    )
    text = TOP + helpers + DECORATOR + "def a(client):\n    return helper()\n"
    (problem,) = suspicions(text, "traffic.py")
    assert problem.line == (TOP + helpers).split("\n").index("    return time.time()") + 1
    assert problem.message.startswith("time.time() is not seen")


def test_policy_without_memo_may_depend_on_anything() -> None:
    assert warnings("return random.choice([1])", '@policies.answer("a", "A", memo=False)\n') == []
    assert warnings("return random.choice([1])", '@policies.answer("a", "A", memo=True)\n')


def test_coroutine_may_await_but_not_block() -> None:
    start = "async def a(client):"
    assert warnings("return await httpx.get('http://x')", start=start) == []
    assert len(warnings("return httpx.get('http://x')", start=start)) == 1
    assert len(warnings("await x()\nreturn time.time()", start=start)) == 1


def beside(**modules: str) -> dict[str, Beside]:
    packages = {name.rpartition("__")[0] for name in modules}
    return {
        name.replace("__", "."): Beside(
            f"/{name}/__init__.py" if name in packages else f"/{name}.py", textwrap.dedent(source)
        )
        for name, source in modules.items()
    }


def found_beside(policy: str, **modules: str) -> list[str]:
    text = f"from pippin import Policies\npolicies = Policies()\n{textwrap.dedent(policy)}"
    return [str(problem) for problem in suspicions(text, "traffic.py", beside(**modules))]


HELPERS = """
import random
import time as clock

seen = {}
mode = "calm"


def pick(client):
    return _draw()


def _draw():
    return random.choice([1, 2])


def late():
    return clock.time() > 0


def switch():
    global mode
    mode = "busy"


class Balancer:
    def __init__(self):
        self.count = 0

    def next(self):
        self.count += 1
        return self._later()

    def _later(self):
        return clock.time()


balancer = Balancer()
"""


@pytest.mark.parametrize(
    ("imports", "body", "found"),
    [
        ("import helpers", "helpers.pick(client)", ["/helpers.py:14:12: warning: random.choice() draws once"]),
        ("import helpers as h", "h.late()", ["/helpers.py:18:12: warning: time.time() is not seen by the memo"]),
        ("from helpers import pick", "pick(client)", ["/helpers.py:14:12: warning: random.choice() draws"]),
        ("from helpers import pick as p", "p(client)", ["/helpers.py:14:12: warning: random.choice() draws"]),
        ("from helpers import *", "pick(client)", ["/helpers.py:14:12: warning: random.choice() draws"]),
        ("from helpers import pick\np = pick", "p(client)", ["/helpers.py:14:12: warning: random.choice() draws"]),
        (
            "from functools import partial\nfrom helpers import pick\np = partial(pick, 1)",
            "p()",
            ["/helpers.py:14:12: warning: random.choice() draws"],
        ),
        ("import lib", "lib.pick(client)", ["/helpers.py:14:12: warning: random.choice() draws"]),
        ("from lib.deep import pick", "pick(client)", ["/helpers.py:14:12: warning: random.choice() draws"]),
        ("import lib.deep", "lib.deep.pick(client)", ["/helpers.py:14:12: warning: random.choice() draws"]),
        (
            "from helpers import balancer",
            "balancer.next()",
            [
                "/helpers.py:31:9: warning: self.count is changed here, but the function is not run for each query",
                "/helpers.py:35:16: warning: time.time() is not seen",
            ],
        ),
        ("from helpers import Balancer", "Balancer().next()", ["/helpers.py:35:16: warning: time.time() is not seen"]),
        ("import helpers", "helpers.seen.get(1)", []),
        ("import helpers", "helpers.seen.update(a=1)", ["traffic.py:6:12: warning: helpers.seen is changed here"]),
        (
            "import helpers",
            "helpers.mode",
            ["traffic.py:6:12: warning: helpers.mode is changed in line 23 of /helpers.py, which the memo does not"],
        ),
        ("from helpers import mode", "mode", ["traffic.py:6:12: warning: mode is changed in line 23 of /helpers.py"]),
        ("import elsewhere", "elsewhere.pick(client)", []),
        ("import circle", "circle.pick(client)", []),
        ("import broken", "broken.pick(client)", []),
    ],
)
def test_modules_beside_are_followed(imports: str, body: str, found: list[str]) -> None:
    policy = f"{imports}\n{DECORATOR}def a(client):\n    return {body}\n"
    extra = imports.count("\n")
    told = found_beside(
        policy,
        helpers=HELPERS,
        lib="from .deep import pick",
        lib__deep="from helpers import pick",
        circle="from circle2 import pick",
        circle2="from circle import pick\n\n\ndef other():\n    return other()",
        broken="def (",
    )
    assert len(told) == len(found)
    for one, start in zip(told, found, strict=True):
        assert one.startswith(start.replace(":6:", f":{6 + extra}:"))


@pytest.mark.parametrize(
    ("policy", "found"),
    [
        (
            "def make():\n    count = 0\n    @policies.answer('a', 'A')\n    def a():\n        nonlocal count\n"
            "        count += 1\n        return str(count)\n",
            "8:9: warning: count is changed here",
        ),
        (
            "def make(seen):\n    @policies.answer('a', 'A')\n    def a():\n        seen.append(1)\n",
            "6:9: warning: seen is changed here",
        ),
        (
            "def pick(n, seen=[]):\n    seen.append(n)\n    return n\n\n"
            "@policies.answer('a', 'A')\ndef a():\n    return pick(1)\n",
            "4:5: warning: seen is changed here",
        ),
        (
            "@policies.answer('a', 'A')\ndef a():\n    import time\n    return time.monotonic()\n",
            "6:12: warning: time.monotonic() is not seen",
        ),
        (
            "draw = lambda: uuid4()\nfrom uuid import uuid4\n@policies.answer('a', 'A')\n"
            "def a():\n    return draw()\n",
            "3:16: warning: uuid.uuid4() draws once",
        ),
        (
            "import sqlite3\ndb = sqlite3.connect('x')\n@policies.answer('a', 'A')\n"
            "def a():\n    return db.execute('')\n",
            "7:12: warning: sqlite3.connect.execute() holds up",
        ),
        (
            "from pathlib import Path\nflag = Path('flag')\n@policies.answer('a', 'A')\n"
            "def a():\n    return flag.exists()\n",
            "7:12: warning: pathlib.Path.exists() is read once",
        ),
        (
            "import psutil\n@policies.answer('a', 'A')\ndef a():\n    return psutil.cpu_percent()\n",
            "6:12: warning: psutil.cpu_percent() is measured once",
        ),
    ],
)
def test_ways_to_keep_something_from_call_to_call(policy: str, found: str) -> None:
    (told,) = found_beside(policy)
    assert told.startswith(f"traffic.py:{found}")


def test_what_is_read_when_the_file_is_imported_is_fine() -> None:
    policy = "import os, time\nSITE = os.getenv('SITE', '')\nBEGAN = time.time()\n"
    policy += "@policies.answer('a', 'A')\ndef a(name):\n    return SITE.lower() + str(BEGAN.real)\n"
    assert found_beside(policy) == []


def test_facts_that_helpers_read() -> None:
    policy = "import near\n@p.answer('a', 'A')\ndef a(client):\n    return near.of(client)\n"
    other = beside(near="def of(client):\n    return client.country\n")
    assert list(facts_read(policy, "traffic.py", other)) == [("country", "/near.py", 2, 12)]


def test_other_functions_of_the_file_may_do_what_they_like() -> None:
    assert suspicions(TOP + "def probe(address):\n    return httpx.get(address)\n", "traffic.py") == []


def test_each_place_is_told_once() -> None:
    text = TOP + "def helper():\n    return time.time()\n\n\n"
    for name in "abc":
        text += DECORATOR + f"def {name}(client):\n    return helper()\n\n\n"
    assert len(suspicions(text, "traffic.py")) == 1


def test_what_is_no_python_has_no_suspicions() -> None:
    assert suspicions("def (", "traffic.py") == []
    assert list(facts_read("\0")) == []


def test_facts_that_policies_read() -> None:
    text = '@p.answer("a", "A")\ndef a(client):\n    return client.country\n\n\n'
    text += "def b(client):\n    return client.city\n"
    assert list(facts_read(text)) == [("country", "", 3, 12)]
