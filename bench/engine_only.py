"""The engine without sockets and processes: how long `engine.path` takes for an answer.

A script of its own, because other interpreters run it too (PyPy with Python 3.9):

    PYTHON bench/engine_only.py IMAGE SEED QUERIES SECONDS

IMAGE is a compiled zone, QUERIES a file of messages, each after its length (two bytes, as on TCP). Half of SECONDS
warms up, which a just-in-time compiler needs; the other half is timed. It prints one JSON object.
"""

from __future__ import annotations

import json
import sys
import time

from pippin.engine.path import HIT, Batch, Options, Responder, client_from, is_compiled

PACKETS = 64  # in a batch
LOOK_AT_CLOCK = 16  # batches


def batches(queries: bytes) -> list[Batch]:
    """All queries, as full batches; what does not fill the last one is left out."""
    messages = []
    at = 0
    while at < len(queries):
        length = int.from_bytes(queries[at : at + 2], "big")
        messages.append(queries[at + 2 : at + 2 + length])
        at += 2 + length
    client = client_from("127.0.0.1", 12345)
    filled = []
    for start in range(0, len(messages) - PACKETS + 1, PACKETS):
        batch = Batch(PACKETS)
        for i in range(PACKETS):
            batch.set_query(i, messages[start + i], client)
        filled.append(batch)
    return filled


def run(responder: Responder, filled: list[Batch], seconds: float) -> tuple[int, float]:
    """Answer the batches over and over; packets answered and CPU seconds taken."""
    count = 0
    begin = time.process_time()
    end = begin + seconds
    now = int(time.time())
    while time.process_time() < end:
        for _ in range(LOOK_AT_CLOCK):
            responder.answer(filled[count % len(filled)], PACKETS, now)
            count += 1
    return count * PACKETS, time.process_time() - begin


def main() -> None:
    """Run as a script."""
    image_file, seed, query_file, seconds = sys.argv[1:]
    with open(image_file, "rb") as file:
        image = file.read()
    with open(query_file, "rb") as file:
        filled = batches(file.read())
    responder = Responder(Options(seed=int(seed)))
    responder.map(image)
    responder.place(0)
    run(responder, filled, float(seconds) / 2)
    answered, spent = run(responder, filled, float(seconds) / 2)
    hits = sum(batch.verdict(i) == HIT for batch in filled for i in range(PACKETS))
    print(
        json.dumps(
            {
                "engine_us": 1e6 * spent / answered,
                "hit_percent": 100 * hits / (len(filled) * PACKETS),
                "compiled": is_compiled(),
                "interpreter": sys.implementation.name,
            }
        )
    )


if __name__ == "__main__":
    main()
