"""What can be imported, and that it explains itself."""

from __future__ import annotations

import inspect
import pkgutil
import pydoc
from importlib import import_module
from types import ModuleType
from typing import get_type_hints

import pytest

import antiphon
import pytest_templates
from antiphon import errors

# fmt: off
PROMISED = {
    "Message", "ToolCall", "Role", "Session", "Usage", "Reply", "Model", "ModelSettings", "Runner",
    "CommandLineRunner", "UserInterface", "ConsoleInterface", "Template", "MessageTemplate", "SystemTemplate",
    "UserTemplate", "AssistantTemplate", "GenerateTemplate", "ToolingTemplate", "LinearTemplate",
    "LoopTemplate", "IfTemplate", "BreakTemplate", "EndTemplate", "SubroutineTemplate", "SessionInitStrategy",
    "CleanSessionStrategy", "InheritSystemStrategy", "LastNMessagesStrategy", "FilteredInheritStrategy",
    "SquashStrategy", "LastMessageStrategy", "FilterByRoleStrategy", "LLMFilteringStrategy",
    "LLMSummarizingStrategy", "SessionTransformer", "UpdateMetadata", "ResetMetadata", "ExtractCodeBlock",
    "Tool", "tool", "Trace", "ModelCall", "Observer", "observing", "connect",
}
# fmt: on


def test_what_the_engine_defines_of_its_public_names_is_imported_from_its_top() -> None:
    modules = [import_module(module.name) for module in pkgutil.walk_packages(antiphon.__path__, "antiphon.")]
    defined = {name for module in modules for name in PROMISED & vars(module).keys()}

    assert defined - set(antiphon.__all__) == set()


def test_names_are_listed_once_and_in_order() -> None:
    assert sorted(set(antiphon.__all__)) == antiphon.__all__


@pytest.mark.parametrize("name", antiphon.__all__)
def test_a_listed_name_exists_and_has_a_docstring(name: str) -> None:
    named = getattr(antiphon, name)

    if inspect.isclass(named) or inspect.isroutine(named):  # Role is neither: an alias of literals
        assert described(named)


@pytest.mark.parametrize(
    "error",
    [
        one
        for one in vars(errors).values()
        if getattr(one, "__module__", "") == errors.__name__ and inspect.isclass(one)
    ],
)
def test_an_error_has_a_docstring_and_stands_in_the_drawn_tree(error: type[BaseException]) -> None:
    assert described(error)
    assert issubclass(error, errors.AntiphonError)
    assert error.__name__ in (errors.__doc__ or "")


def described(named: object) -> bool:
    """Whether it has a docstring of its own; an inherited one says what something else is."""
    text = vars(named)["__doc__"] if inspect.isclass(named) else named.__doc__
    return bool(text and text.strip())


@pytest.mark.parametrize("name", pytest_templates.__all__)
def test_help_of_the_plugin_shows_nothing_of_the_environment(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", "sk-of-whoever-asks")

    assert "sk-of-whoever-asks" not in pydoc.render_doc(getattr(pytest_templates, name))


def test_consoles_and_editors_are_told_the_names_of_the_plugin() -> None:
    assert set(pytest_templates.__all__) - set(dir(pytest_templates)) == set()


@pytest.mark.parametrize("package", [antiphon, pytest_templates], ids=lambda package: package.__name__)
def test_annotations_of_what_is_public_can_be_evaluated(package: ModuleType) -> None:
    for named in (getattr(package, name) for name in package.__all__):
        members = dict(vars(named)) if inspect.isclass(named) else {"__call__": named}
        for name, member in members.items():
            called = getattr(member, "__func__", getattr(member, "fget", member))
            if inspect.isfunction(called) and (name in {"__init__", "__call__"} or not name.startswith("_")):
                get_type_hints(called)
