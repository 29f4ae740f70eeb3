"""Policies of a running server: checked targets, changed files, targets set by hand, checkers and workers that die."""

from __future__ import annotations

import os
import re
import signal
import socket
import threading
import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import dns.message
import pytest

from tests.control.running import Running, clients, running, wait_until, write_zone
from tests.peers.load import Load

FIRST, SECOND = "127.0.0.11", "127.0.0.12"

POLICY = """
from pippin import HTTPCheck, Policies, Pool

policies = Policies()
pool = Pool("eu", {targets}, check=HTTPCheck("/", port={port}, every=0.1, timeout=1, fall=2, rise=1))

@policies.answer("www.example", "A", ttl=5)
def www(client):
    return {plan}
"""


class Web:
    """HTTP servers on the two addresses, on one port, that can be told to fail, and count who asks."""

    def __init__(self) -> None:
        self.failing: set[str] = set()
        self.asked = {FIRST: 0, SECOND: 0}
        self._servers: dict[str, ThreadingHTTPServer] = {}
        with socket.socket() as probe:
            probe.bind((FIRST, 0))
            self.port = probe.getsockname()[1]
        for address in self.asked:
            self.start(address)

    def start(self, address: str) -> None:
        server = self._servers[address] = ThreadingHTTPServer((address, self.port), self._handler(address))
        threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()

    def kill(self, address: str) -> None:
        server = self._servers.pop(address)
        server.shutdown()
        server.server_close()

    def close(self) -> None:
        for address in list(self._servers):
            self.kill(address)

    def _handler(self, address: str) -> type[BaseHTTPRequestHandler]:
        web = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                web.asked[address] += 1
                self.send_response(503 if address in web.failing else 200)
                self.end_headers()

            def log_message(self, *arguments: object) -> None:
                pass

        return Handler


@pytest.fixture
def web() -> Iterator[Web]:
    servers = Web()
    yield servers
    servers.close()


@pytest.fixture
def zone(tmp_path: Path) -> Path:
    return write_zone(tmp_path / "example.zone")


def write_policy(folder: Path, web: Web, plan: str = "pool", targets: str = "") -> Path:
    """Put a policy into place as careful tools do."""
    text = POLICY.format(port=web.port, plan=plan, targets=targets or repr([FIRST, SECOND]))
    new = folder / "traffic.new"
    new.write_text(text)
    os.replace(new, folder / "traffic.py")
    return folder / "traffic.py"


def addresses(server: Running, count: int = 20) -> set[str]:
    """What `www.example` is answered with, asked several times."""
    return {server.address_of("www.example") for _ in range(count)}


def health(server: Running) -> dict[str, dict[str, object]]:
    return {state["target"]: state for state in server.do(do="health")["targets"]}


class Steady:
    """Asks from several sockets again and again, and counts questions that get no answer in five seconds."""

    def __init__(self, server: Running, count: int = 4) -> None:
        self.answered = self.lost = 0
        self.answers: list[tuple[float, str]] = []
        """When each question was asked (Unix time), and the address that came."""
        self._over = threading.Event()
        self._threads = [threading.Thread(target=self._ask, args=(sock,)) for sock in clients(server, count)]
        for thread in self._threads:
            thread.start()

    def _ask(self, sock: socket.socket) -> None:
        query = dns.message.make_query("www.example", "A").to_wire()
        while not self._over.is_set():
            sock.settimeout(5)
            asked = time.time()
            sock.send(query)
            try:
                reply = sock.recv(4096)
            except TimeoutError:
                self.lost += 1
            else:
                self.answered += 1
                self.answers.append((asked, str(dns.message.from_wire(reply).answer[0][0])))
            time.sleep(0.002)

    def end(self) -> None:
        self._over.set()
        for thread in self._threads:
            thread.join()


