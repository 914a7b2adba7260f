"""What is locked of models, and what a change makes stale."""

from __future__ import annotations

import json
from typing import Any

import pytest

from pytest_templates.lock.comparison import Key
from pytest_templates.lock.file import read_lock

DESK = """
import os

from antiphon import *
from antiphon import connect


def real(name="gpt-4o-mini", **settings):
    return connect(f"openai:{name}", base_url=os.environ["CHAT_URL"], api_key="x", **settings)


def desk():
    return LinearTemplate(
        [
            SystemTemplate("You are brief."),
            UserTemplate("Sort this.", template_id="request"),
            AssistantTemplate(model=real(temperature=0), template_id="sort"),
            UserTemplate("Answer this.", template_id="wish"),
            AssistantTemplate(template_id="answer"),
        ],
        template_id="desk",
    )
"""

TEST = """
    from desk import *

    @pytest.mark.llm_cassette
    def test_real(llm_snapshot):
        assert Runner(real("gpt-4o"), template=desk()).run() == llm_snapshot

    def test_scripted(scripted_model):
        tree = desk()
        tree.templates[2].model = scripted_model("a", name="small")
        Runner(scripted_model("b", name="large"), template=tree).run()
"""


@pytest.fixture
def desk(project: Any, chat_server: Any) -> Any:
    """A project whose calls are recorded, and whose templates are locked."""
    project.file("desk.py", DESK)
    project.tests(TEST)
    recording = ["--templates-record=missing", "--snapshot-update", "--templates-lock=update"]
    project.run(*recording).assert_outcomes(passed=2)
    project.run("--templates-lock=check").assert_outcomes(passed=2)
    chat_server.asked.clear()
    return project


def change(project: Any, old: str, new: str) -> None:
    assert old in DESK
    project.file("desk.py", DESK.replace(old, new))


def locked(project: Any, path: str, kind: str, file: str = "desk.py") -> set[str]:
    facts = read_lock(project.path / "templates.lock")
    assert facts is not None
    return set(facts.get((Key(file, path), kind), ()))


def test_real_models_are_locked_and_those_of_tests_are_not(desk: Any) -> None:
    assert locked(desk, "desk/sort", "model") == {"openai:gpt-4o-mini"}
    assert locked(desk, "desk/sort", "settings") == {"temperature=0.0"}
    assert locked(desk, "desk/answer", "model") == {"openai:gpt-4o"}
    assert locked(desk, "desk/answer", "settings") == set()


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ("temperature=0", "temperature=1", ["settings was temperature=0.0", "settings is  temperature=1.0"]),
        ('"gpt-4o-mini"', '"gpt-4o"', ["model was openai:gpt-4o-mini", "model is  openai:gpt-4o"]),
    ],
)
def test_another_model_or_setting_is_told(desk: Any, old: str, new: str, said: list[str]) -> None:
    change(desk, old, new)

    result = desk.run("--templates-lock=check")

    desk.says(result, "1 template is not as in templates.lock:", "  desk/sort  desk.py:17", *said)


