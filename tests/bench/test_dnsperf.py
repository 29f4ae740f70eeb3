"""dnsperf's output is read rightly, or not at all."""

import pytest

from bench.dnsperf import DnsperfError, Outcome, parse, parse_latencies

STATISTICS = """\
Statistics:

  Queries sent:         119995
  Queries completed:    119990 (99.99%)
  Queries lost:         5 (0.01%)

  Response codes:       NOERROR 112753 (93.96%), NXDOMAIN 7237 (6.04%)
  Average packet size:  request 45, response 70
  Run time (s):         2.000020
  Queries per second:   59996.900031
"""


def test_statistics():
    outcome = parse(STATISTICS)
    assert (outcome.sent, outcome.answered, outcome.lost) == (119995, 119990, 5)
    assert outcome.rcodes == {"NOERROR": 112753, "NXDOMAIN": 7237}
    assert outcome.rate == pytest.approx(119990 / 2.00002)


def test_output_without_statistics_is_an_error():
    with pytest.raises(DnsperfError, match="Queries sent"):
        parse("Error: unable to connect")


def test_latencies_are_read_in_microseconds_and_sorted():
    output = b"[Status] x\n> NOERROR a.test A 0.000184\n> NXDOMAIN b.test AAAA 1.000087\n> T c.test A\n"
    assert parse_latencies(output) == (184, 1_000_087)


def test_percentiles_are_nearest_ranks():
    outcome = Outcome(100, 100, 0, 1.0, {}, tuple(range(100)))
    assert (outcome.latency(50), outcome.latency(99), outcome.latency(100)) == (50, 99, 99)
