"""What would be remembered wrongly is found in the source, and what is fine is left alone."""

from __future__ import annotations

import textwrap

import pytest

from pippin.policy.purity import facts_read, suspicions
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
        ("return Path('sites').read_text()", "1:12 read_text() is read once"),
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
    assert list(facts_read(text)) == [("country", 3, 12)]
