"""What is recorded with other models: apart from what the tests have, and no more than is new."""

from __future__ import annotations


def test_the_other_model_is_asked_and_has_a_cassette_of_its_own(project, tests, reached, files):
    tests()
    project.run("--templates-record=missing").assert_outcomes(passed=1)
    normal = files()

    project.run("--templates-record=all", "--templates-model=answer=openai:small").assert_outcomes(passed=1)
    result = project.run("-s", "--templates-model=answer=openai:small")

    result.assert_outcomes(passed=1)
    project.says(result, "[('classify', 'openai:large', 'runner'), ('answer', 'openai:small', 'override')]")
    assert len(normal) == 1
    assert files().items() >= normal.items()
    [name] = files().keys() - normal.keys()
    folder, _, rest = name.partition("/")
    assert folder.startswith("answer=openai_small-")
    assert rest in normal


def test_only_the_replaced_model_is_asked_anew(project, tests, reached, files):
    tests()
    project.run("--templates-record=missing").assert_outcomes(passed=1)
    del reached.asked[:]

    for mode in ("missing", "changed", "all", "none"):
        result = project.run(f"--templates-record={mode}", "--templates-model=answer=openai:small")
        result.assert_outcomes(passed=1)

    assert len(reached.asked) == 2  # by "missing" and by "all"
    project.says(result, "2 replayed")


def test_what_follows_from_another_answer_is_recorded_with_it(project, tests, reached):
    tests()
    project.run("--templates-record=missing").assert_outcomes(passed=1)

    project.run("--templates-record=missing", "--templates-model=classify=openai:small").assert_outcomes(passed=1)

    assert len(reached.asked) == 4
    project.run("--templates-model=classify=openai:small").assert_outcomes(passed=1)
    project.run().assert_outcomes(passed=1)


def test_a_recording_answers_only_the_model_it_was_recorded_from(project, tests, reached):
    tests(
        """
@pytest.mark.llm_cassette(match_on=["method"])
def test_it(real):
    desk(real()).run()
"""
    )
    project.run("--templates-record=missing").assert_outcomes(passed=1)

    result = project.run("--templates-model=answer=openai:small")

    result.assert_outcomes(failed=1)
    project.says(result, "CassetteMiss", "asked by  desk/answer (model openai:small)")


def test_a_test_that_does_not_render_the_template_uses_its_own_cassette_as_it_is(project, tests, reached, files):
    tests()
    project.run("--templates-record=missing")
    before = files()

    assert project.outcomes("--templates-record=missing", "--templates-model=triage=openai:small") == {"passed": 1}

    assert files() == before
    assert len(reached.asked) == 2


def test_a_miss_names_the_cassette_and_the_command_with_the_option(project, tests, reached):
    tests()
    project.run("--templates-record=missing")

    result = project.run("--templates-model", "answer=openai:small", "--templates-model=triage=openai:x")

    result.assert_outcomes(failed=1)
    command = "pytest test_it.py::test_desk --templates-model=answer=openai:small --templates-model=triage=openai:x"
    project.says(
        result, "asked by  desk/answer (model openai:small)", "answer=openai_small", f"{command} --templates-record="
    )


def test_the_order_of_the_options_does_not_matter_to_the_cassettes(project, tests, reached, files):
    tests()
    options = "--templates-model=answer=openai:small", "--templates-model=classify=openai:tiny"
    project.run("--templates-record=missing", *options).assert_outcomes(passed=1)

    project.run(*reversed(options)).assert_outcomes(passed=1)

    assert len(files()) == 1


def test_the_next_run_asks_the_models_of_the_program_again(project, tests, reached):
    tests()
    project.run("--templates-record=missing", "--templates-model=answer=openai:small").assert_outcomes(passed=1)

    project.says(project.run("-s", "--templates-record=missing"), "('answer', 'openai:large', 'runner')")


def test_tests_that_share_a_cassette_share_that_of_the_other_model(project, tests, reached, files):
    tests(
        """
@pytest.mark.llm_cassette("shared/desk")
@pytest.mark.parametrize("text", "ab")
def test_it(real, text):
    ask(real())
"""
    )
    option = "--templates-model=answer=openai:small"
    project.run("--templates-record=missing", option).assert_outcomes(passed=2)
    before = files()

    project.run("-n2", option).assert_outcomes(passed=2)

    [name] = before
    assert name.endswith("/shared/desk.yaml")
    assert files() == before


def test_the_answers_of_a_test_that_asserts_the_old_model_are_kept(project, tests, reached, files):
    asserts_old = DESK_OF_OLD_MODEL.replace("EXPECTED", "openai:large")
    tests(asserts_old)
    project.run("--templates-record=missing").assert_outcomes(passed=1)
    before, option = files(), "--templates-model=answer=openai:small"
    del reached.asked[:]

    trial = project.run("--templates-record=missing", option)
    replay = project.run(option)
    again = project.run("--templates-record=all", option)
    tests(asserts_old.replace("openai:large", "openai:small"))
    mended = project.run("--templates-record=missing", option)

    for result in (trial, replay, again):
        result.assert_outcomes(failed=1)
    project.says(trial, "answers are kept for the next recording", "test_it.py::test_desk (1 answer)")
    project.says(
        replay, "Its answer is kept in the journal", f"pytest test_it.py::test_desk {option} --templates-record=missing"
    )
    mended.assert_outcomes(passed=1)
    project.says(mended, "kept answers were taken, and not asked for again: test_it.py::test_desk (1 answer)")
    assert len(reached.asked) == 1
    assert files().items() > before.items()


DESK_OF_OLD_MODEL = """
@pytest.mark.llm_cassette
def test_desk(real, llm_trace):
    desk(real()).run()
    assert llm_trace.calls[-1].model == "EXPECTED"
"""