def test_target_that_fails_is_answered_no_more_and_comes_back(tmp_path: Path, zone: Path, web: Web) -> None:
    policy = write_policy(tmp_path, web)
    with running(tmp_path, str(policy), str(zone), workers=2) as server:
        assert addresses(server) == {FIRST, SECOND}
        web.failing = {FIRST}
        wait_until(lambda: not health(server)[f"eu/{FIRST}"]["available"], "the target is down")
        assert addresses(server) == {SECOND}
        assert "warning: target is down target=eu/127.0.0.11" in server.output
        assert 'reason="status 503"' in server.output
        web.failing = set()
        wait_until(lambda: health(server)[f"eu/{FIRST}"]["available"], "the target is up")
        assert addresses(server) == {FIRST, SECOND}


def test_drained_target_stays_out_when_all_others_fail(tmp_path: Path, zone: Path, web: Web) -> None:
    """With nothing left the pool fails open: with what checks have found down, not with what an operator took out."""
    policy = write_policy(tmp_path, web)
    with running(tmp_path, str(policy), str(zone), workers=2) as server:
        server.do(do="health", target=f"eu/{FIRST}", to="drain")
        web.failing = {SECOND}
        wait_until(lambda: not health(server)[f"eu/{SECOND}"]["available"], "the other one is down")
        assert addresses(server) == {SECOND}
        asked = {"do": "explain", "name": "www.example", "client": "127.0.0.1"}
        explained = server.do(**asked)["explanation"]
        assert [each["records"] for each in explained["answers"]] == [[f"A {SECOND}"]]
        (said,) = (each for each in explained["health"] if each["target"] == f"eu/{FIRST}")
        assert said["source"] == "set drain by hand"
        server.do(do="health", target=f"eu/{SECOND}", to="down")
        assert server.address_of("www.example") == "NOERROR", "without a record: this was said by hand too"
        fail_open = sum(each["fail_open"] for each in policy_statistics(server))
        assert fail_open == 20


def policy_statistics(server: Running) -> list[dict[str, int]]:
    found: list[dict[str, int]] = [
        each for worker in server.do(do="status")["workers"] for each in worker["policies"]
    ]
    return found


LOAD = 400
"""Queries a second: a tenth of what an uncompiled engine answers on a busy machine."""
LOAD_SECONDS = 8.0


def test_dead_target_is_in_no_answer_and_no_query_is_lost_while_targets_come_and_go(
    tmp_path: Path, zone: Path, web: Web
) -> None:
    """Under dnsperf's load: what was asked 100 ms after the checks have found a target dead is answered without it, by
    every worker, and the checks find it out in the time that they are declared to take."""
    policy = write_policy(tmp_path, web)
    times: list[tuple[float, float, float]] = []

    def since(server: Running, available: bool) -> float:
        def found() -> object:
            state = health(server)[f"eu/{FIRST}"]
            return state["available"] is available and state["since"]

        return float(wait_until(found, f"available is {available}"))

    with running(tmp_path, str(policy), str(zone), workers=2) as server:
        load = Load(tmp_path / "load", server.port, ["www.example A", "ns1.example A"], LOAD, LOAD_SECONDS)
        steady = Steady(server)
        while not load.is_over:
            killed = time.time()
            web.kill(FIRST)
            down = since(server, False)
            time.sleep(0.4)
            web.start(FIRST)
            times.append((killed, down, since(server, True)))
            wait_until(lambda: steady.answers[-1][1] == FIRST, "the target is answered again")
        steady.end()
        outcome = load.wait()
        queries = [worker["counters"]["queries"] for worker in server.status()["workers"]]
        assert sum(queries) >= outcome.sent
        assert all(queries), "each worker has had its share"
    assert (outcome.lost, steady.lost) == (0, 0)
    assert outcome.rcodes == {"NOERROR": outcome.sent}
    assert outcome.sent > LOAD * LOAD_SECONDS / 2
    assert len(times) >= 3
    for killed, down, up in times:
        assert 0.0 < down - killed < 2 * (0.11 + 1.0) + GENEROUS, "two checks, each a timeout at most"
        meanwhile = [address for asked, address in steady.answers if down + 0.1 < asked < up - 0.1]
        assert set(meanwhile) == {SECOND}


