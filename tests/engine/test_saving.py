"""Conversations at the terminal that are saved, broken off, and gone on with."""

from __future__ import annotations

import io
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from itertools import count
from pathlib import Path
from typing import Any

import pytest

from antiphon import Runner, Session
from antiphon.cli import main
from antiphon.errors import InvalidValue
from antiphon.loading import load
from antiphon.saving import check_writable, resumed, save

NUMBERS = count(1)
PROGRAM = """
import antiphon
from antiphon import AssistantTemplate, LinearTemplate, LoopTemplate, Model, SystemTemplate, UserTemplate


class Echo(Model):
    name = "echo"

    def _send(self, session):
        return f"You said: {session.last.content}"


turns = LoopTemplate(
    [UserTemplate(description="You", template_id="question"), AssistantTemplate(model=Echo(), template_id="answer")],
    template_id="turns",
)
tree = LinearTemplate([SystemTemplate("You speak {{ language | default('English') }}."), turns], template_id="talk")
LOOP = []
LOOP.append(LOOP)
"""
Write = Callable[[str], str]


@pytest.fixture
def module(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Write]:
    """Writes a module into the current folder, under a name that no other test uses."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", [*sys.path])
    written: list[str] = []

    def write(code: str) -> str:
        written.append(f"saving_program_{next(NUMBERS)}")
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


BROKEN_OFF = "antiphon: broken off: the input has ended; --resume s.json goes on there\n"


def test_the_end_of_input_breaks_the_conversation_off_with_the_session_saved(
    program: str, typing: Callable[..., None], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    typing("Hello.")

    assert main(["run", f"{program}:tree", "--save", "s.json"]) == 1
    assert [message.role for message in saved(tmp_path / "s.json").messages] == ["system", "user", "assistant"]
    assert capsys.readouterr().err == f"antiphon: saved as s.json\n{BROKEN_OFF}"


def test_the_end_of_input_is_told_where_nothing_is_saved(
    program: str, typing: Callable[..., None], capsys: pytest.CaptureFixture[str]
) -> None:
    typing("Hello.")

    assert main(["run", f"{program}:tree"]) == 1
    assert capsys.readouterr().err == "antiphon: broken off: the input has ended\n"


def test_a_resumed_conversation_is_saved_to_the_file_that_it_came_from(
    module: Write, typing: Callable[..., None], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    name = module(PROGRAM + "\nthree = LinearTemplate([UserTemplate(), UserTemplate(), UserTemplate()])\n")
    for said in ("One.", "Two.", "Three."):
        typing(said)
        file = "--save" if said == "One." else "--resume"
        assert main(["run", f"{name}:three", file, "s.json"]) == (said != "Three.")

    assert [message.content for message in saved(tmp_path / "s.json").messages] == ["One.", "Two.", "Three."]
    said = capsys.readouterr().err
    assert said == f"antiphon: saved as s.json\n{BROKEN_OFF}" * 2 + "antiphon: saved as s.json\n"


def test_a_conversation_that_is_saved_elsewhere_leaves_the_file_that_it_came_from(
    program: str, typing: Callable[..., None], tmp_path: Path
) -> None:
    typing("One.")
    main(["run", f"{program}:tree", "--save", "s.json"])
    before = (tmp_path / "s.json").read_bytes()
    typing("Two.")

    main(["run", f"{program}:tree", "--resume", "s.json", "--save", "t.json"])

    assert (tmp_path / "s.json").read_bytes() == before
    assert len(saved(tmp_path / "t.json").messages) == 5


def test_a_resumed_conversation_goes_on_after_what_was_said(
    program: str, typing: Callable[..., None], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    typing("One.")
    main(["run", f"{program}:tree", "--save", "s.json", "--set", "language=Latin"])
    capsys.readouterr()
    typing("Two.")

    assert main(["run", f"{program}:tree", "--resume", "s.json", "--save", "s.json"]) == 1
    session = saved(tmp_path / "s.json")
    assert [message.content for message in session.messages] == [
        "You speak Latin.",
        "One.",
        "You said: One.",
        "Two.",
        "You said: Two.",
    ]
    assert session.metadata == {"language": "Latin"}
    assert capsys.readouterr().out.splitlines() == [
        "system: You speak Latin.  [talk/system-1]",
        "user: One.  [talk/turns@1/question]",
        "assistant: You said: One.  [talk/turns@1/answer · echo]",
        "You: assistant: You said: Two.  [talk/turns@2/answer · echo]",
        "You: ",
    ]


def test_a_conversation_that_has_ended_begins_anew_after_what_was_said(
    module: Write, typing: Callable[..., None], tmp_path: Path
) -> None:
    name = module(
        PROGRAM + "\nonce = LinearTemplate([SystemTemplate('Be brief.'), UserTemplate(), AssistantTemplate('Well.')])\n"
    )
    for said in ("One.", "Two."):
        typing(said)
        resume = ["--resume", "s.json"] if said == "Two." else []
        assert main(["run", f"{name}:once", "--save", "s.json", *resume]) == 0

    session = saved(tmp_path / "s.json")
    assert [message.content for message in session.messages] == ["Be brief.", "One.", "Well.", "Two.", "Well."]
    assert session.progress is None


INTERRUPTED = """
from antiphon import Tool, ToolCall, ToolingTemplate, Reply


