"""llm_script: a test whose models play from a file."""

from __future__ import annotations

import pytest

TESTS = """
    def program(model):
        sort = AssistantTemplate(template_id="classify", model=model)
        tree = LinearTemplate([UserTemplate("Refund!"), sort, AssistantTemplate()], template_id="desk")
        return Runner(model, template=tree)

    @pytest.mark.llm_script("refund.yaml")
    def test_it(scripted_model):
        said = program(scripted_model(name="small")).run().messages
        assert [message.content for message in said[1:]] == ["billing", "Sure."]
"""


def test_models_without_steps_play_the_script_by_template(project):
    project.copy("scripts/desk.yaml", "fixtures/refund.yaml")
    project.tests(TESTS)

    assert project.outcomes() == {"passed": 1}


def test_several_models_play_from_one_script_and_those_with_steps_from_their_own(project):
    project.file("fixtures/refund.yaml", "classify: [billing, delivery]\n")
    project.tests(
        """
        @pytest.mark.llm_script("refund.yaml")
        def test_it(scripted_model):
            small, large = scripted_model(name="small"), scripted_model(name="large")
            own = scripted_model("mine")
            sort = lambda model: AssistantTemplate(template_id="classify", model=model)
            tree = lambda model: LinearTemplate([UserTemplate("x"), sort(model)])
            said = [Runner(own, template=tree(model)).run().last.content for model in (small, large, own)]
            assert said == ["billing", "delivery", "mine"]
        """
    )

    assert project.outcomes() == {"passed": 1}


def test_a_script_that_no_model_plays_is_left_over(project):
    project.file("fixtures/refund.yaml", "classify: billing\n")
    project.tests(
        """
        @pytest.mark.llm_script("refund.yaml")
        def test_it(scripted_model):
            ask(scripted_model("mine"))
        """
    )

    result = project.run()

    result.assert_outcomes(passed=1, errors=1)
    project.says(result, "no model plays it: scripted_model() does where it is given no steps of its own")


OWN_MODELS = """
    class Patient(Model):
        def __init__(self, inner):
            self.inner = inner

        def _send(self, session):
            try:
                return self.inner.send(session)
            except antiphon.errors.RateLimitError:
                return self.inner.send(session)

    class Own(Model):
        def _send(self, session):
            raise ConnectionError

    def program():
        sort = AssistantTemplate(template_id="sort", model=Patient(connect("openai:small")))
        find = LinearTemplate([UserTemplate("Where?"), AssistantTemplate(template_id="find", model=Own())])
        steps = [UserTemplate("Refund!"), sort, SubroutineTemplate(find), AssistantTemplate()]
        return Runner("anthropic:large", template=LinearTemplate(steps, template_id="desk"))

    USED = {"sort": "openai:small", "find": "Own", "desk/assistant-4": "anthropic:large"}
"""


@pytest.mark.parametrize("workers", [(), ("-n1",)])
def test_a_script_alone_answers_a_program_that_takes_no_model_from_the_test(project, workers):
    project.file(
        "fixtures/refund.yaml",
        "sort: [{fail: rate_limited}, billing]\n'**/find': found\n'desk/assistant-4': Sure.\n",
    )
    project.ini("asyncio_mode = auto")
    project.tests(
        OWN_MODELS
        + """
    @pytest.mark.llm_script("refund.yaml")
    def test_it(llm_trace):
        assert [message.content for message in program().run().messages] == ["Refund!", "billing", "found", "Sure."]
        assert_models(llm_trace, USED)
        assert [call.chosen_by for call in llm_trace.calls] == ["template", "template", "runner"]
        program().model.send(Session(messages=[Message(role="user", content="Hi")]))

    @pytest.mark.llm_script("refund.yaml")
    async def test_async(llm_trace, scripted_model):
        await program().arun()
        assert_models(llm_trace, USED)
        question = Session(messages=[Message(role="user", content="Hi")])
        own = Runner(scripted_model("mine"), template=AssistantTemplate())
        assert [message.content async for message in own.aiter(question)] == ["mine"]
"""
    )

    result = project.run("--templates-summary", *workers)

    result.assert_outcomes(failed=1, passed=1)
    by = "scripted_model 'anthropic:large' was asked by code outside of templates"
    project.says(result, f"{by} and the script refund.yaml is over")