GENEROUS = 3.0
"""Seconds, for machines that do something else."""


def test_policies_change_under_load_without_a_lost_query(tmp_path: Path, zone: Path, web: Web) -> None:
    """As many answers as questions for dnsperf, while each change brings fresh workers on the same sockets."""
    write_policy(tmp_path, web, '"192.0.2.100"')
    (tmp_path / "pippin.toml").write_text('watch = false\nzones = "."\npolicies = ["traffic.py"]\n')
    with running(tmp_path, "-c", "pippin.toml", workers=2) as server:
        load = Load(tmp_path / "load", server.port, ["www.example A", "ns1.example A"], LOAD, LOAD_SECONDS)
        version = 0
        while not load.is_over:
            version += 1
            write_policy(tmp_path, web, f'"192.0.2.{100 + version}"')
            assert server.do(do="reload")["ok"]
            assert addresses(server, 5) == {f"192.0.2.{100 + version}"}
        outcome = load.wait()
    assert version >= 2
    assert outcome.lost == 0
    assert outcome.rcodes == {"NOERROR": outcome.sent}, server.output


def test_target_that_is_down_at_the_start_is_never_answered(tmp_path: Path, zone: Path, web: Web) -> None:
    web.failing = {SECOND}
    policy = write_policy(tmp_path, web)
    with running(tmp_path, str(policy), str(zone)) as server:
        assert addresses(server) == {FIRST}


def test_policies_change_without_a_lost_query(tmp_path: Path, zone: Path, web: Web) -> None:
    write_policy(tmp_path, web)
    (tmp_path / "pippin.toml").write_text('watch = false\nzones = "."\npolicies = ["traffic.py"]\n')
    with running(tmp_path, "-c", "pippin.toml", workers=2) as server:
        before = {worker["pid"] for worker in server.status()["workers"]}
        steady = Steady(server)
        for version in range(3):
            write_policy(tmp_path, web, f'"192.0.2.{100 + version}"')
            answer = server.do(do="reload")
            assert answer["ok"], answer
            assert answer["policies"]["generation"] == version + 2
            assert addresses(server) == {f"192.0.2.{100 + version}"}
        steady.end()
        assert steady.answered > 50
        assert steady.lost == 0
        workers = server.status()["workers"]
        assert not {worker["pid"] for worker in workers} & before
        assert [worker["restarts"] for worker in workers] == [0, 0]
        assert sum(worker["counters"]["queries"] for worker in workers) >= steady.answered
        for pid in before:
            wait_until(lambda pid=pid: not Path(f"/proc/{pid}").exists(), "the old workers are gone")  # type: ignore[misc]


def test_broken_policies_keep_the_old_ones_and_say_why(tmp_path: Path, zone: Path, web: Web) -> None:
    policy = write_policy(tmp_path, web, '"192.0.2.100"')
    (tmp_path / "pippin.toml").write_text('watch = false\nzones = "."\npolicies = ["traffic.py"]\n')
    with running(tmp_path, "-c", "pippin.toml") as server:
        steady = Steady(server, 1)
        for text, why in (
            ("x x", "traffic.py:1:3: SyntaxError"),
            ("\nimport nowhere", "traffic.py:2: ModuleNotFoundError"),
            ("import os; os._exit(3)", "importing ended the process (exit 3)"),
            (policy.read_text().replace("www.example", "example"), "SOA"),
        ):
            policy.write_text(text.replace('"A"', '"SOA"'))
            answer = server.do(do="reload")
            assert not answer["ok"]
            assert why in answer["policies"]["problems"][0]
            assert why in server.output
            assert not server.do(do="reload")["ok"], "it is still wrong"
        steady.end()
        assert steady.lost == 0
        assert addresses(server) == {"192.0.2.100"}
        assert "error: policies not changed, the old ones stay" in server.output
        write_policy(tmp_path, web, '"192.0.2.101"')
        assert server.do(do="reload")["ok"]
        assert addresses(server) == {"192.0.2.101"}


