"""What scripted models are asked is held to the rules of providers: those of all, and with like= those of one."""

from __future__ import annotations

import pytest

# A program that loses the result of a tool on its way to the next question.
LOSING = """
    import asyncio

    @tool
    def price(title: str) -> str:
        \"\"\"Tells a price.\"\"\"
        return "9 euros"

    CALL = Reply("", tool_calls=(ToolCall(id="c1", name="price", arguments={"title": "Emma"}),))

    def losing(model):
        look = ToolingTemplate([price], template_id="look", after_transform=without_results)
        templates = [UserTemplate("What is Emma?"), look, UserTemplate("And?"), AssistantTemplate()]
        return Runner(model, template=LinearTemplate(templates, template_id="shop"))

    def without_results(session):
        session.messages[:] = [message for message in session.messages if message.role != "tool"]
        return session
"""


@pytest.mark.parametrize("workers", [(), ("-n1",)])
def test_what_every_provider_refuses_fails_the_test_also_where_the_program_swallows_it(project, workers):
    project.tests(
        LOSING
        + """
    def test_raised(scripted_model):
        losing(scripted_model(CALL, "Nine euros.", "Yes?")).run()

    def test_swallowed(scripted_model):
        swallow(losing(scripted_model(CALL, "Nine euros.", "Yes?")).run)

    def test_swallowed_async(scripted_model):
        swallow(asyncio.run, losing(scripted_model(CALL, "Nine euros.", "Yes?")).arun())

    def test_swallowed_stream(scripted_model):
        swallow(list, losing(scripted_model(CALL, "Nine euros.", "Yes?")).stream())

    def test_of_a_models_own(scripted_model):
        class Own(Model):
            answers = iter([CALL, "Nine euros.", "Yes?"])

            def _send(self, session):
                return next(self.answers)

        assert losing(Own()).run().last.content == "Yes?"
    """
    )

    result = project.run(*workers)

    result.assert_outcomes(failed=4, passed=1)
    project.says(
        result,
        "InvalidConversation: model 'scripted' was not asked by 'shop/assistant-4': every provider refuses the "
        "conversation, for messages[1] of the assistant, said by 'shop/look', calls price ('c1'), and no result comes",
        "rule calls-answered: Every call of a tool is answered",
        "answer every call of the message before anything else is said",
    )


def test_what_one_provider_refuses_is_asked_for_by_like(project):
    project.tests(
        """
        PREFILLED = [UserTemplate("Hi"), AssistantTemplate("Dear"), AssistantTemplate()]
        EMPTY = [UserTemplate(""), AssistantTemplate()]
        ONLY_SYSTEM = [SystemTemplate("Say hello."), AssistantTemplate()]

        @pytest.mark.parametrize("like", [None, "openai", "anthropic", "google"])
        @pytest.mark.parametrize("templates", [PREFILLED, EMPTY, ONLY_SYSTEM], ids=["prefilled", "empty", "system"])
        def test_it(scripted_model, templates, like):
            model = scripted_model("Ada,", like=like)
            assert Runner(model, template=LinearTemplate(templates)).run().last.content == "Ada,"

        def test_a_fork(scripted_model):
            inner = SubroutineTemplate(LinearTemplate(EMPTY))
            Runner(scripted_model("x", like="google"), template=inner).run()
        """
    )

    result = project.run("-rf")

    result.assert_outcomes(passed=7, failed=6)
    for failed in (
        *("prefilled-anthropic", "prefilled-google", "empty-anthropic", "empty-google", "system-anthropic"),
        "test_a_fork",
    ):
        project.says(result, f"{failed}")


def test_another_value_is_refused_where_the_model_is_made(project):
    project.tests(
        """
        def test_it(scripted_model):
            with pytest.raises(ValueError, match="scripted_model 'small': like takes 'openai', 'anthropic'"):
                scripted_model("x", name="small", like="claude")

        @pytest.mark.parametrize("like", ["Anthropic", 3, True, ["openai"]])
        def test_others(scripted_model, like):
            with pytest.raises(ValueError, match="like takes"):
                scripted_model("x", like=like)
        """
    )

    assert project.outcomes() == {"passed": 5}
