"""Asking models for a test, and not for its program: of judges, and of users that a model plays."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import aclosing, contextmanager

from antiphon import GenerateTemplate, Message, Model, Runner, Session
from antiphon.drivers import adrive, drive
from antiphon.session import Run, begun, ended


class Asker:
    """Asks a model for objects of a type, under a name of its own.

    Its calls pass where all calls do: they are recorded, counted, overridden and traced. No template is rendered, so
    that neither coverage nor the prompt lock takes it for a part of the program.

    Args:
        name: The id, and the path, under which its calls stand in traces: one of ``targets.OF_THE_TEST``.
        model: The model.
        output_type: What the answers have to be. An answer that does not fit is asked for once more.
    """

    def __init__(self, name: str, model: Model, output_type: type[object]) -> None:
        self._runner = Runner(model)
        self._template = GenerateTemplate("assistant", name, output_type=output_type, retries=1)

    def ask(self, session: Session) -> Message:
        """Ask; the session is one of its own.

        Returns:
            The answer, whose ``parsed`` is the object.

        Raises:
            OutputError: No answer fits, or the model refused.
        """
        with self._asking(session) as run:
            for _ in drive(self._template._render(session), run):
                pass
        return session.last

    async def aask(self, session: Session) -> Message:
        """Ask without blocking the event loop; the rest is as with ``ask``."""
        with self._asking(session) as run:
            async with aclosing(adrive(self._template._render(session), run)) as steps:
                async for _ in steps:
                    pass
        return session.last

    @contextmanager
    def _asking(self, session: Session) -> Iterator[Run]:
        run = begun(session, runner=self._runner)
        run.path, run.template, run.chosen_by = self._template.template_id, self._template, "direct"
        try:
            yield run
        finally:
            run.path = None
            ended(run)
