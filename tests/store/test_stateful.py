"""Writers, readers and restarts in any order: nobody ever sees bytes of another zone or another version."""

from __future__ import annotations

import shutil
import tempfile
from pathlib import Path

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from pippin.store import Reader, Store
from pippin.store import store as module
from tests.store.images import Placed, image_of, wire

WORKERS = 2
NAMES = ["a.example.", "b.example.", "c.example."]
names = st.sampled_from(NAMES)
workers = st.integers(0, WORKERS - 1)


class Following(RuleBasedStateMachine):
    """A store, its readers, and what each of them has to see."""

    def __init__(self):
        super().__init__()
        self.folder = Path(tempfile.mkdtemp(prefix="pippin-store-"))
        self.limits = module.LOG_SLACK, module.PUNCH_FROM
        module.LOG_SLACK, module.PUNCH_FROM = 300, 20_000
        self.store = Store.open(self.folder, WORKERS)
        self.version = 0
        self.published = {}
        self.readers = [None] * WORKERS

    @initialize()
    def start_readers(self):
        for worker in range(WORKERS):
            self.start_reader(worker)

    def teardown(self):
        module.LOG_SLACK, module.PUNCH_FROM = self.limits
        self.store.close()
        shutil.rmtree(self.folder)

    @rule(name=names, padding=st.sampled_from([0, 0, 10, 500, 50_000]))
    def publish(self, name, padding):
        self.version += 1
        image = image_of(name, self.store.seed, self.version, padding)
        self.store.publish(wire(name), image)
        self.published[wire(name)] = image

    @rule(name=names)
    def withdraw(self, name):
        if self.published.pop(wire(name), None):
            self.store.withdraw(wire(name))

    @rule(worker=workers)
    def start_reader(self, worker):
        """Also in place of one that has died."""
        self.readers[worker] = (Reader(self.folder, worker), Placed(), {}, [])

    @rule(worker=workers)
    def follow(self, worker):
        reader, placed, seen, _ = self.readers[worker]
        reader.follow(placed)
        seen.clear()
        seen.update(self.published)
        assert placed.bases.keys() == seen.keys()

    @rule(worker=workers)
    def pin(self, worker):
        """Only after a look: a reader sees nothing before."""
        reader, _, seen, pins = self.readers[worker]
        if seen:
            pin = reader.pinned()
            pin.__enter__()
            pins.append((pin, [(reader.zone_image(origin), image) for origin, image in seen.items()]))

    @rule(worker=workers, which=st.integers(0, 5))
    def unpin(self, worker, which):
        pins = self.readers[worker][3]
        if pins:
            pin, _ = pins.pop(which % len(pins))
            pin.__exit__(None, None, None)

    @rule()
    def restart(self):
        """The writer goes and comes back; readers go on."""
        self.store.close()
        self.store = Store.open(self.folder, WORKERS)
        assert {origin: bytes(self.store.image(origin)) for origin in self.store.zones()} == self.published

    @invariant()
    def everybody_sees_whole_images(self):
        for reader, placed, seen, pins in filter(None, self.readers):
            for origin, image in seen.items():
                base = placed.bases[origin]
                assert bytes(placed.memory[base : base + len(image)]) == image
                assert bytes(reader.zone_image(origin)) == image
            for _, pinned in pins:
                for view, image in pinned:
                    assert bytes(view) == image


TestFollowing = Following.TestCase
TestFollowing.settings = settings(max_examples=30, stateful_step_count=40, deadline=None, derandomize=True)
