"""`coverage`: what the shards of a suite rendered together."""

from __future__ import annotations

import pytest

from pytest_templates.commands.main import main

PROGRAM = """
    from antiphon import *

    desk = IfTemplate(
        lambda session: session.metadata["gold"],
        AssistantTemplate(template_id="refund"),
        AssistantTemplate(template_id="apology"),
        template_id="customer",
    )
"""
SHARDS = """
    from desk import *

    def ask(model, gold):
        asked = Session(messages=[Message(role="user", content="Hi.")], metadata={"gold": gold})
        return Runner(model, template=desk).run(asked)

    def test_gold(scripted_model):
        ask(scripted_model("Here it is.", name="large"), True)

    def test_others(scripted_model):
        ask(scripted_model("Sorry!", name="small"), False)

    def test_angry_others(scripted_model):
        ask(scripted_model("Sorry!", name="large"), False)
"""


@pytest.fixture
def shard(project, monkeypatch):
    """Runs some of the tests, and gives the name of the file that tells of them."""
    monkeypatch.chdir(project.path)
    project.file("desk.py", PROGRAM)
    project.tests(SHARDS)

    def run(*tests: str, options: tuple[str, ...] = ("--templates-coverage",)) -> str:
        name = f"{'-'.join(tests)}.json"
        project.run(f"--templates-json={name}", *options, "-k", " or ".join(tests))
        return name

    return run


def test_shards_add_up(shard, capsys):
    files = [shard("test_gold"), shard("test_others", "test_angry_others")]
    capsys.readouterr()

    status = main(["coverage", *files, "--fail-under", "100"])

    assert status == 0
    assert capsys.readouterr().out.splitlines() == [
        "5 of 5 templates and branches rendered (100%)",
        "  template          answered by",
        "  customer/apology  small, large",
        "  customer/refund   large",
    ]


def test_what_none_of_them_rendered_is_listed(shard, capsys):
    files = [shard("test_others", options=("--templates-coverage", "-n1")), shard("test_angry_others")]
    capsys.readouterr()

    status = main(["coverage", *files, "--fail-under=60.5"])

    assert status == 1
    assert capsys.readouterr().out.splitlines() == [
        "3 of 5 templates and branches rendered (60%)",
        "  missing         template                     built at",
        "  never true      customer (if)                desk.py:4",
        "  never rendered  customer/refund (assistant)  desk.py:6",
        "  template          answered by",
        "  customer/apology  small, large",
        "--fail-under=60.5 wants more",
    ]


def test_a_run_without_coverage_is_refused(shard, capsys):
    file = shard("test_gold", options=())
    capsys.readouterr()

    assert main(["coverage", file]) == 2
    assert capsys.readouterr().err == (
        "error: test_gold.json holds no coverage: run its tests with --templates-coverage as well\n"
    )


def test_what_is_no_percentage_is_refused(capsys):
    with pytest.raises(SystemExit, match="2"):
        main(["coverage", "run.json", "--fail-under=most"])

    assert "argument --fail-under: most: it takes a percentage, from 0 to 100" in capsys.readouterr().err
