"""Below a failure stands what was said last, and how to see all of it."""

from __future__ import annotations

import pytest

SECRET = "kX3f-Zq9-aB7w-Q2m5"
TALK = """
    import os

    PROMPT = "Where is it?"

    def talk(model, *more):
        said = [UserTemplate(PROMPT), AssistantTemplate(template_id="classify")]
        said += [SystemTemplate("Be kind."), AssistantTemplate(template_id="answer"), *more]
        return Runner(model, template=LinearTemplate(said, template_id="desk")).run()
"""
FAILS = f"""{TALK}
    def test_fails(scripted_model):
        talk(scripted_model("parcel", "Soon.", name="small"))
        assert False

    def test_passes(scripted_model):
        talk(scripted_model("parcel", "Soon."))
"""
SECTION = [
    "[user] desk/user-1",
    "│ Where is it?",
    "[assistant] desk/classify · small",
    "│ parcel",
    "[system] desk/system-3",
    "│ Be kind.",
    "[assistant] desk/answer · small",
    "│ Soon.",
    "",
    "all of it: python -m pytest test_it.py::test_fails --templates-report=report.html",
]


def sections(result: pytest.RunResult) -> list[list[str]]:
    """The lines of each section, up to the next rule."""
    lines, found = result.outlines, []
    for number, line in enumerate(lines):
        if line.strip("-") == " conversation ":
            rest = lines[number + 1 :]
            end = next(place for place, other in enumerate(rest) if other[:2] in {"==", "__", "--", "te"})
            found.append(rest[:end])
    return found


@pytest.mark.parametrize("arguments", [("-q",), ("-n1", "-v", "--tb=short")])
def test_a_failure_shows_what_was_said_last_by_whom_and_where(project, arguments):
    project.tests(FAILS)

    result = project.run(*arguments)

    result.assert_outcomes(failed=1, passed=1)
    assert sections(result) == [SECTION]


def test_the_docs_show_it_as_it_is(pytestconfig):
    page = (pytestconfig.rootpath / "docs" / "testing.md").read_text("utf-8")

    assert f"- conversation {'-' * 33}\n" + "\n".join(SECTION) + "\n```" in page


@pytest.mark.parametrize("arguments", ["--show-capture=no", "--show-capture=stdout", "--tb=no"])
def test_it_is_not_shown_where_pytest_shows_nothing_that_was_captured(project, arguments):
    project.tests(FAILS)

    assert sections(project.run(arguments)) == []


def test_only_a_failed_test_that_called_a_model_has_one(project):
    project.tests(
        f"""{TALK}
    def test_no_model():
        assert False

    def test_passes(scripted_model):
        talk(scripted_model("parcel", "Soon."))

    @pytest.mark.xfail(strict=True)
    def test_expected(scripted_model):
        talk(scripted_model("parcel", "Soon."))
        assert False
    """
    )

    result = project.run("-rxP", "--xfail-tb")

    result.assert_outcomes(failed=1, passed=1, xfailed=1)
    assert sections(result) == []


def test_a_call_that_fails_is_the_last_that_is_shown(project):
    project.tests(
        f"{TALK}\n    def test_it(scripted_model):\n        talk(scripted_model('parcel', KeyError('gone')))\n"
    )

    [section] = sections(project.run())

    assert section[-4:-2] == ["[error] desk/answer · scripted", "│ KeyError: 'gone'"]


def test_an_error_that_fails_the_test_is_told_as_a_whole_once(project):
    project.tests(
        f"""{TALK}
    def test_it(scripted_model):
        talk(scripted_model("parcel"))
    """
    )

    result = project.run()

    [section] = sections(result)
    assert section[-5:-2] == [
        "[error] desk/answer · scripted",
        "│ UnscriptedCall: scripted_model 'scripted' was asked by the template at",
        "│ 'desk/answer' and its script is over, with 1 step played",
    ]
    assert str(result.stdout).count("add a step, or find out why") == 1


def test_what_was_shown_is_not_shown_again_by_the_tear_down(project):
    project.tests(
        f"""{TALK}
    @pytest.fixture
    def broken(scripted_model):
        yield
        raise KeyError("gone")

    def test_it(scripted_model, broken):
        talk(scripted_model("parcel", "Soon."))
        assert False
    """
    )

    result = project.run()

    result.assert_outcomes(failed=1, errors=1)
    assert len(sections(result)) == 1


