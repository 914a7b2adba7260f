"""What makes scripted models and users: the values of the fixtures ``scripted_model`` and ``scripted_user``."""

from __future__ import annotations

from pytest_templates.run.attempt import Attempt
from pytest_templates.scripting.likeness import Like
from pytest_templates.scripting.model import ScriptedModel
from pytest_templates.scripting.scripts import Scripts
from pytest_templates.scripting.steps import ModelStep, UserStep
from pytest_templates.scripting.user import ScriptedUser
from pytest_templates.support.environment import require_packages


class ScriptedModels:
    """Makes models that play a script: ``scripted_model("first", "second", name="small")``.

    Args:
        scripts: What is scripted so far; the models' scripts are added.
        attempt: The test that they are for; ``None`` where they are for several.
    """

    def __init__(self, scripts: Scripts, attempt: Attempt | None) -> None:
        self._scripts = scripts
        self._attempt = attempt

    def __call__(
        self,
        *steps: ModelStep,
        name: str = "scripted",
        allow_unused: bool = False,
        generate: bool = False,
        like: Like | None = None,
    ) -> ScriptedModel:
        """Make a model.

        Args:
            *steps: What it says, one step per call, as with ``ScriptedModel``. Without any it plays the script file of
                a test that is marked ``llm_script``.
            name: Its name in traces.
            allow_unused: Whether steps may be left when the test ends, those of the script file included.
            generate: Whether it makes up what its script has nothing for, where tools or an object are asked for.
            like: Whose rules hold for what it is asked: ``"openai"``, ``"anthropic"`` or ``"google"``.

        Raises:
            InvalidType: A step is of a wrong type; the text names its place.
            InvalidValue: ``like`` is no provider whose rules are known.
        """
        if generate:
            require_packages("generate=True", "rstr")
        scripts = self._scripts
        script = None if steps else scripts.file
        complain = None if self._attempt is None else self._attempt.failures.append
        model = ScriptedModel(
            *steps, name=name, script=script, generate=generate, like=like or scripts.like, complain=complain
        )
        model.attempt = self._attempt
        if allow_unused:
            scripts.may_be_left(scripts.file)
        elif script is None:
            scripts.consumables.append(model)
        return model


class ScriptedUsers:
    """Makes users who give prepared answers: ``scripted_user("My parcel is late.", "Thanks.")``.

    Args:
        scripts: What is scripted so far; the users' answers are added.
        attempt: The test that they are for.
    """

    def __init__(self, scripts: Scripts, attempt: Attempt) -> None:
        self._scripts = scripts
        self._attempt = attempt

    def __call__(self, *answers: UserStep) -> ScriptedUser:
        """Make a user.

        Args:
            *answers: Texts, and functions of the session that return one.

        Raises:
            InvalidType: An answer is of a wrong type; the text names its place.
        """
        user = ScriptedUser(*answers, complain=self._attempt.failures.append)
        self._scripts.consumables.append(user)
        return user
