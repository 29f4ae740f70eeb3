"""Medians, ratios, verdicts, and the pages made from them."""

from xml.etree import ElementTree

from bench.plot import svg
from bench.proc import stat_fields
from bench.question import RATE_FIGURES, Question, Row, Target
from bench.questions import QUESTIONS
from bench.report import markdown
from bench.results import as_data, put, ratios, read, verdict, write


def row(server, *values):
    return Row(server, {"cpu_us": list(values), "user_us": [1.0], "system_us": [4.0]})


ROWS = [row("pippin", 5.0, 5.2, 9.0), row("nsd", 5.2), row("knot", 6.5), Row("gdnsd", note="serves no signed zones")]
QUESTION = Question(
    "mixed", "Mixed <stream>", RATE_FIGURES, "cpu_us", (Target("cpu_us", factor=0.95, peers=("nsd", "knot")),), list
)


def measured(date, revision):
    return {"date": date, "revision": revision, "seconds": 5.0, "rounds": 3, "quick": False}


def run():
    return {
        "machine": {"cpu": "a", "cores": 2, "kernel": "6", "memory_gib": 1, "versions": {"nsd": "NSD 4.6.1"}},
        "questions": [as_data(QUESTION, ROWS) | {"measured": measured("2026-01-01", "abc")}],
    }


def test_ratios_use_medians_and_name_the_better_of_nsd_and_knot():
    assert ratios(ROWS, "cpu_us") == {"nsd": 1.0, "knot": 0.8, "better of nsd and knot": 1.0}


def test_a_target_against_peers_is_reached_or_missed():
    assert verdict(Target("cpu_us", factor=1.0, peers=("nsd", "knot")), ROWS)[0] is True
    assert verdict(QUESTION.targets[0], ROWS)[0] is False


def test_a_target_without_figures_is_open():
    assert verdict(Target("cpu_us", limit=1.0), ROWS[1:])[0] is None
    assert verdict(Target("cpu_us", peers=("bind",)), ROWS)[0] is None


def test_results_survive_the_file(tmp_path):
    write(tmp_path / "deep" / "run.json", run())
    assert read(tmp_path / "deep" / "run.json") == run()


def test_the_page_has_every_server_and_every_note():
    page = markdown(run(), "plot.svg")
    assert "| pippin | - | 5.20 (5.00-9.00) |" in page
    assert "- gdnsd: serves no signed zones" in page
    assert "![CPU time per answer](plot.svg)" in page


def test_one_question_asked_again_takes_the_place_of_its_old_outcome():
    later = run()
    again = as_data(QUESTION, ROWS[:2]) | {"measured": measured("2026-01-03", "def")}
    other = again | {"name": "other"}
    put(later, other, ["other", "mixed"])
    put(later, again, ["other", "mixed"])
    assert later["questions"] == [other, again]
    page = markdown(later, "plot.svg")
    assert "2026-01-03 to 2026-01-03; revision `def`" in page
    put(later, run()["questions"][0], ["other", "mixed"])
    page = markdown(later, "plot.svg")
    assert "2026-01-01 to 2026-01-03; revision `def`, `abc`" in page
    assert "`python -m bench --question mixed`, 3 rounds of 5 s, revision `abc`" in page


def test_the_plot_is_well_formed():
    root = ElementTree.fromstring(svg(run()))
    assert sum(1 for element in root if element.tag.endswith("rect")) == 2 * 3


def test_every_question_has_its_own_name_and_its_main_figure():
    assert len({question.name for question in QUESTIONS}) == len(QUESTIONS)
    for question in QUESTIONS:
        assert question.main in {figure.key for figure in question.figures}


def test_a_command_name_may_hold_blanks_and_brackets():
    assert stat_fields("7 (a (b) c) S 1 7 7 0") == ["S", "1", "7", "7", "0"]
