"""What counts as a template, a branch or a turn, and where it was built."""

from __future__ import annotations

from typing import Any

import pytest


def test_templates_that_a_conftest_builds_have_their_lines(project: Any) -> None:
    project.file(
        "conftest.py",
        """
        import pytest
        from antiphon import *

        tree = IfTemplate(lambda session: True, UserTemplate("a"), UserTemplate("b"), template_id="which")

        @pytest.fixture
        def conftest_tree():
            return tree
        """,
    )
    project.tests("def test_it(conftest_tree):\n    list(conftest_tree.render(Session()))\n")

    result = project.run_forked("--templates-coverage")

    result.stdout.fnmatch_lines(["  never rendered  which/user-2 (user)  conftest.py:5"])


def test_templates_of_a_users_class_have_the_line_that_makes_them(project: Any) -> None:
    project.tests(
        """
        class Greeting(UserTemplate):
            def __init__(self, name):
                super().__init__(f"Hello {name}.")

        tree = IfTemplate(
            lambda session: True,
            Greeting("Ada"),
            Greeting("Bob"),
        )

        def test_it():
            list(tree.render(Session()))
        """
    )

    result = project.run("--templates-coverage")

    result.stdout.fnmatch_lines(["  never rendered  if/greeting-2 (greeting)  test_it.py:16"])


def test_trees_that_a_function_builds_anew_for_every_test_are_one(project: Any) -> None:
    project.tests(
        """
        def tree(urgent):
            return IfTemplate(lambda session: urgent, UserTemplate("Now!"), UserTemplate("Soon."))

        @pytest.mark.parametrize("urgent", [True, False])
        def test_it(urgent):
            list(tree(urgent).render(Session()))
        """
    )

    result = project.run("--templates-coverage")

    result.stdout.fnmatch_lines(["5 of 5 templates and branches rendered (100%)"])


def test_a_template_that_stands_in_two_places_counts_once(project: Any) -> None:
    project.tests(
        """
        hello = UserTemplate("Hello.", template_id="hello")
        tree = LinearTemplate([hello, LoopTemplate([hello], exit_loop_count=1)])

        def test_it():
            list(tree.render(Session()))
        """
    )

    result = project.run("--templates-coverage")

    result.stdout.fnmatch_lines(["3 of 3 templates and branches rendered (100%)"])


def test_what_a_template_of_ones_own_includes_counts(project: Any) -> None:
    project.tests(
        """
        class Own(Template):
            def _render(self, session):
                session = yield from self.include(UserTemplate("Hello.", template_id="hello"), session)
                return session

        def test_it():
            list(Own().render(Session()))
        """
    )

    result = project.run("--templates-coverage")

    result.stdout.fnmatch_lines(["2 of 2 templates and branches rendered (100%)"])


def test_an_if_whose_condition_fails_went_neither_way(project: Any) -> None:
    project.tests(
        """
        def broken(session):
            raise RuntimeError("no")

        def test_it():
            swallow(list, IfTemplate(broken, UserTemplate("Hello.")).render(Session()))
        """
    )

    result = project.run("--templates-coverage")

    result.stdout.fnmatch_lines(["1 of 4 templates and branches rendered (25%)", "  never false *", "  never true *"])


def test_a_loop_in_a_loop_has_turns_of_its_own(project: Any) -> None:
    project.tests(
        """
        inner = LoopTemplate([UserTemplate("a"), IfTemplate(lambda s: False, UserTemplate("b"))], exit_loop_count=1)
        outer = LoopTemplate([inner, UserTemplate("c")], exit_loop_count=2, template_id="outer")

        def test_it():
            list(outer.render(Session()))
        """
    )

    result = project.run("--templates-coverage")

    result.stdout.fnmatch_lines(["  never 1 turn    outer (loop) *"])
    result.stdout.no_fnmatch_line("*outer/loop-1 (loop)*")


@pytest.mark.usefixtures("all_plugins")
@pytest.mark.parametrize("plugin", ["asyncio", "anyio"])
def test_runs_at_the_same_time_do_not_mix(project: Any, plugin: str) -> None:
    project.tests(
        f"""
        import anyio

        async def slow(session):
            await anyio.sleep(0.01)

        tree = LoopTemplate(
            [
                UserTemplate("?"),
                AssistantTemplate(),
                IfTemplate(lambda s: s.last.content == "left", UserTemplate("l"), UserTemplate("r")),
            ],
            exit_loop_count=2,
            template_id="turns",
        )

        @pytest.fixture
        def anyio_backend():
            return "asyncio"

        @pytest.mark.{plugin}
        async def test_it(scripted_model):
            async with anyio.create_task_group() as tasks:
                for word in ("left", "right"):
                    tasks.start_soon(Runner(scripted_model(word, word), template=tree).arun)
        """
    )

    result = project.run("--templates-coverage")

    result.assert_outcomes(passed=1)
    result.stdout.fnmatch_lines(["8 of 8 templates and branches rendered (100%)", "  never 1 turn  turns (loop) *"])


def test_of_a_template_that_was_never_rendered_nothing_else_is_told(project: Any) -> None:
    project.tests(
        """
        inner = IfTemplate(lambda s: True, UserTemplate("a"))
        outer = IfTemplate(lambda s: False, inner)

        def test_it():
            list(outer.render(Session()))
        """
    )

    result = project.run("--templates-coverage")

    result.stdout.fnmatch_lines(
        [
            "2 of 7 templates and branches rendered (29%)",
            "  missing         template               built at",
            "  never rendered  if/if-1 (if)           test_it.py:9",
            "  never rendered  if/if-1/user-1 (user)  test_it.py:9",
            "  never true      if (if)                test_it.py:10",
        ]
    )
