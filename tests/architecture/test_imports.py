"""What is imported, by what, and when."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from types import ModuleType

import pytest

HEAVY = {"antiphon", "jinja2", "pydantic", "pydantic_ai", "vcr", "syrupy", "openai", "yaml", "anyio", "ci_info"}


def test_importing_the_plugin_loads_nothing_heavy(loaded_by: Callable[..., set[str]]) -> None:
    loaded = loaded_by("-c", "import pytest_templates.plugin")

    assert "pytest_templates" in loaded
    assert loaded & HEAVY == set()


def test_a_test_run_that_has_no_use_for_the_plugin_loads_nothing_heavy(
    loaded_by: Callable[..., set[str]], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PYTEST_DISABLE_PLUGIN_AUTOLOAD", "1")
    (tmp_path / "test_nothing.py").write_text("def test_nothing():\n    pass\n", encoding="utf-8")

    loaded = loaded_by("-m", "pytest", "-p", "pytest_templates.plugin", "test_nothing.py")

    assert "pytest_templates" in loaded
    assert loaded & HEAVY == set()


def test_importing_the_engine_loads_no_provider_and_no_test_runner(loaded_by: Callable[..., set[str]]) -> None:
    loaded = loaded_by("-c", "import antiphon")

    assert "antiphon" in loaded
    assert loaded & {"pydantic_ai", "openai", "anyio", "yaml", "pytest", "pytest_templates"} == set()


BLOCKING = """
from antiphon import *

class Echo(Model):
    def _send(self, session):
        return "Yes."

turn = LinearTemplate([UserTemplate("Hi"), AssistantTemplate()])
runner = Runner(Echo(), template=LinearTemplate([turn, SubroutineTemplate(turn), ParallelTemplate([turn])]))
assert runner.run().last.content == "Yes."
assert [*runner.stream()]
"""


def test_a_program_that_only_blocks_loads_no_event_loop(loaded_by: Callable[..., set[str]]) -> None:
    assert loaded_by("-c", BLOCKING) & {"asyncio", "concurrent"} == set()


def test_only_a_conversation_by_turns_loads_what_goes_on_with_one() -> None:
    run_to_its_end, advanced = loaded_of_engine(BLOCKING), loaded_of_engine(f"{BLOCKING}\nrunner.advance(Session())")

    assert advanced - run_to_its_end == {"antiphon.advance", "antiphon.playback", "antiphon.progress"}


def loaded_of_engine(program: str) -> set[str]:
    """The modules of the engine that a program has loaded in the end."""
    tell = "import sys; print(*[name for name in sys.modules if name.partition('.')[0] == 'antiphon'])"
    script = [sys.executable, "-c", f"{program}\n{tell}"]
    return set(subprocess.run(script, capture_output=True, text=True, timeout=120, check=True).stdout.split())


COUNTING = """
import sys, antiphon
from pydantic import BaseModel

modules = {name: module for name, module in sys.modules.items() if name.partition(".")[0] == "antiphon"}
classes = {one for module in modules.values() for one in vars(module).values()
           if isinstance(one, type) and one.__module__ in modules}
dataclasses = sum("__dataclass_params__" in vars(one) for one in classes)
print(len(modules), dataclasses, sum(issubclass(one, BaseModel) and one.__pydantic_complete__ for one in classes))
"""


def test_importing_the_engine_makes_no_more_than_what_most_programs_use() -> None:
    run = subprocess.run([sys.executable, "-c", COUNTING], capture_output=True, text=True, timeout=120, check=True)
    modules, dataclasses, models = map(int, run.stdout.split())

    assert modules <= 58
    assert dataclasses <= 18  # a frozen one takes as long as three modules
    assert models == 0  # pydantic builds what checks them when the first one is made


def test_naming_a_real_model_loads_no_provider(loaded_by: Callable[..., set[str]]) -> None:
    loaded = loaded_by("-c", "import antiphon; antiphon.AssistantTemplate(model='openai:gpt-4o-mini')")

    assert loaded & {"pydantic_ai", "openai", "anyio"} == set()


def test_imports_run_downward_only(root: Path) -> None:
    lint = [sys.executable, "-c", "from importlinter.cli import lint_imports_command as lint; lint()"]
    run = subprocess.run([*lint, "--no-cache"], cwd=root, capture_output=True, text=True, timeout=120, check=False)

    assert run.returncode == 0, run.stdout + run.stderr


def test_no_imports_run_in_a_circle(structure: ModuleType, packages: dict[str, Path]) -> None:
    assert structure.circles(structure.modules_of(packages)) == []


@pytest.mark.parametrize(
    "back",
    [
        "from package import one",
        "from package.one import thing",
        "import package.one",
        "def function():\n    from package.one import thing",
        "from typing import TYPE_CHECKING\nif TYPE_CHECKING:\n    from package.one import thing",
        "from package import room",
    ],
)
def test_an_import_back_makes_a_circle(structure: ModuleType, tmp_path: Path, back: str) -> None:
    modules = {
        "__init__.py": "",
        "one.py": "from package import two\nthing = 1\n",
        "two.py": back,
        "room/__init__.py": "from package.one import thing\n",
        "program/script.py": "from package import one\n",
    }
    for name, text in modules.items():
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text(text, encoding="utf-8")

    (circle,) = structure.circles(structure.modules_of({"package": tmp_path}))

    assert circle[0] == "package.one"
    assert circle[-1] == "package.two"


def test_what_only_one_of_two_imports_is_no_circle(structure: ModuleType, tmp_path: Path) -> None:
    (tmp_path / "__init__.py").write_text("from package.two import thing\n", encoding="utf-8")
    (tmp_path / "one.py").write_text("from package import two\n", encoding="utf-8")
    (tmp_path / "two.py").write_text("import pytest\nthing = 1\n", encoding="utf-8")

    assert structure.circles(structure.modules_of({"package": tmp_path})) == []
