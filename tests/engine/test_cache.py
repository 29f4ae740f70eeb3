"""The answer cache: least recently used goes first, bounded in entries and bytes, until its time. Both engines."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.conftest import uncompiled_twin


@pytest.fixture
def cache_class(engine_module):
    return engine_module("cache").AnswerCache


def entry(expiry=100, body=b"body"):
    return (expiry, 0, body, 1, 0, 0, 0, 0, -1)


def test_remembers_until_the_time(cache_class):
    cache = cache_class(10, 10_000)
    cache.put(b"a", entry(100))
    assert cache.get(b"a", 99) == entry(100)
    assert cache.get(b"a", 100) is None
    assert cache.get(b"a", 0) is None, "gone for good"
    assert cache.get(b"b", 0) is None
    assert cache.statistics() == {"entries": 0, "bytes": 0, "evicted": 0}


def test_least_recently_used_goes_first(cache_class):
    cache = cache_class(3, 10_000)
    for key in (b"a", b"b", b"c"):
        cache.put(key, entry())
    cache.get(b"a", 0)
    cache.put(b"d", entry())
    assert [key for key in (b"a", b"b", b"c", b"d") if cache.get(key, 0)] == [b"a", b"c", b"d"]
    assert cache.statistics()["evicted"] == 1


def test_bytes_are_bounded(cache_class):
    cache = cache_class(100, 2000)
    for i in range(20):
        cache.put(b"%02d" % i, entry(body=bytes(500)))
    held = cache.statistics()
    assert held["bytes"] <= 2000
    assert held["entries"] == 2
    assert cache.get(b"19", 0)


def test_an_entry_larger_than_the_cache_is_not_kept_and_drives_nobody_out(cache_class):
    cache = cache_class(100, 2000)
    cache.put(b"a", entry())
    cache.put(b"b", entry(body=bytes(3000)))
    assert cache.get(b"b", 0) is None
    assert cache.get(b"a", 0)


@pytest.mark.parametrize("limits", [(0, 10_000), (10, 0), (-1, 10_000)])
def test_turned_off(cache_class, limits):
    cache = cache_class(*limits)
    cache.put(b"a", entry())
    assert cache.get(b"a", 0) is None


def test_replace_discard_clear(cache_class):
    cache = cache_class(10, 10_000)
    cache.put(b"a", entry(body=bytes(100)))
    cache.put(b"a", entry(body=bytes(10)))
    assert len(cache.get(b"a", 0)[2]) == 10
    cache.discard(b"a")
    cache.discard(b"a")
    assert cache.statistics()["bytes"] == 0
    cache.put(b"b", entry())
    cache.clear()
    cache.clear()
    assert cache.statistics() == {"entries": 0, "bytes": 0, "evicted": 0}


STEPS = st.lists(
    st.tuples(
        st.sampled_from(["put", "get", "discard"]),
        st.sampled_from([b"a", b"bb", b"c"]),
        st.integers(0, 900),
        st.integers(0, 9),
    ),
    max_size=40,
)


@settings(deadline=None, derandomize=True)
@given(STEPS)
def test_what_it_says_it_holds_is_what_it_holds(steps):
    cache = uncompiled_twin("cache").AnswerCache(2, 2000)
    sizes = {}
    for what, key, size, now in steps:
        if what == "put":
            cache.put(key, entry(5, bytes(size)))
        elif what == "get":
            found = cache.get(key, now)
            assert found is None or now < 5
        else:
            cache.discard(key)
        sizes = {key: len(key) + len(value[2]) + 400 for key, value in cache.entries.items()}
        assert cache.statistics()["bytes"] == sum(sizes.values()) <= 2000
        assert len(sizes) <= 2