def test_a_file_serves_several_tests_that_each_take_a_part_of_it(project):
    project.file("fixtures/refund.yaml", "answer: Sure.\nsummary: In short.\n")
    project.tests(
        """
        @pytest.mark.llm_script("refund.yaml", allow_unused=True)
        def test_said_at_the_marker():
            ask("openai:m")

        @pytest.mark.llm_script("refund.yaml")
        def test_said_at_the_model(scripted_model):
            ask(scripted_model(allow_unused=True))

        @pytest.mark.llm_script("refund.yaml")
        def test_said_at_a_model_with_steps_of_its_own(scripted_model):
            ask(scripted_model("one", "two", allow_unused=True))

        @pytest.mark.llm_script("refund.yaml")
        def test_not_said(scripted_model):
            ask(scripted_model())
        """
    )

    assert project.outcomes() == {"passed": 4, "errors": 1}


def test_a_test_of_real_models_asks_them(project, chat_server):
    project.file("fixtures/refund.yaml", "classify: billing\n")
    project.tests(
        """
        @pytest.mark.llm_cassette
        @pytest.mark.llm_script("refund.yaml")
        def test_it(scripted_model):
            ask(real())
            session = Session(messages=[Message(role="user", content="Hi")])
            Runner(scripted_model(), template=AssistantTemplate(template_id="classify")).run(session)
            assert session.last.content == "billing"
        """
    )

    assert project.outcomes("--templates-record=missing") == {"passed": 1}
    assert chat_server.asked == ["Hello."]


def test_scripts_are_the_same_under_xdist(project):
    project.copy("scripts/desk.yaml", "fixtures/refund.yaml")
    project.tests(TESTS)
    project.tests(TESTS, "test_again.py")

    assert project.run_forked("-n1").parseoutcomes() == {"passed": 2}


@pytest.mark.parametrize(
    "marker",
    [
        "llm_script()",
        "llm_script('../x.yaml')",
        "llm_script('/x.yaml')",
        "llm_script('x')",
        "llm_script('x.yaml', allow_unused='yes')",
    ],
)
def test_a_marker_that_names_no_file_is_refused_at_collection(marker, project):
    project.tests(f"@pytest.mark.{marker}\ndef test_it(): pass")

    result = project.run()

    result.assert_outcomes(errors=1)
    project.says(
        result,
        "test_it.py::test_it: marker llm_script: ",
        "it takes llm_script(path, *, like=None, allow_unused=False)",
    )


def test_like_says_whose_rules_hold_for_the_models_of_the_test_that_say_no_other(project):
    project.ini("templates_like = openai")
    project.file("fixtures/refund.yaml", "'**': Ada\n")
    project.tests(
        """
        BEGUN = LinearTemplate([UserTemplate("Hi"), AssistantTemplate("Dear"), AssistantTemplate()])

        @pytest.mark.llm_script("refund.yaml", like="anthropic")
        def test_of_the_file(scripted_model):
            Runner(scripted_model(), template=BEGUN).run()

        @pytest.mark.llm_script("refund.yaml", like="anthropic")
        def test_with_its_own(scripted_model):
            ask(scripted_model())
            Runner(scripted_model("x"), template=BEGUN).run()

        @pytest.mark.llm_script("refund.yaml", like="anthropic")
        def test_another(scripted_model):
            ask(scripted_model())
            Runner(scripted_model("x", like="openai"), template=BEGUN).run()

        @pytest.mark.llm_script("refund.yaml")
        def test_as_the_ini_file_says(scripted_model):
            Runner(scripted_model(), template=BEGUN).run()
        """
    )

    result = project.run("-rf")

    result.assert_outcomes(passed=2, failed=2)
    project.says(result, "FAILED test_it.py::test_of_the_file", "FAILED test_it.py::test_with_its_own")


