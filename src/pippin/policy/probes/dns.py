"""A DNS question."""

from __future__ import annotations

import dns.asyncquery
import dns.exception
import dns.message
import dns.rcode

from pippin.policy.checks import DNSCheck
from pippin.policy.probes.unhealthy import Unhealthy, shortened


async def check(check: DNSCheck, address: str) -> str:
    """The target is well if it answers with this rcode and, where wanted, with this record."""
    ask = dns.asyncquery.udp if check.transport == "udp" else dns.asyncquery.tcp
    try:
        query = dns.message.make_query(check.name, check.type)
        reply = await ask(query, address, port=check.port)
    except (dns.exception.DNSException, EOFError) as error:
        raise Unhealthy(f"no DNS reply: {shortened(str(error)) or type(error).__name__}") from error
    rcode = dns.rcode.to_text(reply.rcode())
    if rcode != check.rcode.upper():
        raise Unhealthy(rcode)
    if check.answer is not None:
        answers = [record.to_text() for rrset in reply.answer for record in rrset]
        if check.answer not in answers:
            raise Unhealthy(f"{rcode}, {shortened(', '.join(answers)) or 'no records'}")
    return rcode