def test_who_asks_for_a_reload_is_told_what_the_watcher_has_done(tmp_path: Path, zone: Path, web: Web) -> None:
    """The file is noticed at once, so a reload right after it mostly comes second; each change is in the log once."""
    policy = write_policy(tmp_path, web, '"192.0.2.100"')
    with running(tmp_path, str(policy), str(zone)) as server:
        write_policy(tmp_path, web, '"192.0.2.101"')
        wait_until(lambda: "policies changed" in server.output, "the watcher has changed them")
        answer = server.do(do="reload")
        assert (answer["ok"], answer["policies"]["generation"]) == (True, 2)
        assert server.do(do="reload")["policies"] is None, "it has been told"
        policy.write_text("x x")
        wait_until(lambda: "policies not changed" in server.output, "the watcher has tried")
        answer = server.do(do="reload")
        assert not answer["ok"]
        assert "traffic.py:1:3: SyntaxError" in answer["policies"]["problems"][0]
        assert server.output.count("policies not changed") == 1
        assert server.output.count("SyntaxError") == 1
        assert not server.do(do="reload")["ok"], "asked once more it is tried once more"
        assert server.output.count("policies not changed") == 2


def test_wrong_policies_are_no_start(tmp_path: Path, zone: Path) -> None:
    (tmp_path / "helper.py").write_text("def broken():\n    raise LookupError('no such thing')\n")
    (tmp_path / "traffic.py").write_text("import helper\n\nhelper.broken()\n")
    server = Running(tmp_path, ["traffic.py", str(zone), "--listen", "127.0.0.1:0", "--workers", "1"], {})
    assert server.wait_exit() == 1
    assert "pippin: traffic.py:3: LookupError: no such thing" in server.output
    assert "helper.py\", line 2, in broken" in server.output
    assert "Supervisor" not in server.output


def test_changed_files_and_what_they_import_are_noticed(tmp_path: Path, zone: Path, web: Web) -> None:
    (tmp_path / "plans.py").write_text('MINE = "192.0.2.1"\n')
    policy = write_policy(tmp_path, web, 'plans.MINE')
    policy.write_text("import plans\n" + policy.read_text())
    with running(tmp_path, str(policy), str(zone)) as server:
        assert addresses(server) == {"192.0.2.1"}
        (tmp_path / "plans.py").write_text('MINE = "192.0.2.22"\n')
        wait_until(lambda: addresses(server) == {"192.0.2.22"}, "the module's change is answered")
        write_policy(tmp_path, web, '"192.0.2.3"')
        wait_until(lambda: addresses(server) == {"192.0.2.3"}, "the file's change is answered")


def test_hang_up_reads_policies_again_and_the_list_of_them(tmp_path: Path, zone: Path, web: Web) -> None:
    write_policy(tmp_path, web, '"192.0.2.100"')
    config = tmp_path / "pippin.toml"
    config.write_text('watch = false\nzones = "."\n')
    with running(tmp_path, "-c", "pippin.toml") as server:
        assert addresses(server) == {"192.0.2.10"}  # the zone's own
        config.write_text('watch = false\nzones = "."\npolicies = ["traffic.py"]\n')
        server.process.send_signal(signal.SIGHUP)
        wait_until(lambda: addresses(server) == {"192.0.2.100"}, "the policy answers")
        config.write_text('watch = false\nzones = "."\n')
        server.process.send_signal(signal.SIGHUP)
        wait_until(lambda: addresses(server) == {"192.0.2.10"}, "the zone answers")
        wait_until(lambda: server.status()["policies"]["checker"] is None, "nothing is checked any more")