def test_a_provider_that_is_not_known_is_refused_at_collection(project):
    project.tests('@pytest.mark.llm_script("refund.yaml", like="claude")\ndef test_it():\n    pass\n')

    result = project.run()

    result.assert_outcomes(errors=1)
    project.says(result, "marker llm_script: like takes 'openai', 'anthropic', 'google' or None, not 'claude'")


STRICT = """
    from antiphon.connect import ConnectedModel
    from antiphon.errors import InvalidConversation, InvalidValue

    SOUND = Audio.from_bytes(b"RIFF", "audio/wav")
    BEGUN = [UserTemplate("Hi"), AssistantTemplate("Dear"), AssistantTemplate()]
    HEARD = [UserTemplate("Hi", attachments=[SOUND]), AssistantTemplate()]
    THINKING = {"anthropic_thinking": {"type": "enabled", "budget_tokens": 1024}}
    ELSEWHERE = {"base_url": "http://127.0.0.1:1/v1"}

    @tool
    def price(title: str) -> str:
        \"\"\"Tells a price.\"\"\"
        return "9"

    LOOKED = [UserTemplate("Hi"), ToolingTemplate([price], template_id="look")]

    def run(templates, model):
        return Runner(model, template=LinearTemplate(templates)).run()
"""


def test_a_script_is_as_strict_as_the_model_of_the_program_that_it_answers_for(project):
    project.file("fixtures/any.yaml", "'**/assistant-*': {times: forever, replies: [Ada]}\n")
    project.file("fixtures/look.yaml", "look: [{call_tool: price, arguments: {title: Emma}}, Nine.]\n")
    project.tests(
        STRICT
        + """
    @pytest.mark.llm_script("any.yaml", allow_unused=True)
    @pytest.mark.parametrize(("templates", "name", "settings", "refused"), [
        (BEGUN, "anthropic:claude-sonnet-4-5", {}, InvalidConversation),
        (BEGUN, "anthropic:claude-haiku-4-5", {}, None),
        (BEGUN, "anthropic:claude-haiku-4-5", THINKING, InvalidConversation),
        (BEGUN, "google-cloud:gemini-3.6-flash", {}, InvalidConversation),
        (BEGUN, "openai:gpt-5", {}, None),
        (HEARD, "anthropic:claude-sonnet-4-5", {}, InvalidValue),
        (HEARD, "google:gemini-3.6-flash", {}, None),
        (HEARD, "openai:gpt-5", {}, InvalidValue),
        (HEARD, "openai:gpt-5", ELSEWHERE, None),
        (HEARD, "openai-chat:gpt-5", {}, InvalidValue),
        (HEARD, "openai-chat:gpt-audio", {}, None),
        (HEARD, "local:smollm2-135m", {}, InvalidValue),
        (HEARD, "mistral:large", {}, None),
    ])
    def test_it(templates, name, settings, refused):
        model = ConnectedModel(name, **settings)
        if refused is None:
            assert run(templates, model).last.content == "Ada"
            return
        with pytest.raises(refused) as caught:
            run(templates, model)
        assert name in str(caught.value)

    @pytest.mark.llm_script("any.yaml")
    def test_swallowed():
        swallow(run, BEGUN, "anthropic:claude-sonnet-4-5")

    @pytest.mark.llm_script("any.yaml", like="google")
    def test_like():
        run(BEGUN, "openai:gpt-5")

    @pytest.mark.llm_script("look.yaml")
    def test_what_the_script_answers_counts_as_thought():
        assert run(LOOKED, connect("anthropic:claude-sonnet-4-5", **THINKING)).last.content == "Nine."

    @pytest.mark.llm_script("any.yaml", allow_unused=True)
    def test_in_place(llm_override, scripted_model):
        llm_override("*", scripted_model("Mine"))
        assert run(BEGUN, "anthropic:claude-sonnet-4-5").last.content == "Mine"
    """
    )

    result = project.run("-rf")

    result.assert_outcomes(passed=15, failed=2)
    project.says(result, "anthropic refuses the conversation", "google refuses the conversation")
