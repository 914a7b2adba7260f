"""The command ``antiphon``."""

from __future__ import annotations

import io
import subprocess
import sys
from collections.abc import Callable, Iterator
from importlib.metadata import version
from itertools import count
from pathlib import Path

import pytest

from antiphon import Session
from antiphon.cli import main

NUMBERS = count(1)
PROGRAM = """
import antiphon
from antiphon import (
    AssistantTemplate, IfTemplate, EndTemplate, LinearTemplate, LoopTemplate, Model, SystemTemplate, UserTemplate
)


class Echo(Model):
    name = "echo"

    def _send(self, session):
        return f"You said: {session.last.content}"


def is_bye(session):
    return session.last.content == "bye"


def talk(model=Echo()):
    return LinearTemplate(
        [
            SystemTemplate("You speak {{ language | default('English') }}."),
            LoopTemplate(
                [
                    UserTemplate(description="You", template_id="question"),
                    IfTemplate(is_bye, EndTemplate("Farewell."), AssistantTemplate(model=model, template_id="answer")),
                ],
                template_id="turns",
            ),
        ],
        template_id="talk",
    )


tree = talk()
"""
Write = Callable[[str], str]
Status = Callable[..., int]


@pytest.fixture
def module(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Write]:
    """Writes a module into the current folder, under a name that no other test uses."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", [*sys.path])
    written: list[str] = []

    def write(code: str) -> str:
        written.append(f"cli_program_{next(NUMBERS)}")
        (tmp_path / f"{written[-1]}.py").write_text(code, encoding="utf-8")
        return written[-1]

    yield write
    for name in written:
        sys.modules.pop(name, None)


@pytest.fixture
def program(module: Write) -> str:
    return module(PROGRAM)


@pytest.fixture
def typing(monkeypatch: pytest.MonkeyPatch) -> Callable[..., None]:
    """Types lines at the terminal; after them the input is at its end."""

    def typing(*lines: str) -> None:
        monkeypatch.setattr("sys.stdin", io.StringIO("".join(f"{line}\n" for line in lines)))

    return typing


def saved(file: Path) -> Session:
    return Session.model_validate_json(file.read_bytes())


def test_a_conversation_is_held(program: str, typing: Callable[..., None], capsys: pytest.CaptureFixture[str]) -> None:
    typing("Hello.", "bye")

    assert main(["run", f"{program}:tree"]) == 0
    assert capsys.readouterr().out == (
        "system: You speak English.  [talk/system-1]\n"
        "You: assistant: You said: Hello.  [talk/turns@1/if-2/answer · echo]\n"
        "You: assistant: Farewell.  [talk/turns@2/if-2/end-1]\n"
    )


@pytest.mark.parametrize(
    ("given", "value"),
    [
        ("French", "French"),
        ('"French"', "French"),
        ("3", 3),
        ("[1, 2]", [1, 2]),
        ("true", True),
        ("a=b", "a=b"),
        ("", ""),
    ],
)
def test_set_gives_values_to_templates(
    program: str, given: str, value: object, typing: Callable[..., None], tmp_path: Path
) -> None:
    typing()

    assert main(["run", f"{program}:tree", "--set", f"language={given}", "--set", "x=1", "--save", "s.json"]) == 1
    assert saved(tmp_path / "s.json").metadata == {"language": value, "x": 1}
    assert saved(tmp_path / "s.json").messages[0].content == f"You speak {value}."


FAILING = """
from antiphon import AssistantTemplate, LinearTemplate, Model, UserTemplate
from antiphon.errors import RateLimitError

class Failing(Model):
    def _send(self, session):
        raise ERROR