def test_what_is_long_is_cut_and_what_is_hidden_is_written_out(project, monkeypatch):
    monkeypatch.setenv("COLUMNS", "60")
    project.tests(
        FAILS.replace('"Soon."', r"'\x1b[31m\u202e::error::x\n' + 'line\n' * 30 + 'word ' * 30").replace(
            '"parcel"', "'::stop-commands::x ##[stop-commands]y'"
        )
    )

    [section] = sections(project.run("-n1"))

    answer = section[section.index("[assistant] desk/answer · small") + 1 :]
    assert answer[0] == r"│ \x1b[31m\u202e::error::x"
    assert answer[6] == "│ … 25 lines …"
    assert len(answer) == 12
    assert max(map(len, section[:-1])) <= 60
    assert not [line for line in section if line.lstrip().startswith("::") or "##[" in line]
    assert r"│ ::stop-commands::x ##\x5bstop-commands]y" in section


def test_of_a_long_conversation_the_last_messages_are_shown(project):
    project.tests(
        f"""{TALK}
    def test_it(scripted_model):
        talk(scripted_model(*map(str, range(20))), *(AssistantTemplate() for _ in range(18)))
        assert False
    """
    )

    [section] = sections(project.run())

    assert section[0] == "… 14 messages before"
    assert [line for line in section if line.startswith("│")] == [f"│ {number}" for number in range(12, 20)]


def test_tools_that_were_asked_for_and_what_is_attached_are_named(project):
    project.tests(
        """
    @tool
    def weather(city: str) -> str:
        "The weather."
        return "rain in " + city

    def test_it(scripted_model):
        picture = Image.from_bytes(b"picture", "image/png")
        tree = LinearTemplate([UserTemplate("See.", attachments=[picture]), ToolingTemplate([weather])])
        Runner(scripted_model(CallTool("weather", city="Oslo"), "Wet."), template=tree).run()
        assert False
    """
    )

    [section] = sections(project.run())

    assert section[1:3] == ["│ See.", "│ + image, image/png"]
    assert '│ > weather {"city": "Oslo"}' in section
    assert section[section.index("│ rain in Oslo") - 1].startswith("[tool weather] ")


@pytest.mark.parametrize("mark", ["", "@pytest.mark.llm_cassette"])
def test_no_secret_is_shown_not_even_half_of_one(project, monkeypatch, mark):
    monkeypatch.setenv("SITE_KEY", SECRET)
    monkeypatch.setenv("COLUMNS", "60")
    project.tests(FAILS.replace("    def test_fails", f"    {mark}\n    def test_fails").replace(
        '"Where is it?"', '"x" * 45 + os.environ["SITE_KEY"]'
    ))  # fmt: skip

    result = project.run()

    assert "REDACTED" in str(result.stdout)
    assert not [part for part in SECRET.split("-") if part in "\n".join(sections(result)[0])]


def test_each_failed_sample_shows_its_own(project):
    project.tests(
        FAILS.replace("    def test_fails", "    @pytest.mark.llm_samples(2)\n    def test_fails").replace(
            "assert False", "assert llm_trace.samples == []"
        ).replace("test_fails(scripted_model)", "test_fails(scripted_model, llm_trace)")
    )  # fmt: skip

    result = project.run()

    assert str(result.stdout).count("\nconversation:\n[user] desk/user-1\n") == 1


def test_a_secret_that_only_a_request_has_shown_is_hidden_before_lines_are_folded(project, chat_server, monkeypatch):
    monkeypatch.setenv("COLUMNS", "60")
    project.tests(
        f"""
        import os

        @pytest.mark.llm_cassette
        def test_it():
            key = "{SECRET}"
            model = connect("openai:m", base_url=os.environ["CHAT_URL"], api_key=key)
            Runner(model, template=LinearTemplate([UserTemplate("x" * 50 + key), AssistantTemplate()])).run()
            raise KeyError("gone")
        """
    )

    [section] = sections(project.run("--templates-record=missing"))

    assert "[user] linear/user-1" in section
    assert not [part for part in SECRET.split("-") if part in "\n".join(section)]


def shown(section: list[str]) -> list[str]:
    """The messages of a section, each in a line."""
    text = "\n".join(section[: section.index("")])
    return [part.replace("\n│ ", " | ") for part in text.split("\n[")]


def test_a_question_behind_a_call_that_failed_is_shown(project):
    project.tests(
        """
    def test_it(scripted_model):
        session = Session()
        runner = Runner(scripted_model(KeyError("busy"), "Soon.", name="small"))
        with pytest.raises(KeyError):
            runner.run(session, template=LinearTemplate([UserTemplate("Where?"), AssistantTemplate()]))
        runner.run(session, template=LinearTemplate([UserTemplate("And when?"), AssistantTemplate()]))
        assert False
    """
    )

    [section] = sections(project.run())

    assert shown(section) == [
        "[user] linear/user-1 | Where?",
        "error] linear/assistant-2 · small | KeyError: 'busy'",
        "user] linear/user-1 | And when?",
        "assistant] linear/assistant-2 · small | Soon.",
    ]


