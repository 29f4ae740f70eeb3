"""The image of a zone that is to be served but has no version yet: every question for a name in it gets SERVFAIL.

REFUSED would send resolvers to look elsewhere, and where questions are forwarded those for this zone would be too. An
image, because then it is published, replaced and withdrawn like any other, and the deepest zone still wins.
"""

from __future__ import annotations

from pippin.engine import layout
from pippin.engine.find import labels, name_hash


def not_ready_image(origin: bytes, seed: int) -> bytes:
    """`origin`: lower-case wire format. There is no SOA in it, and nothing else that could be given away."""
    apex = layout.HEADER_SIZE + len(origin)
    node = layout.write_node(layout.OCCLUDED, 0, apex)
    hash_table = apex + len(node)
    order_table = hash_table + layout.HASH_SLOT_SIZE
    size = order_table + 4
    header = layout.Header(
        magic=layout.MAGIC,
        size=size,
        flags=layout.NOT_READY,
        seed=seed,
        nodes=1,
        records=0,
        hash_table=hash_table,
        hash_mask=0,
        order_table=order_table,
        apex=apex,
        serial=0,
        negative=0,
        negative_signed=0,
        proof_table=0,
        proof_count=0,
        nsec3_iterations=0,
        nsec3_algorithm=0,
        nsec3_salt_length=0,
        nsec3_salt=0,
        note=size,
        note_length=0,
        origin_length=len(origin),
        origin_labels=len(labels(origin)),
        max_probe=0,
    )
    position = apex.to_bytes(4, "little")
    tag = (name_hash(origin, seed) >> 32).to_bytes(4, "little")
    return layout.write_header(header) + origin + node + tag + position + position