class Busy(Model):
    name = "busy"
    asked = 0
    stops = ()

    def _send(self, session):
        Busy.asked += 1
        if Busy.asked in Busy.stops:
            raise KeyboardInterrupt
        calls = [ToolCall(id="1", name="ask_back", arguments={"request": "Which?"})]
        return Reply("I ask.", tool_calls=calls) if session.last.content == "Tea." else f"{session.last.content}!"


asking = LinearTemplate([AssistantTemplate("Which?"), UserTemplate(description="Which")])
desk = ToolingTemplate([Tool.from_template("ask_back", "Asks the user.", asking)], model=Busy(), template_id="desk")
shop = LinearTemplate([LoopTemplate([UserTemplate(description="You"), desk], template_id="turns")], template_id="shop")
"""


class Interrupting(io.StringIO):
    """A terminal at which Ctrl+C is pressed after some lines."""

    def readline(self, *_size: Any) -> str:
        line = super().readline()
        if not line:
            raise KeyboardInterrupt
        return line


def test_a_conversation_goes_on_in_the_middle_of_a_tool(
    module: Write,
    typing: Callable[..., None],
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    run = ["run", f"{module(PROGRAM + INTERRUPTED)}:shop", "--save", "s.json"]
    monkeypatch.setattr("sys.stdin", Interrupting("Hello.\nTea.\n"))
    assert main(run) == 130
    assert saved(tmp_path / "s.json").waiting_for == "Which"
    capsys.readouterr()

    typing("Green.")
    assert main([*run, "--resume", "s.json"]) == 1

    out = capsys.readouterr().out.splitlines()
    assert out[:4] == [
        "user: Hello.  [shop/turns@1/user-1]",
        "assistant: Hello.!  [shop/turns@1/desk · busy]",
        "user: Tea.  [shop/turns@2/user-1]",
        'assistant: I ask. ask_back(request="Which?")  [shop/turns@2/desk · busy]',
    ]
    assert [line.rpartition("  [")[0] for line in out[4:]] == ["Which: tool ask_back: Green.", "assistant: Green.!", ""]
    assert [message.content for message in saved(tmp_path / "s.json").messages][-2:] == ["Green.", "Green.!"]


def test_what_the_user_said_before_an_interrupt_is_not_asked_again(
    module: Write, typing: Callable[..., None], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    name = module(PROGRAM + INTERRUPTED + "\nBusy.stops = (2,)\n")
    typing("Hello.", "Bye.")
    assert main(["run", f"{name}:shop", "--save", "s.json"]) == 130
    assert [message.content for message in saved(tmp_path / "s.json").messages] == ["Hello.", "Hello.!", "Bye."]
    capsys.readouterr()

    typing()
    assert main(["run", f"{name}:shop", "--resume", "s.json", "--save", "s.json"]) == 1

    assert [message.content for message in saved(tmp_path / "s.json").messages] == [
        *("Hello.", "Hello.!"),
        *("Bye.", "Bye.!"),
    ]
    assert [line.partition("  [")[0] for line in capsys.readouterr().out.splitlines()] == [
        "user: Hello.",
        "assistant: Hello.!",
        "user: Bye.",
        "assistant: Bye.!",
        "You: ",
    ]


def test_a_conversation_of_the_terminal_goes_on_in_a_program(
    program: str, typing: Callable[..., None], tmp_path: Path
) -> None:
    typing("One.")
    main(["run", f"{program}:tree", "--save", "s.json"])
    session = saved(tmp_path / "s.json")
    assert session.waiting_for == "You"

    Runner("test:unused", template=load(f"{program}:tree")).advance(session, "Two.")

    assert [message.content for message in session.messages][3:] == ["Two.", "You said: Two."]


def test_a_template_that_has_changed_begins_anew(
    module: Write, typing: Callable[..., None], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    typing("One.")
    main(["run", f"{module(PROGRAM)}:tree", "--save", "s.json"])
    capsys.readouterr()
    typing("Two.")

    name = module(PROGRAM.replace("You speak", "You whisper in"))
    assert main(["run", f"{name}:tree", "--resume", "s.json", "--save", "s.json"]) == 1

    assert [message.content for message in saved(tmp_path / "s.json").messages] == [
        *("You speak English.", "One.", "You said: One."),
        *("You whisper in English.", "Two.", "You said: Two."),
    ]
    assert capsys.readouterr().err == (
        "antiphon: warning: the template has changed, and begins anew after what was said\n"
        "  expected: message 0: system says 'You speak English.' at 'talk/system-1'\n"
        "  found:    system says 'You whisper in English.' at 'talk/system-1'\n"
        f"antiphon: saved as s.json\n{BROKEN_OFF}"
    )


def test_a_conversation_that_was_saved_long_ago_is_loaded_and_saved_as_it_was(
    fixtures_dir: Path, tmp_path: Path
) -> None:
    file = fixtures_dir / "conversations" / "order.json"

    save(resumed(file), tmp_path / "s.json")

    text = (tmp_path / "s.json").read_text("utf-8")
    assert text.replace('  "version": "1.0",\n', "", 1) == file.read_text("utf-8")


def test_a_system_message_that_has_changed_is_said_again(
    program: str, typing: Callable[..., None], tmp_path: Path
) -> None:
    typing("One.")
    main(["run", f"{program}:tree", "--save", "s.json"])
    typing()

    main(["run", f"{program}:tree", "--resume", "s.json", "--save", "s.json", "--set", "language=Greek"])

    assert [message.role for message in saved(tmp_path / "s.json").messages] == [
        "system",
        "user",
        "assistant",
        "system",
    ]


def test_a_session_that_a_transform_put_in_place_of_the_first_is_saved(
    module: Write, typing: Callable[..., None], tmp_path: Path
) -> None:
    name = module(
        PROGRAM
        + "\nanother = LinearTemplate([UserTemplate(), UserTemplate()], before_transform="
        + "lambda session: antiphon.Session(metadata={'new': True}))\n"
    )
    typing("Hello.")

    assert main(["run", f"{name}:another", "--save", "s.json"]) == 1
    assert saved(tmp_path / "s.json").metadata == {"new": True}
    assert saved(tmp_path / "s.json").last.content == "Hello."


def test_what_has_no_json_form_does_not_cost_the_conversation(
    module: Write, typing: Callable[..., None], tmp_path: Path
) -> None:
    name = module(PROGRAM + "\nodd = LinearTemplate([tree], before_transform=antiphon.UpdateMetadata(model=Echo()))\n")
    typing("Grüße!")

    assert main(["run", f"{name}:odd", "--save", "s.json"]) == 1
    assert saved(tmp_path / "s.json").metadata == {"model": "<Echo 'echo'>"}
    assert "Grüße!" in (tmp_path / "s.json").read_text(encoding="utf-8")


@pytest.mark.parametrize("value", ["'\\ud800'", "LOOP"])
def test_what_cannot_be_saved_at_all_is_said(
    module: Write, value: str, typing: Callable[..., None], capsys: pytest.CaptureFixture[str]
) -> None:
    name = module(PROGRAM + f"\nodd = LinearTemplate([tree], before_transform=antiphon.UpdateMetadata(bad={value}))\n")
    typing("Hello.")

    assert main(["run", f"{name}:odd", "--save", "s.json"]) == 1
    assert "the session could not be saved as s.json: " in capsys.readouterr().err


def test_a_save_that_is_broken_off_leaves_the_old_file(
    program: str, typing: Callable[..., None], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    old = Session(metadata={"old": True}).model_dump_json()
    (tmp_path / "s.json").write_text(old, encoding="utf-8")
    typing("Hello.")

    def full(_descriptor: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)

    assert main(["run", f"{program}:tree", "--save", "s.json"]) == 1
    assert (tmp_path / "s.json").read_text(encoding="utf-8") == old
    assert list(tmp_path.glob(".s.json*")) == []


def read_until(process: subprocess.Popen[str], text: str) -> str:
    assert process.stdout is not None
    read = ""
    while text not in read:
        char = process.stdout.read(1)
        assert char, read
        read += char
    return read


INTERRUPTIBLE = """
import signal

