"""The running server: reload, broken files, dying workers, signals."""

from __future__ import annotations

import os
import signal
import socket
import threading
import time
from pathlib import Path

import dns.message
import dns.name
import pytest

from tests.control.running import Running, clients, running, wait_until, write_zone


@pytest.fixture
def zone(tmp_path: Path) -> Path:
    return write_zone(tmp_path / "example.zone")


def test_reload_serves_the_new_version(tmp_path: Path, zone: Path) -> None:
    (tmp_path / "pippin.toml").write_text('watch = false\n[[zone]]\nfile = "example.zone"\n')
    with running(tmp_path, "-c", "pippin.toml") as server:
        assert server.address_of("www.example") == "192.0.2.10"
        nothing = {"ok": True, "configuration": "", "zones": [], "policies": None, "away": []}
        assert server.do(do="reload") == nothing
        write_zone(zone, serial=2, address="192.0.2.20")
        answer = server.do(do="reload")
        assert [(z["zone"], z["serial"], z["published"]) for z in answer["zones"]] == [("example", 2, True)]
        assert server.address_of("www.example") == "192.0.2.20"
        assert server.address_of("www.example", tcp=True) == "192.0.2.20"


def test_broken_file_keeps_the_old_zone_and_says_why(tmp_path: Path, zone: Path) -> None:
    with running(tmp_path, str(zone)) as server:
        zone.write_text(zone.read_text() + "bad A 999.1.2.3\n")
        answer = server.do(do="reload", zone="Example.")
        assert not answer["ok"]
        assert "999.1.2.3" in answer["zones"][0]["problems"][0]
        assert server.address_of("www.example") == "192.0.2.10"
        assert "example.zone:8:7: '999.1.2.3' is not an IPv4 address" in server.output
        assert "error: zone not changed, the old one stays" in server.output


def test_zone_that_is_not_there_cannot_be_reloaded(tmp_path: Path, zone: Path) -> None:
    with running(tmp_path, str(zone)) as server:
        assert "no zone other.example here" in server.do(do="reload", zone="other.example")["error"]
        assert "known: explain, health, reload, status, stop, zones" in server.do(do="dance")["error"]


def test_hang_up_reads_configuration_and_zones_again(tmp_path: Path, zone: Path) -> None:
    config = tmp_path / "pippin.toml"
    config.write_text('watch = false\n[[zone]]\nfile = "example.zone"\n')
    with running(tmp_path, "-c", "pippin.toml") as server:
        write_zone(zone, serial=2, address="192.0.2.20")
        write_zone(tmp_path / "more.zone", "more")
        config.write_text(config.read_text() + '[[zone]]\nfile = "more.zone"\n')
        server.process.send_signal(signal.SIGHUP)
        wait_until(lambda: server.address_of("www.more") == "192.0.2.10", "the new zone answers")
        wait_until(lambda: server.address_of("www.example") == "192.0.2.20", "the changed zone answers")
        config.write_text("workerz = 1\n")
        server.process.send_signal(signal.SIGHUP)
        wait_until(lambda: "did you mean 'workers'" in server.output, "the mistake is told")
        assert server.address_of("www.example") == "192.0.2.20"
        config.write_text('watch = false\nqueue_size = 7\n[[zone]]\nfile = "more.zone"\n')
        server.process.send_signal(signal.SIGHUP)
        wait_until(lambda: server.address_of("www.example") == "REFUSED", "the zone is withdrawn")
        assert "take effect after a restart settings=queue_size" in server.output


def test_changed_new_and_removed_files_are_noticed(tmp_path: Path) -> None:
    folder = tmp_path / "zones"
    folder.mkdir()
    write_zone(folder / "a.zone", "a")
    with running(tmp_path, "zones") as server:
        write_zone(folder / "a.zone", "a", 2, "192.0.2.20")
        write_zone(folder / "b.zone", "b")
        wait_until(lambda: server.address_of("www.a") == "192.0.2.20", "the changed file is served")
        wait_until(lambda: server.address_of("www.b") == "192.0.2.10", "the new file is served")
        (folder / "a.zone").unlink()
        wait_until(lambda: server.address_of("www.a") == "REFUSED", "the removed file's zone is gone")
        assert server.address_of("www.b") == "192.0.2.10"


