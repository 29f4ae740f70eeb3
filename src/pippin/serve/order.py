"""The handler pipeline as data: the first handler that returns an answer wins."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pippin.query.pipeline import REFUSED, Handler
from pippin.serve.chaos import Chaos
from pippin.serve.options import WorkerOptions
from pippin.serve.zones import PublishedZones, ZoneAnswers
from pippin.transfer.axfr import NOTAUTH, Pinned, TransferOut

if TYPE_CHECKING:
    from pippin.forward.handler import Forwarding
    from pippin.serve.live import Live


def handlers(
    options: WorkerOptions,
    zones: PublishedZones,
    pinned: Pinned,
    live: Live | None,
    forwarding: Forwarding | None,
    steered: Handler,
) -> tuple[Handler, ...]:
    return (
        Chaos(options.version, options.server_id).handle,  # class CH
        TransferOut(
            zones.get, options.allow_transfer, pinned, others=REFUSED if options.live else NOTAUTH
        ).handle,  # AXFR and IXFR
        steered,  # what zones leave to policies
        *((live.handle,) if live is not None else ()),  # zones that are not loaded
        *((forwarding.handle,) if forwarding is not None else ()),  # what lies outside the zones
        ZoneAnswers(zones).handle,  # everything else
    )