signal.signal(signal.SIGINT, signal.default_int_handler)  # also where a shell runs the tests in the background
"""
SLOW = """
import time

def speak(self, session):
    yield "Well"
    time.sleep(60)

Echo._stream = speak
"""


@pytest.mark.parametrize(
    ("more", "until", "roles"),
    [("", "answer · echo]\nYou: ", ["system", "user", "assistant"]), (SLOW, "assistant: Well", ["system", "user"])],
    ids=["at the prompt", "while the model speaks"],
)
def test_ctrl_c_ends_the_conversation_with_the_session_saved(
    module: Write, tmp_path: Path, more: str, until: str, roles: list[str]
) -> None:
    with subprocess.Popen(
        [
            sys.executable,
            "-m",
            "antiphon",
            "run",
            f"{module(PROGRAM + INTERRUPTIBLE + more)}:tree",
            "--save",
            "s.json",
        ],
        cwd=tmp_path,
        # Unbuffered: `input` drops an interrupt that comes while it flushes its question.
        env={**os.environ, "PYTHONIOENCODING": "utf-8", "PYTHONUNBUFFERED": "1"},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        encoding="utf-8",
    ) as process:
        assert process.stdin is not None
        process.stdin.write("Hello.\n")
        process.stdin.flush()
        read_until(process, until)
        process.send_signal(signal.SIGINT)
        out, error = process.communicate(timeout=60)

    assert (process.returncode, error) == (130, "antiphon: saved as s.json\n")
    assert out.strip() == ""
    assert [message.role for message in saved(tmp_path / "s.json").messages] == roles


def test_a_file_that_holds_something_else_is_not_saved_over(tmp_path):
    program = tmp_path / "program.py"
    program.write_text("print('mine')\n")

    with pytest.raises(InvalidValue, match=r"holds no saved session: .*\n  it would be lost"):
        check_writable(program)

    assert program.read_text() == "print('mine')\n"
