"""Looking into a store that a server has open."""

from __future__ import annotations

from pathlib import Path

import pytest

from pippin.store import Store, StoreError
from pippin.store.peek import published
from tests.zone.images import compile_text

TEXT = "@ SOA ns1 host 1 2 3 4 5\n@ NS ns1\nns1 A 192.0.2.1\n"


def test_published_zone_is_seen_and_nothing_else(tmp_path: Path) -> None:
    store = Store.open(tmp_path / "store", 1)
    image = compile_text(TEXT, "example.")[0]
    store.publish(b"\7example\0", image)
    assert published(tmp_path / "store", b"\7example\0") == image
    assert published(tmp_path / "store", b"\5other\0") is None
    store.withdraw(b"\7example\0")
    assert published(tmp_path / "store", b"\7example\0") is None
    store.close()


def test_folder_that_is_no_store_is_refused(tmp_path: Path) -> None:
    with pytest.raises(StoreError, match="not a zone store"):
        published(tmp_path, b"\7example\0")
