"""What is done to a session before and after a template."""

from __future__ import annotations

import asyncio

import pytest

from antiphon import (
    AssistantTemplate,
    BreakTemplate,
    EndTemplate,
    ExtractCodeBlock,
    IfTemplate,
    LinearTemplate,
    LoopTemplate,
    Message,
    ResetMetadata,
    Runner,
    Session,
    SessionTransformer,
    SubroutineTemplate,
    SystemTemplate,
    UpdateMetadata,
    UserTemplate,
)


class Note(SessionTransformer):
    def __init__(self, text: str) -> None:
        self.text = text

    def process(self, session: Session) -> Session:
        session.metadata.setdefault("notes", []).append(self.text)
        return session


def note(text: str):
    return lambda session: Note(text).process(session)


@pytest.fixture
def noted(play, answering):
    """What the transforms of a tree note."""
    return lambda template: play(Runner(answering()), template=template).metadata.get("notes", [])


@pytest.mark.parametrize("make", [Note, note], ids=["transformer", "function"])
def test_transforms_run_before_and_after_in_their_order(make, noted, doing):
    tree = doing(note("rendered"), before_transform=[make("a"), make("b")], after_transform=(make("c"), make("d")))

    assert noted(tree) == ["a", "b", "rendered", "c", "d"]


def test_a_single_transform_needs_no_list(noted):
    assert noted(SystemTemplate("x", before_transform=Note("a"), after_transform=note("b"))) == ["a", "b"]


TEMPLATES = {
    "system": lambda **options: SystemTemplate("x", **options),
    "user": lambda **options: UserTemplate("x", **options),
    "assistant": lambda **options: AssistantTemplate("x", **options),
    "linear": lambda **options: LinearTemplate([], **options),
    "loop": lambda **options: LoopTemplate([SystemTemplate("x")], exit_loop_count=2, **options),
    "if": lambda **options: IfTemplate(lambda session: False, SystemTemplate("x"), **options),
    "break": BreakTemplate,
    "end": EndTemplate,
    "subroutine": lambda **options: SubroutineTemplate(SystemTemplate("x"), **options),
}


@pytest.mark.parametrize("kind", TEMPLATES)
def test_every_template_takes_transforms(kind, noted):
    assert noted(TEMPLATES[kind](before_transform=Note("before"), after_transform=Note("after"))) == ["before", "after"]


@pytest.mark.parametrize("leaving", [BreakTemplate, EndTemplate])
def test_after_transforms_run_when_a_break_or_an_end_passes_through_from_the_inside_outwards(leaving, noted):
    inner = IfTemplate(lambda session: True, leaving(after_transform=Note("leaf")), after_transform=Note("if"))
    tree = LinearTemplate(
        [LinearTemplate([LoopTemplate([inner], after_transform=Note("loop"))], after_transform=Note("linear"))],
        after_transform=Note("root"),
    )

    assert noted(tree) == ["leaf", "if", "loop", "linear", "root"]


def test_after_transforms_of_a_subroutine_run_in_the_parent_when_an_end_passes_through(noted):
    assert noted(SubroutineTemplate(EndTemplate(after_transform=Note("inside")), after_transform=Note("out"))) == [
        "out"
    ]


def test_after_transforms_do_not_run_after_an_error(play, answering):
    session = Session()
    tree = LinearTemplate(
        [UserTemplate("x"), AssistantTemplate(after_transform=Note("leaf"))], after_transform=Note("r")
    )

    with pytest.raises(RuntimeError, match="down"):
        play(Runner(answering(RuntimeError("down"))), session, template=tree)

    assert session.metadata == {}


def test_after_transforms_run_when_a_run_is_closed(answering):
    session = Session()
    tree = LinearTemplate([UserTemplate("a"), UserTemplate("b")], after_transform=Note("closed"))
    steps = Runner(answering(), template=tree).iter(session)
    next(steps)
    steps.close()

    assert [message.content for message in session.messages] == ["a"]
    assert session.metadata == {"notes": ["closed"]}
    assert session.template_path is None


@pytest.mark.asyncio
async def test_after_transforms_run_when_a_run_is_cancelled(answering):
    class Slow(answering):
        async def _asend(self, session: Session) -> str:
            asked.set()
            await asyncio.Event().wait()

    session, asked = Session(), asyncio.Event()
    tree = LinearTemplate([UserTemplate("a"), AssistantTemplate()], after_transform=Note("cancelled"))
    running = asyncio.ensure_future(Runner(Slow(), template=tree).arun(session))
    await asked.wait()
    running.cancel()
    with pytest.raises(asyncio.CancelledError):
        await running

    assert session.metadata == {"notes": ["cancelled"]}
    assert session.template_path is None
    assert isinstance(session.trace.calls[0].error, asyncio.CancelledError)


def other_session(session: Session) -> Session:
    return Session(messages=session.messages, metadata={"other": True})