@pytest.mark.parametrize("how", ["run", "arun", "stream"])
def test_what_is_said_behind_the_last_call_is_shown(project, how):
    ways = {
        "run": "runner.run(template=tree)",
        "arun": "asyncio.run(runner.arun(template=tree))",
        "stream": "list(runner.stream(template=tree))",
    }
    project.tests(
        f"""
    import asyncio

    def test_it(scripted_model):
        tree = LinearTemplate([UserTemplate("Where?"), AssistantTemplate(), UserTemplate("Bye.")])
        runner = Runner(scripted_model("Here.", "Here.", name="small"))
        for _ in range(2):
            {ways[how]}
        assert False
    """
    )

    [section] = sections(project.run())

    assert shown(section) == [
        "[user] linear/user-1 | Where?",
        "assistant] linear/assistant-2 · small | Here.",
        "user] linear/user-3 | Bye.",
        "user] linear/user-1 | Where?",
        "assistant] linear/assistant-2 · small | Here.",
        "user] linear/user-3 | Bye.",
    ]


SUBROUTINE = """
    from antiphon.init_strategies import *

    def test_it(scripted_model):
        inner = LinearTemplate([UserTemplate("Look it up."), AssistantTemplate(template_id="look")])
        said = [SystemTemplate("Be kind."), SubroutineTemplate(inner, template_id="research", STRATEGY)]
        said += [UserTemplate("Now answer."), AssistantTemplate(template_id="answer"), UserTemplate("Bye.")]
        Runner(scripted_model("found", "Soon.", name="small"), template=LinearTemplate(said, template_id="desk")).run()
        assert False
"""


@pytest.mark.parametrize(
    "strategy", ["", "session_init_strategy=InheritSystemStrategy()", "session_init_strategy=LastNMessagesStrategy(1)"]
)
def test_a_subroutine_stands_where_it_ran_and_says_everything_once(project, strategy):
    project.tests(SUBROUTINE.replace("STRATEGY", strategy))

    [section] = sections(project.run())

    assert shown(section) == [
        "[system] desk/system-1 | Be kind.",
        "user] desk/research/linear-1/user-1 | Look it up.",
        "assistant] desk/research/linear-1/look · small | found",
        "user] desk/user-3 | Now answer.",
        "assistant] desk/answer · small | Soon.",
        "user] desk/user-5 | Bye.",
    ]


def test_a_subroutine_that_fails_stands_behind_what_was_said_before(project):
    project.tests(SUBROUTINE.replace("STRATEGY", "").replace('"found"', 'KeyError("gone")'))

    [section] = sections(project.run())

    assert shown(section)[0] == "[system] desk/system-1 | Be kind."
    assert shown(section)[-1] == "error] desk/research/linear-1/look · small | KeyError: 'gone'"


@pytest.mark.parametrize(
    ("reply", "title"),
    [
        ('Reply("No.", refusal="No.")', "refused"),
        ('Reply("Soo", finish_reason="length")', "cut off: no more tokens"),
        ('Reply("Soo", finish_reason="content_filter")', "cut off by a content filter"),
    ],
)
def test_how_an_answer_ended_is_told_where_that_is_not_as_usual(project, reply, title):
    project.tests(
        f"{TALK}\n    def test_it(scripted_model):\n        talk(scripted_model('x', {reply}))\n        assert 0\n"
    )

    [section] = sections(project.run())

    assert section[-4] == f"[assistant] desk/answer · scripted · {title}"


def test_a_stream_that_was_left_is_told_so(project):
    project.tests(
        """
    def test_it(scripted_model):
        tree = LinearTemplate([UserTemplate("Where?"), AssistantTemplate(template_id="answer")], template_id="desk")
        stream = Runner(scripted_model("Soon, I think.", name="small")).stream(template=tree)
        next(event for event in stream if isinstance(event, TextDelta))
        stream.close()
        assert False
    """
    )

    [section] = sections(project.run())

    assert shown(section)[-1].startswith("assistant] desk/answer · small · left before its end | Soon")


def test_calls_from_outside_of_templates_are_shown_with_their_questions(project):
    project.tests(
        """
    def test_it(scripted_model):
        model = scripted_model("one", "two", name="small")
        for text in ("first", "second"):
            said = [Message(role="system", content="Be kind."), Message(role="user", content=text)]
            model.send(Session(messages=said))
        assert False
    """
    )

    [section] = sections(project.run())

    assert [line for line in section if line.startswith("│")] == [
        "│ Be kind.", "│ first", "│ one", "│ Be kind.", "│ second", "│ two"
    ]  # fmt: skip


