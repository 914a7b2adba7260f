"""The plugin's errors, and what the package gives."""

from __future__ import annotations

import pickle

import pytest

import pytest_templates
from antiphon.errors import AntiphonError
from pytest_templates import errors

FAMILY = [
    "UnscriptedCall",
    "UnusedSteps",
    "CassetteError",
    "IsolationViolation",
    "BudgetExceeded",
    "LiveCallRefused",
]


@pytest.mark.parametrize("name", FAMILY)
def test_an_error_is_of_the_family_and_survives_the_way_between_processes(name):
    error = getattr(pytest_templates, name)("what happened")
    error.add_note("where")

    back = pickle.loads(pickle.dumps(error))

    assert isinstance(back, AntiphonError)
    assert type(back) is type(error) is getattr(errors, name)
    assert str(back) == "what happened"
    assert back.__notes__ == ["where"]


def test_a_cassette_miss_keeps_its_reason_and_its_template():
    miss = pytest_templates.CassetteMiss("no recording", reason="no-match", template_path="talk/answer")

    back = pickle.loads(pickle.dumps(miss))

    assert isinstance(back, pytest_templates.CassetteError)
    assert (str(back), back.reason, back.template_path) == ("no recording", "no-match", "talk/answer")


def test_every_name_of_the_package_can_be_imported():
    names = {name: getattr(pytest_templates, name) for name in pytest_templates.__all__}

    assert all(value.__name__.rpartition(".")[2] == name for name, value in names.items())


def test_another_name_is_an_attribute_error():
    with pytest.raises(AttributeError, match="module 'pytest_templates' has no attribute 'scripted_modle'"):
        _ = pytest_templates.scripted_modle