def test_states_of_targets_outlive_a_reload(tmp_path: Path, zone: Path, web: Web) -> None:
    policy = write_policy(tmp_path, web)
    web.failing = {FIRST}
    with running(tmp_path, str(policy), str(zone)) as server:
        wait_until(lambda: not health(server)[f"eu/{FIRST}"]["available"], "the target is down")
        since = health(server)[f"eu/{FIRST}"]["since"]
        downs = server.output.count("target is down")
        seen: set[str] = set()
        over = threading.Event()

        def watch() -> None:
            while not over.is_set():
                seen.add(server.address_of("www.example"))

        thread = threading.Thread(target=watch)
        thread.start()
        write_policy(tmp_path, web, "pool  # changed")
        assert server.do(do="reload")["ok"]
        over.set()
        thread.join()
        assert seen == {SECOND}
        assert health(server)[f"eu/{FIRST}"]["since"] == since
        assert server.output.count("target is down") == downs


def test_removed_target_is_asked_no_more(tmp_path: Path, zone: Path, web: Web) -> None:
    policy = write_policy(tmp_path, web)
    with running(tmp_path, str(policy), str(zone)) as server:
        wait_until(lambda: web.asked[SECOND] > 2, "the target is checked")
        write_policy(tmp_path, web, targets=repr([FIRST]))
        assert server.do(do="reload")["ok"]
        asked = dict(web.asked)
        wait_until(lambda: web.asked[FIRST] > asked[FIRST] + 5, "the other one is still checked")
        assert web.asked[SECOND] == asked[SECOND]
        assert list(health(server)) == [f"eu/{FIRST}"]
        assert addresses(server) == {FIRST}


def test_target_set_by_hand_stays_so_over_a_restart(tmp_path: Path, zone: Path, web: Web) -> None:
    policy = write_policy(tmp_path, web)
    arguments = (str(policy), str(zone), "--state", str(tmp_path / "state"))
    with running(tmp_path, *arguments, workers=2) as server:
        assert addresses(server) == {FIRST, SECOND}
        states = server.do(do="health", target=f"eu/{FIRST}", to="drain")["targets"]
        assert [(state["available"], state["override"]) for state in states] == [(False, "drain"), (True, "auto")]
        assert addresses(server) == {SECOND}
        server.process.send_signal(signal.SIGTERM)
        server.wait_exit()
    (tmp_path / "log").unlink()
    with running(tmp_path, *arguments) as server:
        assert addresses(server) == {SECOND}
        assert server.do(do="health", target=f"eu/{FIRST}", to="auto")["ok"]
        assert addresses(server) == {FIRST, SECOND}
        web.failing = {FIRST}
        wait_until(lambda: not health(server)[f"eu/{FIRST}"]["available"], "the target is down")
        server.do(do="health", target=f"eu/{FIRST}", to="up")
        assert addresses(server) == {FIRST, SECOND}


def test_setting_by_hand_what_is_not_there_is_refused(tmp_path: Path, zone: Path, web: Web) -> None:
    policy = write_policy(tmp_path, web)
    with running(tmp_path, str(policy), str(zone)) as server:
        error = server.do(do="health", target="eu/192.0.2.77", to="down")["error"]
        assert error == "no target eu/192.0.2.77 here; there are eu/127.0.0.11, eu/127.0.0.12"
        error = server.do(do="health", target=f"eu/{FIRST}", to="away")["error"]
        assert error == "'away' is no state; right would be up, down, drain or auto"


def test_killed_checker_is_replaced_and_answers_go_on_meanwhile(tmp_path: Path, zone: Path, web: Web) -> None:
    policy = write_policy(tmp_path, web)
    web.failing = {FIRST}
    with running(tmp_path, str(policy), str(zone)) as server:
        wait_until(lambda: not health(server)[f"eu/{FIRST}"]["available"], "the target is down")
        pid = server.status()["policies"]["checker"]
        os.kill(pid, signal.SIGKILL)
        assert addresses(server) == {SECOND}
        wait_until(lambda: server.status()["policies"]["checker"] not in (None, pid), "there is another checker")
        assert "the checker died, health of targets stands still died=\"signal 9\"" in server.output
        assert addresses(server) == {SECOND}
        assert server.status()["policies"]["checker_restarts"] == 1
        web.failing = {SECOND}
        wait_until(lambda: addresses(server) == {FIRST}, "the new checker has noticed")


