"""What the whole engine has to know of conversations that wait for their user.

All else of these is imported when the first one is held: most programs run their conversations from beginning to end.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any, TypeAlias

from pydantic import GetCoreSchemaHandler, ValidationInfo
from pydantic_core import core_schema

if TYPE_CHECKING:
    from antiphon.progress import Progress, Waiting


class UserNeeded(BaseException):
    """The conversation waits for its user: what runs is left, and is driven again when the user has answered.

    Nothing has ended: no after-transform runs, and no tool gets a result.

    Attributes:
        waiting: What the user is needed for.
    """

    def __init__(self, waiting: Waiting) -> None:
        super().__init__()
        self.waiting = waiting


class InSession:
    """Marks the field of a session that holds its progress: its JSON names messages by their places in the session."""

    def __get_pydantic_core_schema__(self, source: Any, handler: GetCoreSchemaHandler) -> core_schema.CoreSchema:
        """The schema: a ``Progress``, or what it holds, in Python, and what it has written in JSON."""
        plain = core_schema.nullable_schema(core_schema.dict_schema())
        return core_schema.json_or_python_schema(
            json_schema=core_schema.with_info_plain_validator_function(_read, json_schema_input_schema=plain),
            python_schema=core_schema.no_info_plain_validator_function(_checked),
            serialization=core_schema.plain_serializer_function_ser_schema(
                _written, is_field_serializer=True, when_used="json-unless-none", return_schema=plain
            ),
        )


def _read(plain: Any, info: ValidationInfo) -> Progress | None:
    if plain is None:
        return None
    from antiphon.progress import Progress

    return Progress.read(plain, info.data.get("messages", ()))


def _checked(given: Any) -> Progress | None:
    if given is None:
        return None
    from antiphon.progress import Progress

    return Progress.model_validate(given)


def _written(session: Any, progress: Progress) -> Any:
    return progress.written(session.messages)


if TYPE_CHECKING:
    SavedProgress: TypeAlias = Progress | None
else:
    SavedProgress = Annotated[Any, InSession()]  # the schema is the marker's
