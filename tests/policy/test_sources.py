"""Policy files and the modules beside them run as they were read, whatever becomes of the files."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

from pippin.policy.load import Loaded, load
from pippin.policy.sources import Sources

POLICY = """
from pippin import Policies
import {module}

policies = Policies()

@policies.answer("www.example", "A")
def www(client):
    return {module}.{answer}
"""


def answer(loaded: Loaded) -> object:
    assert not loaded.problems
    (policy,) = loaded.policies
    return policy.function(None)


def write(folder: Path, module: str, answer: str = "ANSWER") -> Path:
    path = folder / "traffic.py"
    path.write_text(POLICY.format(module=module, answer=answer))
    return path


def forget(*modules: str) -> None:
    """As in another process."""
    for module in modules:
        sys.modules.pop(module, None)


def test_what_was_read_can_be_run_after_the_files_are_gone(tmp_path: Path) -> None:
    (tmp_path / "gone_with.py").write_text("ANSWER = '192.0.2.1'\n")
    policy = write(tmp_path, "gone_with")
    first = load([str(policy)])
    assert set(first.sources) == {str(policy), str(tmp_path / "gone_with.py")}
    policy.write_text("x x")
    (tmp_path / "gone_with.py").unlink()
    forget("gone_with")
    assert answer(load([str(policy)], first.sources)) == "192.0.2.1"


def test_packages_and_modules_in_them_are_found(tmp_path: Path) -> None:
    package = tmp_path / "kept_package"
    package.mkdir()
    (package / "__init__.py").write_text("from .inner import ANSWER\n")
    (package / "inner.py").write_text("from kept_package import deep\nANSWER = deep.ANSWER\n")
    (package / "deep.py").write_text("ANSWER = '192.0.2.2'\n")
    policy = write(tmp_path, "kept_package")
    first = load([str(policy)])
    assert answer(first) == "192.0.2.2"
    assert len(first.sources) == 4
    for file in package.iterdir():
        if file.is_file():
            file.unlink()
    forget("kept_package", "kept_package.inner", "kept_package.deep")
    assert answer(load([str(policy)], first.sources)) == "192.0.2.2"


def test_module_imported_while_a_policy_runs_is_found_too(tmp_path: Path) -> None:
    (tmp_path / "late_one.py").write_text("ANSWER = '192.0.2.3'\n")
    path = tmp_path / "traffic.py"
    text = POLICY.format(module="os", answer="")
    path.write_text(text.replace("return os.", "import late_one\n    return late_one.ANSWER"))
    assert answer(load([str(path)])) == "192.0.2.3"


def test_edit_within_a_second_is_seen_by_the_next_process(tmp_path: Path) -> None:
    """Bytecode caches compare whole seconds and sizes, which are the same here."""
    policy = write(tmp_path, "quick_edit")
    helper = tmp_path / "quick_edit.py"
    code = (
        "import sys; from pippin.policy.load import load; "
        "print(load(sys.argv[1:]).policies[0].function(None))"
    )
    for expected in ("192.0.2.4", "192.0.2.5"):
        helper.write_text(f"ANSWER = '{expected}'\n")
        os.utime(helper, (1_700_000_000, 1_700_000_000))
        done = subprocess.run([sys.executable, "-c", code, str(policy)], capture_output=True, text=True, timeout=30)
        assert done.stdout == f"{expected}\n", done.stderr
    assert not (tmp_path / "__pycache__").exists()


def test_installed_packages_below_a_policys_folder_are_not_its_own(tmp_path: Path) -> None:
    installed = tmp_path / "venv" / "site-packages"
    installed.mkdir(parents=True)
    (installed / "of_the_system.py").write_text("ANSWER = '192.0.2.6'\n")
    policy = write(tmp_path, "of_the_system")
    policy.write_text(f"import sys\nsys.path.append({str(installed)!r})\n" + policy.read_text())
    loaded = load([str(policy)])
    assert answer(loaded) == "192.0.2.6"
    assert list(loaded.sources) == [str(policy)]


def test_error_in_a_module_names_the_module_and_its_line(tmp_path: Path) -> None:
    (tmp_path / "wrong_one.py").write_text("\nx x\n")
    (problem,) = load([str(write(tmp_path, "wrong_one"))]).problems
    assert problem.place == f"{tmp_path / 'wrong_one.py'}:2:3"


def test_file_is_read_once(tmp_path: Path) -> None:
    file = tmp_path / "a.py"
    file.write_text("1")
    sources = Sources()
    assert sources.read(str(file)) == b"1"
    file.write_text("2")
    assert sources.read(str(file)) == b"1"
    assert Sources(sources.texts).read(str(file)) == b"1"
    assert Sources().read(str(file)) == b"2"
