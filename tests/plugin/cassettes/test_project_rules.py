"""Projects add rules to recordings by hooks."""

from __future__ import annotations

import pytest

PROGRAM = """
    import os

    def say(text, name="m"):
        tree = LinearTemplate([UserTemplate(text), AssistantTemplate(template_id="answer")])
        return Runner(connect(f"openai:{name}", base_url=os.environ["CHAT_URL"], api_key="x"), template=tree).run()
"""
REPLACING = """
    from dataclasses import replace

    def changed(interaction, old, new):
        request, response = interaction.request, interaction.response
        return replace(
            interaction,
            request=replace(request, body=request.body.replace(old, new)),
            response=replace(response, body=response.body.replace(old, new)),
        )
"""


@pytest.fixture
def asking(project, chat_server):
    """Makes the project's one test: it says a text to a model."""

    def make(text, name="m"):
        project.tests(f"{PROGRAM}\n    @pytest.mark.llm_cassette\n    def test_it():\n        say({text!r}, {name!r})")
        return project

    return make


def conftest(project, text, folder=""):
    project.file(f"{folder}conftest.py", REPLACING + text)


def recorded(project, *arguments):
    project.run("--templates-record=missing", *arguments).assert_outcomes(passed=1)
    return (project.path / "cassettes/test_it/test_it.yaml").read_text()


def test_what_a_hook_takes_out_of_a_recording_is_not_in_the_file(asking, chat_server):
    project = asking("I am Ada.")
    conftest(project, "    def pytest_templates_scrub(interaction):\n        return changed(interaction, b'Ada', b'X')")

    text = recorded(project)

    assert "I am X." in text
    assert "Ada" not in text
    assert chat_server.asked == ["I am Ada."]


def test_a_request_is_looked_up_as_the_hook_leaves_it(asking, chat_server):
    project = asking("I am Ada.")
    scrub = "def pytest_templates_scrub(interaction):\n        return changed(interaction, {!r}, b'X')"
    conftest(project, f"    {scrub.format(b'Ada')}")
    recorded(project)
    asking("I am Bob.")
    conftest(project, f"    {scrub.format(b'Bob')}")

    project.run().assert_outcomes(passed=1)
    assert len(chat_server.asked) == 1


def test_a_recording_from_before_the_hook_is_read_as_the_hook_leaves_it(asking):
    project = asking("I am Ada.")
    recorded(project)
    conftest(project, "    def pytest_templates_scrub(interaction):\n        return changed(interaction, b'Ada', b'X')")

    project.run().assert_outcomes(passed=1)


def test_every_hook_is_asked_about_what_the_one_before_it_returned(asking):
    project = asking("one")
    project.file("plugin_a.py", f"{REPLACING}\n    def pytest_templates_scrub(interaction):\n        return None")
    conftest(
        project,
        """
    import pytest

    class Second:
        @staticmethod
        def pytest_templates_scrub(interaction):
            return changed(interaction, b"two", b"three")

    def pytest_configure(config):
        config.pluginmanager.register(Second())

    @pytest.hookimpl(tryfirst=True)
    def pytest_templates_scrub(interaction):
        return changed(interaction, b"one", b"two")
    """,
    )

    assert "content: three" in recorded(project, "-p", "plugin_a")


def test_a_hook_of_another_folder_does_not_apply(asking):
    project = asking("I am Ada.")
    conftest(project, "    def pytest_templates_scrub(interaction):\n        return 1/0", "elsewhere/")
    project.file("elsewhere/test_other.py", "def test_it():\n    pass\n")

    assert project.outcomes("--templates-record=missing") == {"passed": 2}


def test_a_hook_sees_no_secret_and_brings_none_back(asking, monkeypatch):
    monkeypatch.setenv("SITE_KEY", "kX3fZq9aB7wQ2m5")
    project = asking("The key is kX3fZq9aB7wQ2m5.")
    conftest(
        project,
        """
    def pytest_templates_scrub(interaction):
        assert b"kX3fZq9aB7wQ2m5" not in interaction.request.body
        return changed(interaction, b"is REDACTED.", b"is kX3fZq9aB7wQ2m5!")
    """,
    )

    text = recorded(project)

    assert "The key is REDACTED!" in text
    assert "kX3fZq9aB7wQ2m5" not in text


NONSENSE = {
    "{}": "the type is dict",
    "True": "the type is bool",
    "replace(interaction, request=None)": "the request is of the type NoneType",
    "replace(interaction, request=replace(interaction.request, body='x'))": "the request.body is of the type str",
    "replace(interaction, response=replace(interaction.response, reason=1))": "the response.reason is of the type int",
}


