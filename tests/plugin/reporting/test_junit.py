"""In the file of --junitxml stands what models did in each test."""

from __future__ import annotations

from xml.etree import ElementTree

import pytest

SECRET = "kX3f-Zq9-aB7w-Q2m5"
TESTS = """
    from decimal import Decimal

    def priced(text):
        return Reply(text, usage=Usage(input_tokens=1000, output_tokens=200, cost=Decimal("0.0000125")))

    def test_passes(scripted_model, record_property):
        ask(scripted_model(priced("one"), name="large"))
        ask(scripted_model(priced("one"), name="small"))
        record_property("mine", 1)

    def test_fails(scripted_model):
        ask(scripted_model(KeyError("gone"), name="large"))

    @pytest.mark.llm_samples(3)
    def test_samples(scripted_model):
        ask(scripted_model(priced("one"), name="large"))

    def test_no_model():
        pass
"""


def properties(project, *arguments: str) -> dict[str, dict[str, str]]:
    """The properties of each test by its name."""
    project.run("--junitxml=junit.xml", *arguments)
    root = ElementTree.parse(project.path / "junit.xml").getroot()
    return {
        case.attrib["name"]: {one.attrib["name"]: one.attrib["value"] for one in case.iterfind("properties/property")}
        for case in root.iter("testcase")
    }


@pytest.mark.parametrize(("family", "workers"), [("xunit1", ()), ("xunit2", ("-n1",))])
def test_each_test_that_called_models_tells_how_often_which_and_for_how_much(project, family, workers):
    project.ini(f"junit_family = {family}\nfilterwarnings = ignore:record_property")
    project.tests(TESTS)

    assert properties(project, *workers) == {
        "test_passes": {
            "mine": "1",
            "templates_calls": "2",
            "templates_cost": "0.0000250",
            "templates_models": "large, small",
        },
        "test_fails": {"templates_calls": "1", "templates_cost": "0", "templates_models": "large"},
        "test_samples": {"templates_calls": "3", "templates_cost": "0.0000375", "templates_models": "large"},
        "test_no_model": {},
    }


def test_a_cost_that_is_not_known_is_left_out_rather_than_too_low(project, chat_server):
    project.tests(
        """
        import os

        @pytest.mark.llm_cassette
        def test_it(scripted_model):
            ask(connect("openai:mystery", base_url=os.environ["CHAT_URL"], api_key="x"))
            ask(scripted_model("one"))
        """
    )

    told = properties(project, "--templates-record=missing")

    assert told == {"test_it": {"templates_calls": "2", "templates_models": "openai:mystery, scripted"}}


def test_names_of_models_hold_no_secret_and_nothing_hidden(project, monkeypatch):
    monkeypatch.setenv("SITE_KEY", SECRET)
    project.tests(
        "import os\n\ndef test_it(scripted_model):\n"
        "    ask(scripted_model('one', name='\\x1b[31m' + os.environ['SITE_KEY']))\n"
    )

    assert properties(project)["test_it"]["templates_models"] == r"\x1b[31mREDACTED"


def test_without_the_file_reports_have_no_properties(project):
    project.tests("def test_it(scripted_model):\n    ask(scripted_model('one'))\n")
    project.file(
        "conftest.py",
        """
        def pytest_runtest_logreport(report):
            assert report.user_properties == []
        """,
    )

    project.run().assert_outcomes(passed=1)
