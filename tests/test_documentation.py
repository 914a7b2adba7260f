"""Every example in the README and in docs/ runs."""

from __future__ import annotations

import re
import shlex
import shutil
from pathlib import Path

import pytest

from pytest_templates.commands.main import main

ROOT = Path(__file__).parents[1]
# Pages without examples. test_map.py and test_client_matrix.py hold them to what there is.
OTHERS = {"architecture", "clients"}
SETTINGS = ("-o", "pythonpath=.", "-o", "asyncio_default_fixture_loop_scope=function")
PAGES = [ROOT / "README.md", *sorted(page for page in (ROOT / "docs").glob("*.md") if page.stem not in OTHERS)]

_CONSOLE = re.compile(r"^```console\n\$ (?P<command>python .*)\n(?P<output>[^`]+)^```$", re.MULTILINE)
_SET_UP = re.compile(r"^    (python3 -m venv .*)$", re.MULTILINE)
_BLOCK = re.compile(r"^```python\n(?P<code>.*?)^```$", re.DOTALL | re.MULTILINE)
_SHOWN = re.compile(
    r"^```(?:yaml|jinja)\n(?:# |\{# )fixtures/(?P<name>[\w./-]+)(?: #\})?\n(?P<text>.*?)^```$", re.DOTALL | re.MULTILINE
)
_FILE = re.compile(r"# (?P<name>\w+\.py)\n")


def commands(page: Path) -> list[tuple[str, str]]:
    """The commands of a page with what they say, where it shows that."""
    return _CONSOLE.findall(page.read_text(encoding="utf-8"))


def set_up_lines(page: Path) -> list[str]:
    """The lines that a page says to type where nothing is installed yet."""
    return _SET_UP.findall(page.read_text(encoding="utf-8"))


def shown_files(page: Path) -> dict[str, str]:
    """The files below fixtures/ that a page shows, with their text."""
    return {match["name"]: match["text"] for match in _SHOWN.finditer(page.read_text(encoding="utf-8"))}


@pytest.fixture(autouse=True)
def few_plugins(monkeypatch: pytest.MonkeyPatch) -> None:
    """No example needs the plugins of anyio and Hypothesis, which import much into each inner run."""
    monkeypatch.setenv("PYTEST_ADDOPTS", "-pno:anyio -pno:hypothesispytest -pno:langsmith_plugin")


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_the_examples_of_a_page_run(page: Path, pytester: pytest.Pytester) -> None:
    examples = {name_of(code): code for code in codes(page)}
    for name, code in examples.items():
        (pytester.path / name).write_text(code, encoding="utf-8")
    for name in shown_files(page):
        path = pytester.path / "fixtures" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(ROOT / "fixtures" / name, path)
    if snapshots_of(page).is_dir():
        shutil.copytree(snapshots_of(page), pytester.path / "__snapshots__")
    copy_reports(pytester.path)

    result = pytester.runpytest_inprocess(
        "-q", "-p", "no:cacheprovider", *SETTINGS, f"--templates-cassettes={cassettes_of(page)}"
    )

    assert result.ret == 0, result.stdout.str()
    assert result.parseoutcomes()["passed"] >= 1


@pytest.mark.parametrize("page", [page for page in PAGES if commands(page)], ids=lambda page: page.stem)
def test_the_commands_of_a_page_say_what_it_shows(
    page: Path, pytester: pytest.Pytester, capsys: pytest.CaptureFixture[str]
) -> None:
    if cassettes_of(page).is_dir():
        shutil.copytree(cassettes_of(page), pytester.path / "cassettes")
    copy_reports(pytester.path)
    pytester.makeini("[pytest]")

    for command, output in commands(page):
        python, flag, module, *words = shlex.split(command)
        assert (python, flag, module) == ("python", "-m", "pytest_templates")
        main(words)

        assert capsys.readouterr().out == output


