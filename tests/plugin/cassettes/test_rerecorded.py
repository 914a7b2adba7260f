"""What a run says that records cassettes anew: whether our prompt changed, or the model's answer, and where."""

from __future__ import annotations

import pytest

PROGRAM = """
def say(*prompts):
    answers = [AssistantTemplate(template_id=f"answer{place}") for place in range(len(prompts))]
    said = [[UserTemplate(prompt), answer] for prompt, answer in zip(prompts, answers)]
    tree = LinearTemplate([template for pair in said for template in pair], template_id="talk")
    return Runner(real(), template=tree).run()
"""


def asks(*prompts):
    return f"{PROGRAM}\n@pytest.mark.llm_cassette\ndef test_it():\n    say(*{prompts})\n"


HEADING = "= changed recordings ="


@pytest.fixture
def record_again(project, chat_server):
    """Records some prompts, then others: ``record_again("all", ["one"], ["two"])``; gives the second run."""

    def run(mode, before, after, *arguments):
        project.tests(asks(*before))
        project.run("--templates-record=missing").assert_outcomes(passed=1)
        project.tests(asks(*after))
        result = project.run(f"--templates-record={mode}", *arguments)
        result.assert_outcomes(passed=1)
        return result

    return run


@pytest.mark.parametrize(("mode", "arguments"), [("changed", ()), ("all", ()), ("all", ("-n1",))])
def test_a_prompt_that_changed_is_named_with_the_words_that_did(project, record_again, mode, arguments):
    result = record_again(mode, ["Are you well?"], ["Are you very well?"], *arguments)

    project.says(
        result,
        HEADING,
        "cassettes/test_it/test_it.yaml\n",
        "  talk/answer0: our prompt changed\n    message 1 (user):\n",
        "- Are you well?",
        "+ Are you [very ]well?",
    )


def test_a_model_that_answers_differently_to_the_same_prompt_is_told_from_it(project, record_again):
    result = record_again("all", ["Hello.", "Bye."], ["Hello.", "Bye."])

    project.says(
        result,
        HEADING,
        "  talk/answer0: the model answered differently to the same prompt\n    - Answer [1].\n    + Answer [3].\n",
        "  talk/answer1: an earlier answer in the prompt changed\n",
    )


def test_new_calls_and_gone_ones_are_named(project, record_again):
    more = record_again("changed", ["one"], ["one", "two"])
    less = record_again("changed", ["one", "two"], ["one"])

    project.says(more, "  talk/answer1: new call\n  the same answer to the same prompt: 1 call\n")
    project.says(less, "  talk/answer1: gone\n  the same answer to the same prompt: 1 call\n")


def test_another_setting_is_no_other_prompt(project, chat_server, record_again):
    record_again("all", ["one"], ["one"])
    project.tests((project.path / "test_it.py").read_text("utf-8").replace("real()", "real('n')"))

    result = project.run("--templates-record=changed")

    project.says(result, "talk/answer0: the settings changed, or where it is sent", 'model: "m" -> "n"')


def test_nothing_is_said_where_nothing_changed(project, chat_server, record_again):
    assert HEADING not in str(record_again("changed", ["one"], ["one"]).stdout)
    assert HEADING not in str(project.run().stdout)
    chat_server.asked.clear()

    assert HEADING not in str(project.run("--templates-record=all").stdout)


def test_nothing_is_said_of_a_first_recording_and_of_one_that_fails(project, chat_server):
    project.tests(asks("one"))
    first = project.run("--templates-record=all")
    project.tests(asks("two") + "    assert False\n")
    failed = project.run("--templates-record=all")

    assert HEADING not in f"{first.stdout}{failed.stdout}"


UNREADABLE = {
    "damaged": ("request:", "request: ["),
    "of a newer version": ("version: 2", "version: 3"),
    "cut off": ("end: true\n", ""),
    "with a conflict": ("interactions:\n", "interactions:\n<<<<<<< ours\n=======\n>>>>>>> theirs\n"),
}


@pytest.mark.parametrize("damage", UNREADABLE.values(), ids=UNREADABLE)
@pytest.mark.parametrize("mode", ["missing", "changed", "all"])
def test_nothing_is_recorded_over_what_cannot_be_read(project, chat_server, record, mode, damage):
    path = record("test_it/test_it", "one")
    text = path.read_text(encoding="utf-8").replace(*damage)
    path.write_text(text, encoding="utf-8")
    project.tests("@pytest.mark.llm_cassette\ndef test_it():\n    Plain().send(Session([Message('user', 'one')]))\n")

    result = project.run(f"--templates-record={mode}")

    result.assert_outcomes(errors=1)
    project.says(result, "CassetteError: ", "cassettes/test_it/test_it.yaml:")
    assert path.read_text(encoding="utf-8") == text
    assert chat_server.asked == []


@pytest.mark.parametrize("mode", ["changed", "all"])
@pytest.mark.parametrize("workers", [(), ("-n2",)])
def test_a_cassette_that_tests_share_is_told_once_as_a_whole(project, chat_server, workers, mode):
    test = "@pytest.mark.llm_cassette('shared')\ndef test_{0}():\n    say('{1}')\n\n"
    program = PROGRAM.replace("Runner(real()", "Runner(Plain()")
    project.tests(program + test.format("one", "one") + test.format("two", "two"))
    project.run("--templates-record=missing").assert_outcomes(passed=2)
    chat_server.asked.clear()
    project.tests(program + test.format("one", "one") + test.format("two", "three"))

    result = project.run(f"--templates-record={mode}", *workers)

    result.assert_outcomes(passed=2)
    section = str(result.stdout).partition(HEADING)[2]
    assert section.count("cassettes/shared.yaml\n") == 1
    assert section.count(": new call\n") == 1
    assert "gone" not in section  # other tests may need it: it stays
    if not workers:  # else either may have got the first answer
        assert "  the same answer to the same prompt: 1 call\n" in section
    left = "not asked for by the tests of this run, and kept for others: 1 call\n"
    dropped = "cassettes/shared.yaml: 1 recording dropped, which no test has played\n"
    assert (dropped if mode == "changed" else left) in section


@pytest.mark.parametrize(("mode", "other"), [("changed", "-kone"), ("all", "-kone"), ("all", "fails")])
def test_of_a_cassette_that_tests_share_only_what_this_run_asked_and_kept_is_counted(project, chat_server, mode, other):
    test = "@pytest.mark.llm_cassette('shared')\ndef test_{0}():\n    say({1})\n"
    program = PROGRAM + test.format("one", "'one'") + test.format("two", "'two'")
    project.tests(program)
    first = project.run(f"--templates-record={mode}")
    chat_server.asked.clear()
    project.tests(program.replace("'one'", "'one'); say('more'") + "    assert False\n")

    result = project.run(f"--templates-record={mode}", *([other] if other == "-kone" else []))
    same = project.run("--templates-record=changed", "-kone")

    assert result.parseoutcomes()["passed"] == 1
    section = str(result.stdout).partition(HEADING)[2]
    assert section.count("call\n") == 3
    assert ": new call\n  the same answer to the same prompt: 1 call\n" in section
    assert "kept for others: 1 call\n" in section
    assert HEADING not in f"{first.stdout}{same.stdout}"


def test_secrets_are_hidden(project, record_again, monkeypatch):
    monkeypatch.setenv("SHOP_API_KEY", "correct-horse-battery")

    result = record_again("changed", ["I say correct-horse-battery."], ["I whisper correct-horse-battery."])

    project.says(result, HEADING, "I [whisper] REDACTED.")
    assert "correct-horse" not in str(result.stdout)