@pytest.mark.parametrize("when", ["before_transform", "after_transform"])
def test_a_transform_may_return_another_session_and_no_recorded_call_is_lost(when, play, answering):
    tree = LinearTemplate(
        [
            UserTemplate("Hi"),
            AssistantTemplate(template_id="a"),
            SystemTemplate("x", **{when: other_session}),
            AssistantTemplate(template_id="b"),
        ]
    )
    first = Session()

    session = play(Runner(answering("1", "2"), template=tree), first)

    assert session is not first
    assert [message.content for message in session.messages] == ["Hi", "1", "x", "2"]
    assert session.trace.models == {"a": ["answering"], "b": ["answering"]}
    assert session.metadata == {"other": True}
    assert session.runner is not None
    assert (session.template_path, first.template_path) == (None, None)


def test_calls_that_another_session_brings_along_are_kept(play, answering):
    other = Session(messages=[Message(role="user", content="x")])
    answering(name="elsewhere").send(other)
    tree = LinearTemplate(
        [UserTemplate("Hi"), AssistantTemplate(after_transform=lambda session: other), AssistantTemplate()]
    )

    session = play(Runner(answering(name="here")), template=tree)

    assert session is other
    assert [call.model for call in session.trace.calls] == ["here", "elsewhere", "here"]


@pytest.mark.parametrize("wrap", [LinearTemplate, lambda children: LoopTemplate(children, exit_loop_count=1)])
def test_a_transform_in_a_subroutine_may_return_another_session(wrap, play, answering):
    inner = wrap([UserTemplate("Hi"), AssistantTemplate(template_id="a", before_transform=other_session)])
    outer = Session(metadata={"outer": True})

    session = play(
        Runner(answering(), template=LinearTemplate([SubroutineTemplate(inner), AssistantTemplate()])), outer
    )

    assert session is outer
    assert session.metadata == {"outer": True}
    assert [call.template_id for call in session.trace.calls] == ["a", "linear/assistant-2"]


def test_another_session_returned_after_a_break_is_gone_on_with(play, answering):
    inner = LinearTemplate([UserTemplate("a"), BreakTemplate(after_transform=other_session)])

    session = play(Runner(answering()), template=LinearTemplate([inner, UserTemplate("b")]))

    assert [message.content for message in session.messages] == ["a", "b"]
    assert session.metadata == {"other": True}


@pytest.mark.parametrize("result", [None, 42, {"messages": []}])
def test_a_transform_that_returns_no_session_is_a_type_error_naming_its_template(result, play, answering):
    tree = LinearTemplate([SystemTemplate("x", after_transform=lambda session: result)])

    told = r"the after_transform .*<lambda> of the template at 'linear/system-1' returned .*: did you forget to return"
    with pytest.raises(TypeError, match=told):
        play(Runner(answering()), template=tree)


def test_a_transformer_that_returns_nothing_is_named(play, answering):
    class Forgetful(SessionTransformer):
        def process(self, session: Session) -> Session:
            session.metadata["seen"] = True

    told = r"the before_transform Forgetful\.process of the template at 'system' returned NoneType: None; "
    with pytest.raises(TypeError, match=told):
        play(Runner(answering()), template=SystemTemplate("x", before_transform=Forgetful()))


@pytest.mark.parametrize("wrong", [42, "text", Note, [Note("a"), 42], {"a": 1}])
@pytest.mark.parametrize("when", ["before_transform", "after_transform"])
def test_what_is_no_transform_is_refused_when_the_template_is_built(when, wrong):
    with pytest.raises(TypeError, match=f"{when} of .* takes SessionTransformers and functions"):
        SystemTemplate("x", **{when: wrong})


def test_update_metadata_gives_every_session_values_of_its_own(play, answering):
    tree = SystemTemplate("x", before_transform=UpdateMetadata(seen=[]), after_transform=Seen())
    runner = Runner(answering(), template=tree)

    assert [play(runner).metadata for _ in range(2)] == [{"seen": [1]}] * 2


class Seen(SessionTransformer):
    def process(self, session: Session) -> Session:
        session.metadata["seen"].append(1)
        return session


@pytest.mark.parametrize(("keys", "left"), [((), {}), (("a",), {"b": 2}), (("a", "no such"), {"b": 2})])
def test_reset_metadata_removes_the_keys_or_all(keys, left):
    assert ResetMetadata(*keys).process(Session(metadata={"a": 1, "b": 2})).metadata == left


CODE = "Here:\n```python\nprint(1)\n\nprint(2)\n```\nand\n~~~\nplain ``` text\n~~~\n"


@pytest.mark.parametrize(
    ("text", "lang", "code"),
    [
        (CODE, None, "print(1)\n\nprint(2)"),
        (CODE, "python", "print(1)\n\nprint(2)"),
        (CODE, "", "plain ``` text"),
        (CODE, "js", None),
        ("no code", None, None),
        ("```\n```", None, ""),
        ("````md\n```py\nx\n```\n````", "md", "```py\nx\n```"),
        ("```py\nnever closed", None, None),
        ("  ```py title=x\n  y\n  ```", "py", "  y"),
    ],
)
def test_the_first_code_block_of_the_last_message_is_extracted(text, lang, code):
    session = Session(messages=[Message(role="assistant", content=text)])

    assert ExtractCodeBlock("code", lang).process(session).metadata == {"code": code}


def test_a_session_without_messages_has_no_code_block():
    assert ExtractCodeBlock("code").process(Session()).metadata == {"code": None}
