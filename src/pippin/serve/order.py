"""The handler pipeline as data: the first handler that returns an answer wins."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pippin.query.pipeline import Handler
from pippin.serve.chaos import Chaos
from pippin.serve.options import WorkerOptions
from pippin.serve.zones import PublishedZones, ZoneAnswers
from pippin.transfer.axfr import Pinned, TransferOut

if TYPE_CHECKING:
    from pippin.forward.handler import Forwarding


def handlers(
    options: WorkerOptions,
    zones: PublishedZones,
    pinned: Pinned,
    forwarding: Forwarding | None,
    steered: Handler,
) -> tuple[Handler, ...]:
    return (
        Chaos(options.version, options.server_id).handle,  # class CH
        TransferOut(zones.get, options.allow_transfer, pinned).handle,  # AXFR and IXFR
        steered,  # what zones leave to policies
        *((forwarding.handle,) if forwarding is not None else ()),  # what lies outside the zones
        ZoneAnswers(zones).handle,  # everything else
    )