def test_processes_that_die_go_on_with_the_files_as_they_were_accepted(
    tmp_path: Path, zone: Path, web: Web
) -> None:
    """Somebody has broken the files, which was refused; hours later a worker and the checker die."""
    (tmp_path / "plans.py").write_text('MINE = "192.0.2.1"\n')
    policy = write_policy(tmp_path, web, "plans.MINE")
    policy.write_text("import plans\n" + policy.read_text())
    with running(tmp_path, str(policy), str(zone)) as server:
        assert addresses(server) == {"192.0.2.1"}
        wait_until(lambda: health(server)[f"eu/{FIRST}"]["checked"] == "up", "the target is checked")
        policy.write_text("x x")
        (tmp_path / "plans.py").unlink()
        wait_until(lambda: "policies not changed, the old ones stay" in server.output, "this is refused")
        (worker,) = server.status()["workers"]
        checker = server.status()["policies"]["checker"]
        os.kill(worker["pid"], signal.SIGKILL)
        os.kill(checker, signal.SIGKILL)
        wait_until(lambda: server.status()["policies"]["checker"] not in (None, checker), "there is a checker")
        wait_until(lambda: addresses(server) == {"192.0.2.1"}, "there is a worker")
        web.failing = {FIRST}
        wait_until(lambda: not health(server)[f"eu/{FIRST}"]["available"], "targets are checked")
        assert server.status()["workers"][0]["restarts"] == 1


def test_target_is_set_by_hand_while_there_is_no_checker(tmp_path: Path, zone: Path, web: Web) -> None:
    policy = write_policy(tmp_path, web)
    with running(tmp_path, str(policy), str(zone)) as server:
        wait_until(lambda: health(server)[f"eu/{FIRST}"]["checked"] == "up", "the target is checked")
        pid = server.status()["policies"]["checker"]
        os.kill(pid, signal.SIGSTOP)  # alive, but it will not say anything
        os.kill(pid, signal.SIGKILL)
        states = server.do(do="health", target=f"eu/{FIRST}", to="down")["targets"]
        assert [state["available"] for state in states] == [False, True]
        assert addresses(server) == {SECOND}


def test_status_has_what_workers_say_about_policies(tmp_path: Path, zone: Path, web: Web) -> None:
    policy = write_policy(tmp_path, web)
    with running(tmp_path, str(policy), str(zone)) as server:
        addresses(server)
        (worker,) = server.status()["workers"]
        (statistics,) = worker["policies"]
        assert (statistics["name"], statistics["type"]) == ("www.example", "A")
        assert statistics["hits"] + statistics["evaluations"] >= 20
        assert server.status()["policies"]["targets"] == 2


def test_nothing_is_left_when_the_server_ends(tmp_path: Path, zone: Path, web: Web) -> None:
    policy = write_policy(tmp_path, web)
    state = tmp_path / "state"
    with running(tmp_path, str(policy), str(zone), "--state", str(state)) as server:
        pid = server.status()["policies"]["checker"]
        write_policy(tmp_path, web, "pool  # changed")
        server.do(do="reload")
        wait_until(lambda: not Path(f"/proc/{pid}").exists(), "the old checker is gone")
        assert len(list(state.glob("health.*"))) == 1
        pid = server.status()["policies"]["checker"]
        server.process.send_signal(signal.SIGTERM)
        assert server.wait_exit() == 0
        assert not Path(f"/proc/{pid}").exists()
        assert not re.search("Traceback|never retrieved", server.output)
