"""Asynchronous tests: pytest-asyncio, and anyio's two backends."""

from __future__ import annotations

import pytest

BODY = """
    model = scripted_model("one", "two", name="small")
    session = await Runner(model, scripted_user("Hi."), LinearTemplate([UserTemplate(), AssistantTemplate()])).arun()
    assert session.last.content == "one"
    inner = LinearTemplate([UserTemplate("Look it up."), AssistantTemplate(template_id="summary")])
    await Runner(model, template=SubroutineTemplate(inner, "research")).arun()
    assert list(llm_trace.models.values()) == [["small"], ["small"]]

{mark}
async def test_swallows(scripted_model):
    try:
        await Runner(scripted_model(), template=talk()).arun()
    except Exception:
        pass

{mark}
async def test_meddles(scripted_model):
    session = Session(metadata={{"notes": []}})
    def meddle(child):
        session.metadata["notes"].append("changed")
        return child
    inner = LinearTemplate([UserTemplate("Look it up."), AssistantTemplate(after_transform=meddle)])
    await Runner(scripted_model("one"), template=SubroutineTemplate(inner, "research")).arun(session)
"""


def marked(mark: str) -> str:
    return f"{mark}\nasync def test_passes(scripted_model, scripted_user, llm_trace):{BODY.format(mark=mark)}"


def test_tests_of_pytest_asyncio_are_held_to_the_same(project):
    project.tests(marked("@pytest.mark.asyncio"))

    result = project.run()

    result.assert_outcomes(passed=1, failed=2)
    project.says(result, "UnscriptedCall: ", "IsolationViolation: ", "metadata['notes'][0] was added: 'changed'")


@pytest.mark.usefixtures("all_plugins")
def test_tests_of_anyio_are_held_to_the_same_on_both_backends(project):
    project.tests(
        "@pytest.fixture(params=['asyncio', 'trio'])\ndef anyio_backend(request):\n    return request.param\n"
        + marked("@pytest.mark.anyio")
    )

    result = project.run("-rf")

    result.assert_outcomes(passed=2, failed=4)
    result.stdout.fnmatch_lines(
        [
            "FAILED *test_swallows[[]asyncio[]] - Failed: UnscriptedCall: *",
            "FAILED *test_swallows[[]trio[]] - Failed: UnscriptedCall: *",
            "FAILED *test_meddles[[]asyncio[]] - Failed: IsolationViolation: *",
            "FAILED *test_meddles[[]trio[]] - Failed: IsolationViolation: *",
        ],
        consecutive=False,
    )


def test_asynchronous_fixtures_may_ask_models(project):
    project.tests(
        """
        import pytest_asyncio

        @pytest_asyncio.fixture
        async def answered(scripted_model):
            yield (await Runner(scripted_model("one"), template=talk()).arun()).last.content

        @pytest.mark.asyncio
        async def test_it(answered, llm_trace):
            assert answered == "one"
            assert llm_trace.models == {"answer": ["scripted"]}
        """
    )

    assert project.outcomes() == {"passed": 1}
