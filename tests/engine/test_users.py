"""Templates that let the user speak."""

from __future__ import annotations

import asyncio
import io
import sys
import threading

import pytest

from antiphon import ConsoleInterface, LinearTemplate, Runner, Session, SubroutineTemplate, UserInterface, UserTemplate
from antiphon.errors import UserInterfaceMissing


def test_the_user_interface_is_asked_with_description_and_default(play, saying, answering):
    user = saying("Ada")

    session = play(Runner(answering(), user_interface=user), template=UserTemplate(description="Name?", default="Bob"))

    assert (session.last.role, session.last.content) == ("user", "Ada")
    assert user.asked == [("Name?", "Bob")]


def test_a_template_with_content_does_not_ask(play, saying, answering):
    user = saying()

    session = play(Runner(answering(), user_interface=user), template=UserTemplate("Hello {{ 1 + 1 }}"))

    assert (session.last.content, user.asked) == ("Hello 2", [])


def test_empty_content_is_content(play, saying, answering):
    user = saying("asked")

    assert play(Runner(answering(), user_interface=user), template=UserTemplate("")).last.content == ""


def test_without_a_user_interface_the_default_is_said(play, answering):
    assert play(Runner(answering()), template=UserTemplate(default="{{ Bob }}")).last.content == "{{ Bob }}"
    assert play(Runner(answering()), template=UserTemplate(default="")).last.content == ""


def test_without_a_user_interface_and_a_default_the_error_says_where_and_what_to_do(play, answering):
    with pytest.raises(UserInterfaceMissing, match=r"'linear/user-1' asks the user.*user_interface.*default"):
        play(Runner(answering()), template=LinearTemplate([UserTemplate()]))


def test_without_a_runner_the_default_is_said_too(rendered):
    session = Session()
    rendered(UserTemplate(default="Bob"), session)

    assert session.last.content == "Bob"
    with pytest.raises(UserInterfaceMissing):
        rendered(UserTemplate(), Session())


@pytest.mark.parametrize("answer", [None, 42, b"Ada"])
def test_an_answer_that_is_no_text_is_a_type_error_that_names_the_interface(answer, play, answering):
    class Odd(UserInterface):
        def ask(self, session: Session, description: str | None, default: str | None) -> str:
            return answer

    with pytest.raises(TypeError, match=r"Odd\.ask returned .*, not text"):
        play(Runner(answering(), user_interface=Odd()), template=UserTemplate())


def test_what_a_user_interface_raises_arrives_unwrapped(play, answering):
    class Gone(UserInterface):
        def ask(self, session: Session, description: str | None, default: str | None) -> str:
            raise EOFError("gone")

    with pytest.raises(EOFError, match="gone"):
        play(Runner(answering(), user_interface=Gone()), template=UserTemplate())


def test_the_interface_sees_the_conversation_so_far(play, answering):
    class Looking(UserInterface):
        def ask(self, session: Session, description: str | None, default: str | None) -> str:
            return f"after {session.last.content} at {session.template_path}"

    tree = LinearTemplate(
        [UserTemplate("Hi"), SubroutineTemplate(LinearTemplate([UserTemplate("deep"), UserTemplate()]))]
    )

    session = play(Runner(answering(), user_interface=Looking()), template=tree)

    assert session.last.content == "after deep at linear/subroutine-2/linear-1/user-2"


@pytest.mark.asyncio
async def test_a_user_who_thinks_does_not_block_the_event_loop(answering):
    thinking, done = threading.Event(), threading.Event()

    class Thinking(UserInterface):
        def ask(self, session: Session, description: str | None, default: str | None) -> str:
            thinking.set()
            return str(done.wait(timeout=30))

    running = asyncio.ensure_future(Runner(answering(), user_interface=Thinking(), template=UserTemplate()).arun())
    await asyncio.to_thread(thinking.wait, 30)
    done.set()

    assert (await running).last.content == "True"


@pytest.mark.asyncio
async def test_an_interface_may_answer_asynchronously(answering):
    class Async(UserInterface):
        def ask(self, session: Session, description: str | None, default: str | None) -> str:
            return "blocking"

        async def aask(self, session: Session, description: str | None, default: str | None) -> str:
            await asyncio.sleep(0)
            return "awaited"

    runner = Runner(answering(), user_interface=Async(), template=UserTemplate())

    assert (await runner.arun()).last.content == "awaited"
    assert runner.run().last.content == "blocking"


@pytest.mark.parametrize(
    ("typed", "description", "default", "prompt", "answer"),
    [
        ("Ada\n", "Name?", None, "Name? ", "Ada"),
        ("\n", "Name?", "Bob", "Name? [Bob]: ", "Bob"),
        ("Ada\n", None, "Bob", "You [Bob]: ", "Ada"),
        ("\n", None, "", "You []: ", ""),
        ("\n \nAda\n", None, None, "You: You: You: ", "Ada"),
        (" \n", "Name?", "Bob", "Name? [Bob]: ", "Bob"),
    ],
)
def test_the_console_asks_at_the_terminal_until_something_is_said(
    typed, description, default, prompt, answer, monkeypatch, capsys
):
    monkeypatch.setattr(sys, "stdin", io.StringIO(typed))

    assert ConsoleInterface().ask(Session(), description, default) == answer
    assert capsys.readouterr().out == prompt


def test_what_is_no_user_interface_is_refused(answering):
    with pytest.raises(TypeError, match="user_interface takes a UserInterface, not function"):
        Runner(answering(), user_interface=lambda *_: "x")


@pytest.mark.parametrize("parameter", ["description", "default"])
def test_what_is_no_text_is_refused_when_the_template_is_built(parameter):
    with pytest.raises(TypeError, match=f"{parameter} takes text, not int: 3"):
        UserTemplate(**{parameter: 3})