def test_a_model_that_the_command_line_names_is_not_locked(
    desk: Any, chat_server: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OPENAI_BASE_URL", chat_server.url)
    monkeypatch.setenv("OPENAI_API_KEY", "a-key-for-nothing")
    override = ["--templates-model=sort=openai:small", "--templates-record=missing", "--snapshot-update"]

    desk.run("--templates-lock=update", *override).assert_outcomes(passed=2)

    assert chat_server.asked == ["Sort this."]
    assert locked(desk, "desk/sort", "model") == {"openai:gpt-4o-mini"}


def test_a_run_tells_what_it_would_cost_to_record_again(desk: Any, chat_server: Any) -> None:
    change(desk, "Answer this.", "Answer that.")

    result = desk.run("--templates-lock=check", "--templates-json=run.json")

    assert result.ret == pytest.ExitCode.TESTS_FAILED
    # 10 tokens in at $2.50 and 3 out at $10 a million
    desk.says(
        result,
        "1 template is not as in templates.lock:",
        "  desk/wish  desk.py:18",
        "these cassettes are stale; --templates-record=changed records what is needed of them:",
        "  cassettes/test_it/test_real.yaml  1 of 2 calls",
        "  that is at most 1 call, 13 tokens, $0.000055, as recorded",
        "these conversations are stale; --snapshot-update writes them:",
        "  __snapshots__/test_it/test_real.chat",
    )
    assert json.loads((desk.path / "run.json").read_text())["stale"] == [
        {
            "what": "cassette",
            "path": "cassettes/test_it/test_real.yaml",
            "why": "desk/wish",
            "cost": "at most 1 call, 13 tokens, $0.000055, as recorded",
        },
        {"what": "snapshot", "path": "__snapshots__/test_it/test_real.chat", "why": "desk/wish", "cost": None},
    ]
    assert chat_server.asked == []

    desk.run("--templates-record=changed", "--snapshot-update", "--templates-lock=update").assert_outcomes(passed=2)

    assert chat_server.asked == ["Answer that."]
    assert desk.run("--templates-lock=check").ret == 0


def test_what_comes_after_the_changed_words_may_change_too(desk: Any) -> None:
    change(desk, "You are brief.", "You are short.")

    result = desk.run("--templates-lock=check")

    desk.says(result, "test_real.yaml  2 of 2 calls", "at most 2 calls, 26 tokens, $0.000058, as recorded")


def test_the_price_is_that_of_the_new_model(desk: Any) -> None:
    change(desk, '"gpt-4o-mini"', '"nobody-knows-it"')

    result = desk.run("--templates-lock=check")

    desk.says(result, "at most 2 calls, 26 tokens, $0.000055 and more (cost of 1 call unknown), as recorded")


def test_a_change_that_no_model_hears_of_makes_no_cassette_stale(desk: Any) -> None:
    desk.tests(TEST + "\n    def test_bye():\n        list(UserTemplate('Bye.').render(Session()))\n")

    result = desk.run("--templates-lock=check")

    desk.says(result, "user is new  test_it.py")
    assert "cassettes are stale" not in str(result.stdout)


def test_what_was_played_and_met_in_this_run_is_not_stale(desk: Any) -> None:
    (desk.path / "desk.py").rename(desk.path / "moved.py")
    desk.tests(TEST.replace("from desk", "from moved"))

    result = desk.run("--templates-lock=check", "--templates-json=run.json")

    result.assert_outcomes(passed=2)
    desk.says(result, "desk/sort is new  moved.py")
    assert "are stale" not in str(result.stdout)
    assert json.loads((desk.path / "run.json").read_text())["stale"] == []


def test_of_a_test_that_fails_only_what_it_has_not_met_is_stale(desk: Any) -> None:
    both = TEST.replace("\n\n    def test_scripted", "\n        assert [] == llm_snapshot\n\n    def test_scripted")
    desk.tests(both)
    desk.run("--snapshot-update").assert_outcomes(passed=2)
    (desk.path / "desk.py").rename(desk.path / "moved.py")
    desk.tests(both.replace("from desk", "from moved").replace("[] ==", "[desk] =="))

    result = desk.run("--templates-lock=check", "-n1")

    result.assert_outcomes(passed=1, failed=1)
    desk.says(result, "these conversations are stale", "  __snapshots__/test_it/test_real.1.chat")
    assert "test_real.chat" not in str(result.stdout)
    assert "these cassettes are stale" not in str(result.stdout)


def test_a_cassette_that_cannot_be_read_is_named(desk: Any) -> None:
    change(desk, "Answer this.", "Answer that.")
    shared = '@pytest.mark.llm_cassette("shared")'
    desk.tests(TEST.replace("@pytest.mark.llm_cassette", shared) + "    path = 'cassettes/shared.yaml'\n")
    (desk.path / "cassettes/test_it/test_real.yaml").rename(desk.path / "cassettes/shared.yaml")
    desk.file(
        "conftest.py",
        """
        def pytest_sessionfinish(session):
            (session.config.rootpath / "cassettes/shared.yaml").write_text("version: 1\\n")
        """,
    )

    result = desk.run("--templates-lock=check")

    desk.says(result, "cassettes/shared.yaml  ", "shared.yaml:1: the cassette ")


@pytest.mark.parametrize(
    ("run", "workers"),
    [
        ("Runner(model, template=tree).run()", ()),
        ("list(Runner(model, template=tree).stream())", ()),
        ("asyncio.run(Runner(model, template=tree).arun())", ()),
        ("asyncio.run(heard(Runner(model, template=tree)))", ()),
        ("asyncio.run(heard(Runner(model, template=tree)))", ("-n1",)),
    ],
)
def test_every_way_to_run_locks_the_same(project: Any, run: str, workers: tuple[str, ...]) -> None:
    project.tests(
        f"""
        import asyncio

        class Plain(Model):
            name = "plain"

            def _send(self, session):
                return "Yes."

        async def heard(runner):
            return [step async for step in runner.astream()]

        def test_it():
            model = Plain()
            model.settings.max_tokens = 5
            inner = LinearTemplate([UserTemplate("Look."), AssistantTemplate(template_id="found")])
            tree = SubroutineTemplate(inner, "research", model=model)
            {run}
        """
    )

    project.run("--templates-lock=update", *workers).assert_outcomes(passed=1)

    for path in ("research", "research/linear-1/found"):
        assert locked(project, path, "model", "test_it.py") == {"plain"}
        assert locked(project, path, "settings", "test_it.py") == {"max_tokens=5"}


def test_settings_tell_no_secret_and_nothing_of_this_machine(
    project: Any, chat_server: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DESK_SECRET", "kept-to-myself")
    project.file("desk.py", DESK)
    body = {"user": "kept-to-myself", "a": {"token": "45"}}
    project.tests(
        f"""
        from desk import *

        @pytest.mark.llm_live(reason="a server of its own")
        def test_it():
            headers = {{"x-trace": "6789", "Authorization": "Bearer 0123"}}
            model = real(extra_headers=headers, extra_body={json.dumps(body)}, stop=["." * 99])
            Runner(model, template=LinearTemplate([UserTemplate("Hi."), AssistantTemplate(template_id="a")])).run()
        """
    )

    project.run("--templates-lock=update", "--templates-live").assert_outcomes(passed=1)

    [settings] = locked(project, "linear/a", "settings", "test_it.py")
    shown, _, stop = settings.rpartition(", stop=")
    assert shown == (
        'extra_body={"a":{"token":"REDACTED"},"user":"REDACTED"}, extra_headers=["Authorization","x-trace"]'
    )
    assert len(stop) == 12
