"""templates_like: whose rules hold for scripted models."""

from __future__ import annotations

import pytest

TESTS = """
    def begun(model):
        letter = LinearTemplate([UserTemplate("Hi"), AssistantTemplate("Dear"), AssistantTemplate()])
        return Runner(model, template=letter).run()

    def test_its_own(scripted_model):
        assert begun(scripted_model("Ada,")).last.content == "Ada,"

    def test_another(scripted_model):
        assert begun(scripted_model("Ada,", like="openai")).last.content == "Ada,"

    def test_nothing_wrong(scripted_model):
        assert ask(scripted_model("Hello")).last.content == "Hello"
"""


@pytest.mark.parametrize("workers", [(), ("-n1",)])
def test_models_that_say_nothing_else_are_like_that_provider(project, workers):
    project.ini("templates_like = anthropic")
    project.tests(TESTS)

    result = project.run(*workers)

    result.assert_outcomes(passed=2, failed=1)
    project.says(
        result,
        "_ test_its_own _",
        "InvalidConversation: model 'scripted' was not asked by 'linear/assistant-3': anthropic refuses",
    )


@pytest.mark.parametrize("value", ["", "openai"])
def test_it_may_be_empty_or_a_provider_that_takes_more(project, value):
    project.ini(f"templates_like = {value}")
    project.tests(TESTS)

    assert project.outcomes() == {"passed": 3}


def test_another_provider_is_refused_with_the_valid_ones(project):
    project.ini("templates_like = mistral")
    project.tests(TESTS)

    result = project.run()

    assert result.ret == pytest.ExitCode.USAGE_ERROR
    result.stderr.fnmatch_lines(
        ["ERROR: templates_like in *pytest.ini: like takes 'openai', 'anthropic', 'google' or None, not 'mistral'"]
    )