def test_broken_file_is_served_as_soon_as_it_is_mended(tmp_path: Path, zone: Path) -> None:
    zone.write_text("@ A not-an-address\n")
    write_zone(tmp_path / "other.zone", "other")
    with running(tmp_path, f"example={zone}", "other.zone") as server:
        assert server.address_of("www.other") == "192.0.2.10"
        assert "1 zone not served, the reasons are above" in server.output
        write_zone(zone)
        wait_until(lambda: server.address_of("www.example") == "192.0.2.10", "the mended file is served")


def test_zone_that_is_not_ready_is_servfail_and_never_forwarded(tmp_path: Path, zone: Path) -> None:
    """RFC 8914 section 4.15. The upstream hears of other names, so it would of these."""
    zone.write_text("@ A not-an-address\n")
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as upstream:
        upstream.bind(("127.0.0.1", 0))
        upstream.settimeout(5)
        config = tmp_path / "pippin.toml"
        config.write_text(
            f'[[zone]]\norigin = "example"\nfile = "{zone}"\n'
            f'[forward]\nupstreams = ["127.0.0.1:{upstream.getsockname()[1]}"]\npatience = 0.2\n'
        )
        with running(tmp_path, "-c", str(config)) as server:
            assert server.address_of("www.example") == "SERVFAIL"
            assert server.address_of("www.example", tcp=True) == "SERVFAIL"
            (listed,) = server.do(do="zones")["zones"]
            assert (listed["zone"], listed["state"], listed["published"]) == ("example", "not ready", False)
            assert server.status()["workers"][0]["counters"]["not_ready"] == 2
            assert server.address_of("www.other") == "SERVFAIL"
            asked = dns.message.from_wire(upstream.recv(1232))
            assert asked.question[0].name == dns.name.from_text("www.other")
            write_zone(zone)
            wait_until(lambda: server.address_of("www.example") == "192.0.2.10", "the mended file is served")


def test_same_zone_twice_is_refused_and_the_first_wins(tmp_path: Path, zone: Path) -> None:
    write_zone(tmp_path / "again.zone", serial=5, address="192.0.2.55")
    with running(tmp_path, str(zone), "again.zone") as server:
        assert server.address_of("www.example") == "192.0.2.10"
        assert "again.zone: zone example is served from" in server.output
        assert "the first one listed wins" in server.output


def test_nothing_to_serve_is_a_failure(tmp_path: Path) -> None:
    server = Running(tmp_path, ["nope.zone", "--listen", "127.0.0.1:0", "--workers", "1"], {})
    assert server.wait_exit() == 1
    assert "nope.zone: the file cannot be read" in server.output
    assert "no zone could be served" in server.output


def test_port_in_use_is_a_failure_with_a_hint(tmp_path: Path, zone: Path) -> None:
    with running(tmp_path, str(zone)) as server:
        folder = tmp_path / "second"
        folder.mkdir()
        second = Running(folder, [str(zone), "--listen", f"127.0.0.1:{server.port}"], {})
        assert second.wait_exit() == 1
        assert (
            f"cannot listen on 127.0.0.1:{server.port} (UDP): another program listens there" in second.output
        )


def test_killed_worker_is_replaced_and_the_others_answer_meanwhile(tmp_path: Path, zone: Path) -> None:
    query = dns.message.make_query("www.example", "A").to_wire()
    with running(tmp_path, str(zone), workers=3) as server:
        before = [worker["pid"] for worker in server.status()["workers"]]
        answered = lost = 0
        over = threading.Event()

        def ask_on(sock: socket.socket) -> None:
            nonlocal answered, lost
            while not over.is_set():
                sock.send(query)
                try:
                    sock.recv(4096)
                    answered += 1
                except TimeoutError:
                    lost += 1
                time.sleep(0.005)

        threads = [threading.Thread(target=ask_on, args=(sock,)) for sock in clients(server, 6)]
        for thread in threads:
            thread.start()
        time.sleep(0.2)
        os.kill(before[1], signal.SIGKILL)
        wait_until(lambda: _all_answer(server, before[1]), "another worker answers")
        time.sleep(0.2)
        over.set()
        for thread in threads:
            thread.join()
        after = server.status()["workers"]
        assert [worker["restarts"] for worker in after] == [0, 1, 0]
        assert [after[0]["pid"], after[2]["pid"]] == [before[0], before[2]]
        assert "a worker died, starting another worker=1 died=SIGKILL" in server.output
        # A socket outlives its worker: only what the dead one had taken in is lost, and what waits longer than 0.5 s
        assert answered > 50
        assert lost <= 12