def test_contributors_and_ci_type_the_line_of_the_readme() -> None:
    demo, suite = set_up_lines(ROOT / "README.md")

    assert demo.endswith("-m pytest_templates demo")
    assert set_up_lines(ROOT / "CONTRIBUTING.md") == [suite]
    assert f"\nstep sh -c '{suite}'\n" in (ROOT / ".ci" / "run").read_text(encoding="utf-8")


def test_every_page_has_an_example() -> None:
    assert all(list(codes(page)) for page in PAGES)


def copy_reports(folder: Path) -> None:
    """Put the reports of earlier runs, which pages compare, into a folder."""
    for report in (ROOT / "docs" / "reports").iterdir():
        shutil.copy(report, folder)


def cassettes_of(page: Path) -> Path:
    return ROOT / "docs" / "cassettes" / page.stem


def snapshots_of(page: Path) -> Path:
    return ROOT / "docs" / "__snapshots__" / page.stem


@pytest.mark.parametrize("page", [page for page in PAGES if shown_files(page)], ids=lambda page: page.stem)
def test_a_page_shows_the_files_that_its_examples_read(page: Path) -> None:
    for name, text in shown_files(page).items():
        assert text == (ROOT / "fixtures" / name).read_text(encoding="utf-8"), name


def test_a_page_shows_the_snapshots_that_its_examples_have() -> None:
    page = ROOT / "docs" / "snapshots.md"

    for name in ("test_a_refund", "test_a_photo"):
        text = (snapshots_of(page) / "test_refund" / f"{name}.chat").read_text("utf-8")
        assert f"```text\n{text}```" in page.read_text("utf-8")


def test_a_page_shows_what_a_changed_snapshot_says(pytester: pytest.Pytester) -> None:
    page = ROOT / "docs" / "snapshots.md"
    shown = page.read_text("utf-8")
    shutil.copytree(snapshots_of(page), pytester.path / "__snapshots__")
    code = codes(page)[0].replace("Be brief.", "Be kind.").replace("for 30 days", "for 14 days")
    (pytester.path / name_of(code)).write_text(code.replace("Is it this one?", "Is it that one?"), encoding="utf-8")

    result = pytester.runpytest_inprocess("-p", "no:cacheprovider", *SETTINGS)

    said = "\n".join(line for line in result.outlines if line.startswith("E "))
    [block] = re.findall(r"^```text\n(E .*?)\n```", shown, re.DOTALL | re.MULTILINE)
    assert block in said
    assert "our prompt, or what the user answered, changed in photo/user-1:" in said
    assert "`our prompt, or what the user answered, changed in desk/answer`" in shown


def test_a_page_shows_the_lock_of_its_example(pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("CI", raising=False)  # there, nothing is written
    page = ROOT / "docs" / "lock.md"
    for code in codes(page):
        (pytester.path / name_of(code)).write_text(code, encoding="utf-8")

    pytester.runpytest_inprocess("-p", "no:cacheprovider", *SETTINGS, "--templates-lock=update")

    assert f"```toml\n{(pytester.path / 'templates.lock').read_text('utf-8')}```" in page.read_text("utf-8")


def test_a_page_shows_what_the_precise_guard_says_of_its_example(pytester: pytest.Pytester) -> None:
    page = ROOT / "docs" / "isolation.md"
    code = codes(page)[0]
    (pytester.path / name_of(code)).write_text(code, encoding="utf-8")
    [shown] = re.findall(r"^```text\n(IsolationViolation: .*?)^```", page.read_text("utf-8"), re.DOTALL | re.MULTILINE)

    result = pytester.runpytest_inprocess("-p", "no:cacheprovider", *SETTINGS, "--templates-isolation=precise")

    assert shown in str(result.stdout).replace(f"{pytester.path}/", "")


def codes(page: Path) -> list[str]:
    return [match["code"] for match in _BLOCK.finditer(page.read_text(encoding="utf-8"))]


def name_of(code: str) -> str:
    found = _FILE.match(code)
    assert found, f"an example begins with the name of its file, as in '# test_it.py':\n{code}"
    return found["name"]
