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


# What is refused, by the four values of like=, is in the table of docs/providers.md.
ATTACHED = """
    ATTACHED = {
        "picture": Image.from_bytes(b"PNG", "image/png"),
        "bitmap": Image.from_bytes(b"BM", "image/bmp"),
        "sound": Audio.from_bytes(b"RIFF", "audio/wav"),
        "ogg": Audio.from_bytes(b"OggS", "audio/ogg"),
        "word": Document.from_bytes(b"PK", "application/msword"),
        "zip": Document.from_bytes(b"PK", "application/zip"),
        "latin": Document.from_bytes("\u00e9".encode("latin-1"), "text/plain"),
        "untyped": Document.from_url("https://x.example/a"),
        "untyped-picture": Image.from_url("https://x.example/a"),
    }
    REFUSED = {
        None: {"zip", "latin", "untyped"},
        "openai": {"zip", "latin", "untyped", "ogg"},
        "anthropic": {"zip", "latin", "untyped", "ogg", "sound", "bitmap", "word"},
        "google": {"zip", "latin", "untyped"},
    }

    def looking(model, *attached):
        return Runner(model, template=LinearTemplate([UserTemplate("x", attachments=attached), AssistantTemplate()]))
"""


def test_what_is_attached_is_refused_as_the_provider_does(project):
    project.tests(
        ATTACHED
        + """
    @pytest.mark.parametrize("like", REFUSED)
    def test_it(scripted_model, like):
        refused = set()
        for name, attachment in ATTACHED.items():
            runner = looking(scripted_model("ok", like=like), attachment)
            try:
                with pytest.raises(antiphon.errors.InvalidConversation):
                    runner.run()
            except pytest.fail.Exception:
                continue
            refused.add(name)
        assert refused == REFUSED[like]

    def test_swallowed(scripted_model):
        swallow(looking(scripted_model("ok", like="anthropic"), ATTACHED["sound"]).run)

    def test_expected(scripted_model):
        with expecting(antiphon.errors.InvalidConversation) as caught:
            swallow(looking(scripted_model("ok", like="anthropic"), ATTACHED["sound"]).run)
        refused = caught.value
        told = refused.rule, refused.index, refused.template_path, refused.provider
        assert told == ("no-sound", 0, "linear/user-1", "anthropic")

    def test_swallowed_of_all(scripted_model):
        swallow(looking(scripted_model("ok"), ATTACHED["zip"]).run)

    def test_of_the_models_own_making(scripted_model):
        model = scripted_model(Reply("See:", attachments=(ATTACHED["picture"],)), "Yes.", like="openai")
        paint = [UserTemplate("Paint."), AssistantTemplate(), UserTemplate("Nice?"), AssistantTemplate()]
        assert Runner(model, template=LinearTemplate(paint)).run().last.content == "Yes."
    """
    )

    result = project.run()

    result.assert_outcomes(passed=6, failed=2)
    project.says(
        result,
        "_ test_swallowed _",
        "InvalidConversation: model 'scripted', asked by 'linear/assistant-2': anthropic takes no audio; message 0, of "
        "the role 'user', said by the template at 'linear/user-1', holds <Audio audio/wav, 4 bytes",
        "rule no-sound: There is no sound.",
        "attach what is said as a text",
        "_ test_swallowed_of_all _",
        "it takes no application/zip; message 0",
        "attach it as a PDF or as a text",
    )
