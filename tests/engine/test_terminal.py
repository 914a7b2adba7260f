"""What a conversation looks like in a terminal."""

from __future__ import annotations

import io
from collections.abc import Callable
from contextlib import closing
from typing import Any

import pytest

from antiphon import (
    AssistantTemplate,
    CommandLineRunner,
    LinearTemplate,
    Message,
    Model,
    Reply,
    Session,
    SystemTemplate,
    Template,
    TextDelta,
    ToolCall,
    ToolingTemplate,
    UserTemplate,
    tool,
)
from antiphon.terminal import Printer


class Streaming(Model):
    """Says its pieces one after another."""

    name = "streaming"

    def __init__(self, *pieces: str | Reply) -> None:
        self.pieces = pieces

    def _send(self, session: Session) -> str:
        raise AssertionError("it is listened to")

    def _stream(self, session: Session) -> Any:
        yield from self.pieces

    async def _astream(self, session: Session) -> Any:
        for piece in self.pieces:
            yield piece


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


@tool
def get_weather(city: str, days: int = 1) -> str:
    """Says what the weather is."""
    return f"{city}: rain for {days} days"


@pytest.fixture
def typing(monkeypatch: pytest.MonkeyPatch) -> Callable[..., None]:
    """Types lines at the terminal."""

    def typing(*lines: str) -> None:
        monkeypatch.setattr("sys.stdin", io.StringIO("".join(f"{line}\n" for line in lines)))

    return typing


def greeting() -> Template:
    return LinearTemplate(
        [SystemTemplate("Be kind."), UserTemplate(description="Who?"), AssistantTemplate(template_id="answer")],
        template_id="talk",
    )


def test_every_message_is_printed_with_its_path_and_model(
    play: Any, answering: Any, typing: Any, capsys: pytest.CaptureFixture[str]
) -> None:
    typing("Ada")

    play(CommandLineRunner(answering("Hello, Ada.", name="small"), template=greeting()))

    assert capsys.readouterr().out == (
        "system: Be kind.  [talk/system-1]\n"
        "Who? "  # what is typed here is on the screen already
        "assistant: Hello, Ada.  [talk/answer · small]\n"
    )


def test_an_answer_is_printed_while_the_model_speaks(capsys: pytest.CaptureFixture[str]) -> None:
    runner = CommandLineRunner(
        Streaming("Hel", "lo."), template=LinearTemplate([UserTemplate("Hi."), AssistantTemplate()])
    )

    seen = [capsys.readouterr().out for step in runner.stream() if isinstance(step, TextDelta)]

    assert seen == ["user: Hi.  [linear/user-1]\nassistant: Hel", "lo."]
    assert capsys.readouterr().out == "  [linear/assistant-2 · streaming]\n"


def test_whole_steps_hold_no_pieces(steps: Any) -> None:
    runner = CommandLineRunner(
        Streaming("Hel", "lo."), template=LinearTemplate([UserTemplate("Hi."), AssistantTemplate()])
    )

    assert [step.content for step in steps(runner)] == ["Hi.", "Hello."]


def test_tool_calls_and_their_results_are_printed(answering: Any, capsys: pytest.CaptureFixture[str]) -> None:
    call = ToolCall(id="1", name="get_weather", arguments={"city": "Łódź", "days": 2})
    model = answering(Reply(tool_calls=(call,)), "Take an umbrella.", name="small")

    CommandLineRunner(model, template=LinearTemplate([UserTemplate("?"), ToolingTemplate([get_weather])])).run()

    assert capsys.readouterr().out.splitlines()[1:] == [
        'assistant: get_weather(city="Łódź", days=2)  [linear/tooling-2 · small]',
        "tool get_weather: Łódź: rain for 2 days  [linear/tooling-2]",
        "assistant: Take an umbrella.  [linear/tooling-2 · small]",
    ]


def test_a_tool_call_that_follows_streamed_text_stands_beside_it(capsys: pytest.CaptureFixture[str]) -> None:
    call = ToolCall(id="1", name="get_weather", arguments={"city": "Oslo"})
    printer = Printer()
    printer.show(TextDelta("Let me see.", "answer"))
    printer.show(Message(role="assistant", content="Let me see.", tool_calls=(call,), template_path="answer"))

    assert capsys.readouterr().out.endswith('assistant: Let me see. get_weather(city="Oslo")  [answer]\n')


def test_an_answer_that_is_broken_off_ends_its_line(capsys: pytest.CaptureFixture[str]) -> None:
    runner = CommandLineRunner(
        Streaming("Hel", "lo."), template=LinearTemplate([UserTemplate("Hi."), AssistantTemplate()])
    )

    with closing(runner.stream()) as steps:
        for step in steps:
            if isinstance(step, TextDelta):
                break

    assert capsys.readouterr().out.endswith("assistant: Hel\n")


def test_an_answer_that_the_user_also_gave_is_printed(
    answering: Any, typing: Any, capsys: pytest.CaptureFixture[str]
) -> None:
    typing("y")

    CommandLineRunner(answering("y", name="small"), template=greeting()).run()

    assert capsys.readouterr().out.endswith("Who? assistant: y  [talk/answer · small]\n")


def test_no_message_steers_the_terminal() -> None:
    out = io.StringIO()

    Printer(out=out).show(
        Message(role="assistant", content="\x1b[2Jred\r\n\tline", template_path="a\x07", model="m\x1b")
    )

    assert out.getvalue() == "assistant: \\x1b[2Jred\n\tline  [a\\x07 · m\\x1b]\n"


def test_a_message_from_nowhere_has_no_brackets() -> None:
    out = io.StringIO()

    Printer(out=out).show(Message(role="user", content="Hi."))

    assert out.getvalue() == "user: Hi.\n"


@pytest.mark.parametrize(
    ("variables", "out", "expected"),
    [
        ({"NO_COLOR": "", "TERM": "xterm"}, Terminal, "\033[1muser:\033[0m Hi.  \033[2m[talk]\033[0m\n"),
        ({"NO_COLOR": "1", "TERM": "xterm"}, Terminal, "user: Hi.  [talk]\n"),
        ({"NO_COLOR": "", "TERM": "dumb"}, Terminal, "user: Hi.  [talk]\n"),
        ({"NO_COLOR": "", "TERM": "xterm"}, io.StringIO, "user: Hi.  [talk]\n"),
    ],
)
def test_a_terminal_gets_colours(
    variables: dict[str, str], out: type[io.StringIO], expected: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    written = out()

    Printer(out=written).show(Message(role="user", content="Hi.", template_path="talk"))

    assert written.getvalue() == expected


def test_of_models_that_speak_at_the_same_time_one_is_heard_and_the_others_when_they_have_spoken(capsys):
    def piece(text: str, path: str) -> TextDelta:
        return TextDelta(text, path)

    def message(text: str, path: str) -> Message:
        return Message(role="assistant", content=text, template_path=path, model="small")

    printer = Printer()
    steps = [piece("one ", "a"), piece("two ", "b"), message("three", "c"), piece("more", "a"), piece("more", "b")]
    steps += [message("one more", "a"), piece("!", "b"), message("two more!", "b"), piece("four", "b")]
    for step in (*steps, message("four", "b")):
        printer.show(step)
    printer.close()

    assert capsys.readouterr().out.splitlines() == [
        "assistant: one ",
        "assistant: three  [c · small]",
        "assistant: more  [a · small]",
        "assistant: two more!  [b · small]",
        "assistant: four  [b · small]",
    ]