def _all_answer(server: Running, dead: int) -> bool:
    workers = server.status()["workers"]
    return all(worker["answering"] and worker["pid"] != dead for worker in workers)


def test_new_worker_serves_what_was_changed_since(tmp_path: Path, zone: Path) -> None:
    with running(tmp_path, str(zone)) as server:
        write_zone(zone, serial=2, address="192.0.2.20")
        server.do(do="reload")
        pid = server.status()["workers"][0]["pid"]
        os.kill(pid, signal.SIGTERM)
        wait_until(lambda: _all_answer(server, pid), "another worker answers")
        assert server.address_of("www.example") == "192.0.2.20"


@pytest.mark.parametrize(("number", "code"), [(signal.SIGTERM, 0), (signal.SIGINT, 130)])
def test_signals_end_the_server_and_nothing_is_left(
    tmp_path: Path, zone: Path, number: int, code: int
) -> None:
    temporary = tmp_path / "tmp"
    temporary.mkdir()
    with running(tmp_path, str(zone), workers=2, TMPDIR=str(temporary)) as server:
        pids = [worker["pid"] for worker in server.status()["workers"]]
        server.process.send_signal(number)
        assert server.wait_exit() == code
        assert list(temporary.iterdir()) == []
        assert not server.control.exists()
        for pid in pids:
            wait_until(lambda pid=pid: not Path(f"/proc/{pid}").exists(), "the workers are gone")  # type: ignore[misc]


def test_stop_command_ends_like_sigterm(tmp_path: Path, zone: Path) -> None:
    with running(tmp_path, str(zone)) as server:
        assert server.do(do="stop") == {"ok": True}
        assert server.wait_exit() == 0


def test_sigterm_answers_what_was_asked_before(tmp_path: Path, zone: Path) -> None:
    """Fifty questions that are not read yet when the signal comes still get their replies."""
    query = dns.message.make_query("www.example", "A").to_wire()
    with running(tmp_path, str(zone)) as server:
        (sock,) = clients(server, 1)
        pid = server.status()["workers"][0]["pid"]
        os.kill(pid, signal.SIGSTOP)
        for _ in range(50):
            sock.send(query)
        server.process.send_signal(signal.SIGTERM)
        time.sleep(0.1)
        os.kill(pid, signal.SIGCONT)
        assert server.wait_exit() == 0
        assert sum(1 for _ in range(50) if sock.recv(4096)) == 50


def test_workers_outlive_the_control_process_for_a_while(tmp_path: Path, zone: Path) -> None:
    with running(tmp_path, str(zone)) as server:
        pid = server.status()["workers"][0]["pid"]
        server.process.kill()
        server.process.wait()
        assert server.address_of("www.example") == "192.0.2.10"
        os.kill(pid, signal.SIGTERM)
        wait_until(lambda: not Path(f"/proc/{pid}").exists(), "the worker is gone")


def test_ready_and_stopping_are_told_to_systemd(tmp_path: Path, zone: Path) -> None:
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as listener:
        listener.bind(str(tmp_path / "notify"))
        listener.settimeout(10)
        with running(tmp_path, str(zone), NOTIFY_SOCKET=str(tmp_path / "notify")) as server:
            assert listener.recv(100) == b"READY=1"
            server.process.send_signal(signal.SIGHUP)
            assert listener.recv(100).startswith(b"RELOADING=1\nMONOTONIC_USEC=")
            assert listener.recv(100) == b"READY=1"
            server.process.send_signal(signal.SIGTERM)
            assert listener.recv(100) == b"STOPPING=1"


def test_journal_lines_have_no_time_of_their_own(tmp_path: Path, zone: Path) -> None:
    zone.write_text(zone.read_text() + "mx MX 10 nobody\n")
    with running(tmp_path, str(zone), JOURNAL_STREAM="1:2") as server:
        assert server.output.startswith("warning: ")


def test_killed_control_process_leaves_workers_that_answer_until_the_next_one_serves(
    tmp_path: Path, zone: Path
) -> None:
    with running(tmp_path, "example.zone") as first:
        port = first.port
        first.process.kill()
        first.process.wait()
        assert first.address_of("www.example") == "192.0.2.10"
        with running(tmp_path, "example.zone", listen=f"127.0.0.1:{port}") as second:
            wait_until(lambda: second.output.count("\ntry:  dig") == 2, "the next one serves")  # one log for both
            assert "the control process is gone, going on without it" in second.output
            assert second.address_of("www.example") == "192.0.2.10"