def test_a_command_is_not_broken_at_its_hyphens(project, monkeypatch):
    monkeypatch.setenv("COLUMNS", "60")
    error = "not as expected: run python -m pytest --templates-lock=update"
    project.tests(FAILS.replace('"Soon."', f'KeyError("{error}")'))

    [section] = sections(project.run("-k", "fails"))

    assert "│ --templates-lock=update'" in section


def test_where_a_report_is_written_no_other_run_is_proposed(project):
    project.tests(FAILS.replace("    def test_fails", "    @pytest.mark.llm_samples(2)\n    def test_fails"))

    result = project.run("--templates-report=out/report.html", "-n1")

    assert "│ Soon." in str(result.stdout)
    assert "all of it" not in str(result.stdout) + (project.path / "out" / "report.html").read_text("utf-8")
    project.says(result, f"templates: the report is in {project.path / 'out' / 'report.html'}")


def test_a_pull_request_is_told_no_command_for_a_terminal(project):
    project.tests(FAILS)

    project.run("--templates-markdown=s.md")

    text = (project.path / "s.md").read_text("utf-8")
    assert "│ Soon.\n```" in text
    assert "all of it" not in text


def test_the_command_is_for_the_folder_in_which_pytest_was_started(project):
    project.file("sub/pytest.ini", "[pytest]\nasyncio_default_fixture_loop_scope = function\n")
    project.copy("programs/program.py", "sub/program.py")
    project.tests(FAILS, "sub/test_it.py")

    [section] = sections(project.run("-c", "sub/pytest.ini", "-o", "pythonpath=.", "sub"))

    assert section[-1].startswith("all of it: python -m pytest sub/test_it.py::test_fails ")


def test_loops_and_what_tools_ask_stand_where_they_happened(project):
    project.tests(
        """
    @tool
    def look(session: Session) -> str:
        "Look."
        inner = LinearTemplate([UserTemplate("Look it up."), AssistantTemplate(template_id="look")], template_id="desk")
        return session.runner.run(template=inner).last.content

    def test_it(scripted_model):
        leave = IfTemplate(lambda session: len(session.messages) > 5, BreakTemplate())
        tree = LoopTemplate([UserTemplate("Next?"), ToolingTemplate([look]), leave], template_id="turns")
        Runner(scripted_model(CallTool("look"), "found", "One.", "Two.", name="small"), template=tree).run()
        assert False
    """
    )

    [section] = sections(project.run())

    assert [line for line in section if line.startswith("│")] == [
        "│ Next?",
        "│ > look {}",
        "│ Look it up.",
        "│ found",
        "│ found",
        "│ One.",
        "│ Next?",
        "│ Two.",
    ]
    assert section[8].startswith("[tool look] ")


def test_values_that_cannot_be_written_end_no_run(project):
    project.tests(
        """
        class Speechless(Exception):
            def __str__(self):
                raise KeyError("text")

            __repr__ = __str__

        around = [1]
        around += [around, around]
        HOSTILE = {"digits": 10**5000, "key": {(1, 2): 3}, "around": around, "speechless": Speechless()}

        @tool
        def look(value: object) -> str:
            "Look."
            return "seen"

        @pytest.mark.parametrize("name", HOSTILE)
        def test_argument(scripted_model, name):
            model = scripted_model(CallTool("look", value=HOSTILE[name]), "Done.")
            Runner(model, template=LinearTemplate([UserTemplate("?"), ToolingTemplate([look])])).run()
            assert not name

        def test_error(scripted_model):
            swallow(ask, scripted_model(Speechless()))
            assert 0
        """
    )

    result = project.run("--templates-json=run.json")

    result.assert_outcomes(failed=5)
    project.says(result, "> look", '"(1, 2)": 3', "Speechless, whose text cannot be had")


def test_a_test_may_hide_what_only_calls_of_tools_are_shown_with(pytester: pytest.Pytester) -> None:
    pytester.makepyfile(
        test_it=f"""
        import sys
        from antiphon import *
        {TALK.replace(chr(10), chr(10) + "    ")}
        def test_fails(scripted_model, monkeypatch):
            talk(scripted_model("parcel", "Soon."))
            monkeypatch.setitem(sys.modules, "json", None)
            assert False
        """
    )

    result = pytester.runpytest_subprocess()

    result.assert_outcomes(failed=1)
    result.stdout.fnmatch_lines(["[[]user[]] desk/user-1"])
