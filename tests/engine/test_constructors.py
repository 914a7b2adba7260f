"""What programs, editors and ``help`` are shown of the constructors."""

from __future__ import annotations

from dataclasses import dataclass
from inspect import Parameter, getdoc, isclass, signature

import pytest

import antiphon
from antiphon import (
    Attachment,
    GenerateTemplate,
    Image,
    LinearTemplate,
    LoopTemplate,
    MessageTemplate,
    Model,
    ResetMetadata,
    Session,
    Template,
    UpdateMetadata,
    tool,
)
from antiphon.errors import InvalidType

WITHOUT = (ResetMetadata,)  # takes any number of keys
CLASSES = [
    named for name in antiphon.__all__ if isclass(named := getattr(antiphon, name)) and not issubclass(named, WITHOUT)
]


class Echo(Model):
    def _send(self, session: Session) -> str:
        return session.last.content


@pytest.mark.parametrize("cls", CLASSES)
def test_every_parameter_has_a_name_to_use(cls: type) -> None:
    parameters = signature(cls).parameters.values()

    assert [one.name for one in parameters if one.name.startswith("_") or one.kind is Parameter.VAR_POSITIONAL] == []


def test_a_linear_template_takes_templates() -> None:
    assert list(signature(LinearTemplate).parameters) == ["templates", "options"]


def test_a_model_without_a_constructor_takes_nothing() -> None:
    assert list(signature(Model).parameters) == list(signature(Echo).parameters) == []


def test_a_class_with_a_constructor_of_its_own_shows_that() -> None:
    class Pair(LinearTemplate):
        def __init__(self, first: Template, second: Template) -> None:
            super().__init__([first, second])

    class Twice(LoopTemplate):
        def __init__(self, child: Template) -> None:
            super().__init__([child], exit_loop_count=2)

    class Named(Echo):
        def __init__(self, name: str) -> None:
            self.name = name

    @dataclass
    class Louder(Echo):
        factor: int = 2

    shown = [list(signature(cls).parameters) for cls in (Pair, Twice, Named, Louder)]

    assert shown == [["first", "second"], ["child"], ["name"], ["factor"]]


def test_an_attachment_shows_that_it_is_made_of_nothing() -> None:
    assert [*signature(Attachment).parameters, *signature(Image).parameters] == []
    with pytest.raises(InvalidType, match="an Image is made by"):
        Image("cat.png")


def test_a_tool_shows_what_its_function_shows() -> None:
    @tool(name="look-up")
    def find(title: str, limit: int = 3) -> str:
        """Finds books."""
        return title * limit

    assert signature(find) == signature(find.function)
    assert (getdoc(find), find.name) == ("Finds books.", "look-up")


def test_a_generating_template_takes_its_seven_parameters_by_position() -> None:
    first = list(signature(GenerateTemplate).parameters)[:7]
    generating = GenerateTemplate("user", "ask", UpdateMetadata(a=1), None, False, True, Echo())

    assert first == [
        *("role", "template_id", "before_transform", "after_transform", "enable_logging", "disable_jinja", "model")
    ]
    assert (generating.role, generating.template_id, generating.enable_logging) == ("user", "ask", False)
    assert isinstance(generating.model, Echo)
    assert isinstance(generating, MessageTemplate)
    assert generating.content is None