tree = LinearTemplate([UserTemplate("Hello."), AssistantTemplate(model=Failing(), template_id="answer")])
"""


def test_an_error_of_a_model_is_one_message_and_the_session_is_saved(
    module: Write, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    name = module(FAILING.replace("ERROR", "RateLimitError('too many requests', retry_after=2)"))

    assert main(["run", f"{name}:tree", "--save", "s.json"]) == 1
    assert capsys.readouterr().err == (
        "antiphon: too many requests\nin the template at 'linear/answer'\nantiphon: saved as s.json\n"
    )
    assert saved(tmp_path / "s.json").last.content == "Hello."


def test_an_error_of_the_program_is_its_own_and_the_session_is_saved(module: Write, tmp_path: Path) -> None:
    name = module(FAILING.replace("ERROR", "ZeroDivisionError('a bug')"))

    with pytest.raises(ZeroDivisionError, match="a bug"):
        main(["run", f"{name}:tree", "--save", "s.json"])

    assert saved(tmp_path / "s.json").last.content == "Hello."


def test_models_that_cannot_be_connected_are_named_before_the_user_is_asked(
    module: Write, typing: Callable[..., None], capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("OPENAI_API_KEY", "ANTHROPIC_API_KEY"):
        monkeypatch.delenv(name, raising=False)
    name = module(
        "from antiphon import *\n"
        "inner = SubroutineTemplate(LinearTemplate([AssistantTemplate()]), model='anthropic:claude-haiku-4-5')\n"
        "answers = [AssistantTemplate(model='openai:gpt-4o-mini') for _ in range(2)]\n"
        "second = CachedModel(FallbackModel(['openai:gpt-4o-mini', RetryingModel('anthropic:claude-x')]))\n"
        "answers.append(AssistantTemplate(model=second))\n"
        "tree = LinearTemplate([UserTemplate(description='You'), *answers, inner])\n"
    )
    typing()

    assert main(["run", f"{name}:tree"]) == 1
    said = capsys.readouterr()
    assert said.out == "You: \n"
    assert said.err.splitlines()[::2] == [
        "antiphon: warning: 'openai:gpt-4o-mini' cannot be connected: there is no key",
        "antiphon: warning: 'anthropic:claude-x' cannot be connected: there is no key",
        "antiphon: warning: 'anthropic:claude-haiku-4-5' cannot be connected: there is no key",
        "antiphon: broken off: the input has ended",
    ]


def test_the_default_model_is_named_only_where_it_is_asked(
    module: Write, typing: Callable[..., None], capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("antiphon.providers.local.find_spec", lambda name: None)
    name = module(f"{PROGRAM}\nasking = LinearTemplate([AssistantTemplate()])\n")
    typing()

    main(["run", f"{name}:tree"])
    assert capsys.readouterr().err == "antiphon: broken off: the input has ended\n"
    main(["run", f"{name}:asking"])
    assert capsys.readouterr().err.startswith("antiphon: warning: 'local:smollm2-135m' cannot be connected: xllamacpp")


@pytest.mark.parametrize(
    ("arguments", "complaint"),
    [
        (["{}:nothing"], "there is no 'nothing' in the module '{}'; there is is_bye, talk, tree"),
        (["{}:tree", "--model", "small"], "'small' does not name a model"),
        (["{}:tree", "--model", "local:none"], "there is no local model 'none'; there is 'smollm2-135m'"),
        (["{}:tree", "--resume", "nothing.json"], "nothing.json cannot be read: No such file"),
        (["{}:tree", "--resume", "{}.py"], "{}.py holds no saved session"),
        (["{}:tree", "--save", "nowhere/s.json"], "nowhere does not exist"),
        (["{}:tree", "--save", "."], "that is a folder"),
    ],
)
def test_what_cannot_begin_says_why(
    program: str, arguments: list[str], complaint: str, typing: Callable[..., None], capsys: pytest.CaptureFixture[str]
) -> None:
    typing()

    assert main(["run", *(argument.replace("{}", program) for argument in arguments)]) == 2
    error = capsys.readouterr().err
    assert error.startswith("antiphon: ")
    assert complaint.replace("{}", program) in error


@pytest.mark.parametrize("name", ["{}:tree", "{}:make"])
@pytest.mark.parametrize("command", ["run", "show"])
def test_a_mistake_in_the_program_is_said_with_its_line(
    module: Write, command: str, name: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    code = "from antiphon import LinearTemplate\n\ndef make():\n    return LinearTemplate(\n        [3],\n    )\n"
    written = module(code + "\ntree = make()\n" * ("tree" in name))

    assert main([command, name.replace("{}", written)]) == 2
    assert capsys.readouterr().err == (
        f"antiphon: templates[0] of LinearTemplate takes a template, not int: 3\nbuilt at {tmp_path / written}.py:4\n"
    )


def test_a_program_s_own_end_of_file_is_not_the_user_s(module: Write, typing: Callable[..., None]) -> None:
    name = module(FAILING.replace("ERROR", "EOFError('half a file')"))
    typing()

    with pytest.raises(EOFError, match="half a file"):
        main(["run", f"{name}:tree"])


def test_the_version_is_told(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as caught:
        main(["--version"])

    assert (caught.value.code, capsys.readouterr().out) == (0, f"antiphon {version('antiphon')}\n")


@pytest.mark.parametrize("setting", ["language", "=French"])
def test_a_setting_has_a_key_and_a_value(program: str, setting: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as caught:
        main(["run", f"{program}:tree", "--set", setting])

    assert caught.value.code == 2
    assert f"{setting!r} is not KEY=VALUE" in capsys.readouterr().err


def test_a_tree_is_shown(program: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["show", f"{program}:tree"]) == 0
    assert "        └── answer (assistant)  if false · model: echo\n" in capsys.readouterr().out


def test_a_tree_is_shown_as_a_flowchart(program: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["show", f"{program}:tree", "--mermaid"]) == 0
    assert capsys.readouterr().out.startswith('flowchart TD\n    n1["talk (linear)"]\n')


def test_a_reader_that_has_read_enough_is_no_error(program: str, tmp_path: Path) -> None:
    command = [sys.executable, "-m", "antiphon", "show", f"{program}:tree"]
    with subprocess.Popen(command, cwd=tmp_path, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        process.stdout.close()
        assert process.stderr is not None
        assert process.stderr.read() == ""


def test_help_imports_no_provider(tmp_path: Path) -> None:
    command = [sys.executable, "-X", "importtime", "-m", "antiphon", "--help"]
    run = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, timeout=120, check=True)
    imported = {line.rpartition("|")[2].strip().partition(".")[0] for line in run.stderr.splitlines()}

    assert "usage: antiphon" in run.stdout
    assert "antiphon" in imported
    assert imported & {"pydantic_ai", "openai", "anyio", "xllamacpp", "pytest", "asyncio"} <= {"asyncio"}