@pytest.mark.parametrize("answer", NONSENSE)
def test_what_is_no_interaction_is_refused_by_name(answer, asking, chat_server):
    project = asking("one")
    conftest(project, f"    def pytest_templates_scrub(interaction):\n        return {answer}")

    result = project.run("--templates-record=missing")

    result.assert_outcomes(failed=1)
    project.says(
        result,
        "conftest.py: the hook pytest_templates_scrub is to return the changed Interaction, or None for no change; "
        f"of what it returned, {NONSENSE[answer]}",
    )
    assert chat_server.asked == []
    assert not (project.path / "cassettes").exists()


def test_a_hook_that_fails_fails_the_test_also_where_the_program_swallows_it(project, chat_server):
    project.tests(f"{PROGRAM}\n    @pytest.mark.llm_cassette\n    def test_it():\n        swallow(say, 'one')")
    conftest(project, "    def pytest_templates_scrub(interaction):\n        return {}['x']")

    result = project.run("--templates-record=missing")

    result.assert_outcomes(failed=1)
    project.says(result, "conftest.py: the hook pytest_templates_scrub failed with KeyError: 'x'")


@pytest.mark.parametrize("hook", ["pytest_templates_scrub", "pytest_templates_match"])
def test_a_wrapper_is_refused(hook, asking):
    project = asking("one")
    conftest(
        project, f"    import pytest\n\n    @pytest.hookimpl(wrapper=True)\n    def {hook}():\n        return (yield)"
    )

    result = project.run()

    result.assert_outcomes(errors=1)
    project.says(result, f"conftest.py: {hook} cannot be a wrapper: write it as a plain function")


@pytest.mark.parametrize("hook", ["pytest_templates_scrub", "pytest_templates_match"])
@pytest.mark.parametrize(
    ("code", "kind"),
    [
        ("async def {}():\n        assert False", "async"),
        ("def {}():\n        assert False\n        yield", "a generator"),
    ],
)
def test_a_hook_that_would_not_run_is_refused(hook, code, kind, asking):
    project = asking("one")
    conftest(project, "    " + code.format(hook))

    result = project.run()

    result.assert_outcomes(errors=1)
    project.says(result, f"conftest.py: {hook} cannot be {kind}, it would not run: write it as a plain function")


def test_a_hook_with_an_argument_that_does_not_exist_is_refused(asking):
    project = asking("one")
    conftest(project, "    def pytest_templates_scrub(cassette):\n        pass")

    assert "cassette" in str(project.run_forked().stderr)


MATCH = "    def pytest_templates_match(request, recorded):\n        "


def test_a_hook_accepts_a_recording_that_differs(asking, chat_server):
    project = asking("one")
    recorded(project)
    asking("two")
    conftest(project, MATCH + "return True if request.uri == recorded.uri else None")

    project.run().assert_outcomes(passed=1)
    assert chat_server.asked == ["one"]


def test_a_hook_refuses_a_recording_that_is_equal(asking):
    project = asking("one")
    recorded(project)
    conftest(project, MATCH + "return False")

    result = project.run()

    result.assert_outcomes(failed=1)
    project.says(
        result,
        "no-match: no recording equals this request",
        "Nearest is recording 1, asked by linear/answer; it is equal, and a hook pytest_templates_match refuses it.",
    )


def test_an_equal_recording_goes_before_one_that_a_hook_accepts(project, chat_server):
    project.tests(
        PROGRAM
        + """
    @pytest.mark.llm_cassette
    def test_it():
        assert [say(text).last.content for text in ("one", "two")] == ["Answer 1.", "Answer 2."]

    @pytest.mark.llm_cassette("test_it/test_it")
    def test_later():
        assert [say(text).last.content for text in ("two", "new")] == ["Answer 2.", "Answer 1."]
    """
    )
    conftest(project, MATCH + "return True")
    project.run("--templates-record=missing", "test_it.py::test_it").assert_outcomes(passed=1)

    project.run().assert_outcomes(passed=2)


def test_a_hook_without_an_opinion_changes_nothing(asking):
    project = asking("one")
    conftest(project, MATCH + "return None")
    recorded(project)
    project.run().assert_outcomes(passed=1)
    asking("two")

    project.run().assert_outcomes(failed=1)


@pytest.mark.parametrize("answer", ["1", "'yes'", "[]"])
def test_an_answer_that_is_neither_true_nor_false_is_refused_by_name(answer, asking):
    project = asking("one")
    recorded(project)
    conftest(project, MATCH + f"return {answer}")

    result = project.run()

    result.assert_outcomes(failed=1)
    project.says(result, "conftest.py: the hook pytest_templates_match is to return True, False, or None")
