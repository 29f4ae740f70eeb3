"""A zone that went through Redis compiles to the same image as from its file, and looked up in Redis name by name it
gives the same answers."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path

import dns.name
import dns.rdatatype
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from pippin.engine.compile import compile_zone
from pippin.engine.records import append, iterate
from pippin.serve.live_answers import LiveAnswers
from pippin.source import masterfile
from pippin.source.live import LiveSettings, open_look_up
from pippin.source.redis.database import RedisDatabase
from pippin.source.redis.write import Writer
from pippin.source.url import parse_url
from pippin.zone.problem import Problem
from tests.agreement.harness import CLIENT, NOW, World, show, told
from tests.agreement.test_agreement import PHASES, USUAL, WORLDS
from tests.agreement.worlds import questions, worlds
from tests.peers.redis import RedisServer, running_redis
from tests.zone.images import DEFAULT_TTL

pytest.importorskip("redis", reason="the client for Redis is missing (pip install redis)")

PATIENCE = 30.0
SEED = 7


@pytest.fixture(scope="module")
def redis() -> Iterator[RedisServer]:
    with running_redis(forgets=True) as server:
        yield server


def test_from_redis_or_from_a_file_images_and_answers_are_the_same(redis: RedisServer, tmp_path: Path) -> None:
    url = parse_url(redis.url)
    writer, database = Writer(url), RedisDatabase(url)
    look_up = open_look_up(LiveSettings(redis.url, timeout=PATIENCE))

    @settings(
        max_examples=WORLDS,
        deadline=None,
        derandomize=WORLDS == USUAL,
        phases=PHASES,
        suppress_health_check=list(HealthCheck),
    )
    @given(st.data())
    def same(data):
        texts = data.draw(worlds())
        asked = data.draw(questions(texts, dnssec_ok=st.just(False), most=25))
        redis.do("FLUSHALL")
        loaded = [load(tmp_path, origin, text) for origin, text in texts.items()]
        for zone in loaded:
            assert writer.write(zone).is_new
            assert not writer.write(zone).is_new
        read = {zone.origin: zone for _, zone in database.read([(one, "") for one in database.domains()])}
        for zone in loaded:
            assert read[zone.origin].problems == ()
            assert image_of(read[zone.origin]) == image_of(zone), texts
        world = World(texts)
        problems: list[Problem] = []
        live = LiveAnswers(look_up, problems.append)
        for question in asked:
            oracle = world.oracle(question)
            name = dns.name.from_text(question.name).canonicalize().to_wire()
            reply = live.answer(name, dns.rdatatype.from_text(question.rdtype), time.monotonic() + PATIENCE)
            if reply is None:
                assert oracle.rcode == "REFUSED", question
                continue
            found = told(world.responders[0].finish(world.query(question), CLIENT, NOW, True, reply))
            assert found == oracle, show(texts, question, found, oracle, ())
        assert problems == []

    same()
    look_up.close()
    database.close()
    writer.close()


def load(folder, origin, text):
    path = folder / "zone"
    path.write_text(f"$TTL {DEFAULT_TTL}\n{text}")
    loaded = masterfile.load(str(path), dns.name.from_text(origin).canonicalize().to_wire())
    assert loaded.problems == ()
    return loaded


def image_of(loaded):
    """Names are laid out in the order they come in, and a hash has none; records of one name keep theirs."""
    stream = bytearray()
    for record in sorted(iterate(loaded.records), key=lambda record: record.owner.lower()):
        append(stream, record.owner.lower(), record.type, record.ttl, record.rdata)
    image, findings = compile_zone(stream, loaded.origin, SEED)
    assert not findings
    return bytes(image)
