"""The questions, in the order they are asked."""

from __future__ import annotations

from bench.question import Figure, Question, Row, Target
from bench.questions import (
    databases,
    forwarding,
    health_flip,
    hot,
    live,
    load,
    many_zones,
    mixed,
    nxdomain,
    policies,
    referral,
    signed,
    tcp,
    uncompiled,
    workers,
)

QUESTIONS: tuple[Question, ...] = (
    mixed.QUESTION,
    hot.QUESTION,
    nxdomain.QUESTION,
    referral.QUESTION,
    signed.NSEC_MIXED,
    signed.NSEC_NXDOMAIN,
    signed.NSEC3_MIXED,
    signed.NSEC3_NXDOMAIN,
    tcp.QUESTION,
    load.QUESTION,
    many_zones.QUESTION,
    workers.QUESTION,
    uncompiled.QUESTION,
    policies.WEIGHTED,
    policies.COUNTRY,
    policies.STRANGERS,
    health_flip.QUESTION,
    forwarding.QUESTION,
    forwarding.NEW,
    databases.CHANGE,
    databases.START,
    databases.ANSWERS,
    live.QUESTION,
    live.FLOOD,
)

__all__ = ["QUESTIONS", "Figure", "Question", "Row", "Target"]
