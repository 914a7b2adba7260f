"""Projects hear of the model calls of their tests by a hook."""

from __future__ import annotations

import pytest

HEARING = """
    def pytest_templates_model_call(call, item):
        with open("heard.txt", "a") as file:
            print(item.name, call.template_path, call.model, type(call.error).__name__, file=file)
"""


def heard(project) -> list[str]:
    return (project.path / "heard.txt").read_text().splitlines()


def test_every_call_is_told_once_with_its_test(project, chat_server):
    project.file("conftest.py", HEARING)
    project.tests(
        """
        import asyncio

        @pytest.fixture
        def in_a_fixture(scripted_model):
            ask(scripted_model("fine", name="early"))

        def test_sync(scripted_model, in_a_fixture):
            research(scripted_model("fine"))

        def test_async(scripted_model):
            asyncio.run(Runner(scripted_model("fine"), template=talk()).arun())

        def test_stream(scripted_model):
            list(Runner(scripted_model(Stream("fi", "ne")), template=talk()).stream())

        def test_failed(scripted_model, llm_faults):
            llm_faults.at("answer", faults.timeout())
            swallow(ask, scripted_model())

        @pytest.mark.llm_cassette
        def test_real():
            ask(Plain())
        """
    )

    project.run("--templates-record=missing").assert_outcomes(passed=5)
    assert heard(project) == [
        "test_sync talk/answer early NoneType",
        "test_sync research/linear-1/summary scripted NoneType",
        "test_async talk/answer scripted NoneType",
        "test_stream talk/answer scripted NoneType",
        "test_failed talk/answer scripted ModelTimeout",
        "test_real talk/answer m NoneType",
    ]

    (project.path / "heard.txt").unlink()
    project.run("-n2").assert_outcomes(passed=5)
    assert len(heard(project)) == 6


def test_a_hook_of_another_folder_hears_nothing(project):
    project.file("elsewhere/conftest.py", HEARING)
    project.file("elsewhere/test_other.py", "def test_it():\n    pass\n")
    project.tests("def test_it(scripted_model):\n    ask(scripted_model('fine'))")

    project.run().assert_outcomes(passed=2)

    assert not (project.path / "heard.txt").exists()


def test_a_call_cannot_be_changed_by_the_hook(project):
    project.file("conftest.py", "def pytest_templates_model_call(call, item):\n    call.model = 'another'\n")
    project.tests("def test_it(scripted_model):\n    ask(scripted_model('fine'))")

    result = project.run()

    result.assert_outcomes(failed=1)
    project.says(result, "conftest.py: the hook pytest_templates_model_call failed with FrozenInstanceError")


def test_a_hook_that_fails_fails_the_test_and_not_the_program(project):
    project.file("plugin_a.py", HEARING)
    project.file(
        "conftest.py", "def pytest_templates_model_call(call):\n    assert call.model == 'cheap', call.model\n"
    )
    project.tests(
        """
        def test_it(scripted_model):
            assert ask(scripted_model("fine", name="dear")).last.content == "fine"

        def test_other(scripted_model):
            ask(scripted_model("fine", name="cheap"))
        """
    )

    result = project.run("-p", "plugin_a")

    result.assert_outcomes(failed=1, passed=1)
    place = project.path / "conftest.py"
    project.says(
        result,
        f"HookError: {place}: the hook pytest_templates_model_call failed with AssertionError: dear",
        f"seen at {place}:2, in pytest_templates_model_call",
    )
    assert [line.split()[0] for line in heard(project)] == ["test_it", "test_other"]


def test_an_async_hook_is_refused_by_name(project):
    project.file("conftest.py", "async def pytest_templates_model_call(call):\n    assert False\n")
    project.tests("def test_it(scripted_model):\n    ask(scripted_model('one'))\n")

    result = project.run()

    assert "passed" not in result.parseoutcomes()
    project.says(result, "conftest.py: pytest_templates_model_call cannot be async, it would not run")


def test_a_wrapper_is_refused_by_name(project):
    wrapper = "@pytest.hookimpl(wrapper=True)\ndef pytest_templates_model_call(call):\n    return (yield)\n"
    project.file("conftest.py", f"import pytest\n\n{wrapper}")
    project.tests("def test_it(scripted_model):\n    ask(scripted_model('fine'))")

    result = project.run()

    result.assert_outcomes(failed=1)
    project.says(result, "conftest.py: pytest_templates_model_call cannot be a wrapper: write it as a plain function")


@pytest.mark.parametrize("hook", ["pytest_templates_model_call", "pytest_templates_report_section"])
def test_a_hook_with_an_argument_that_does_not_exist_is_refused(hook, project):
    project.file("conftest.py", f"def {hook}(cal):\n    pass\n")
    project.file("test_it.py", "def test_it():\n    pass\n")

    assert "'cal'" in str(project.run_forked().stderr)
