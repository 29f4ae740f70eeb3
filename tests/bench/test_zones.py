"""The generated zones are what their plan says, and the same every time."""

import dns.zone
import pytest

from bench.zones import Plan, small_zone_text, write_lines

SMALL = Plan("example.test", 2_000, 2_700, seed=3)


def records(plan: Plan) -> list[str]:
    return [line for line in plan.lines() if not line.startswith("$")]


@pytest.mark.parametrize("plan", [SMALL, Plan("big.test", 10_000, 13_500)])
def test_a_plan_has_exactly_its_names_and_records(plan):
    lines = records(plan)
    assert len(lines) == plan.records
    assert len({line.split()[0] for line in lines}) == plan.names


def test_the_same_seed_gives_the_same_zone_and_another_seed_another():
    assert list(SMALL.lines()) == list(Plan("example.test", 2_000, 2_700, seed=3).lines())
    assert list(SMALL.lines()) != list(Plan("example.test", 2_000, 2_700, seed=4).lines())


def test_a_generated_zone_is_a_valid_zone():
    zone = dns.zone.from_text("\n".join(SMALL.lines()) + "\n")
    assert sum(len(rdataset) for _, rdataset in zone.iterate_rdatasets()) == SMALL.records


def test_more_records_than_the_names_can_carry_are_refused():
    with pytest.raises(ValueError, match="cannot carry"):
        list(Plan("example.test", 2_000, 9_000).lines())


def test_a_small_zone_has_ten_records():
    zone = dns.zone.from_text(small_zone_text("one.test", 1))
    assert sum(len(rdataset) for _, rdataset in zone.iterate_rdatasets()) == 10


def test_lines_reach_the_file_whole(tmp_path):
    write_lines(tmp_path / "lines", (str(number) for number in range(45_000)))
    assert (tmp_path / "lines").read_text().split() == [str(number) for number in range(45_000)]
    assert [path.name for path in tmp_path.iterdir()] == ["lines"]
