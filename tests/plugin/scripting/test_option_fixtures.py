"""templates_fixtures: where script files lie."""

from __future__ import annotations

import pytest


@pytest.mark.parametrize("workers", [(), ("-n1",)])
def test_scripts_lie_below_the_folder(project, workers):
    project.ini("templates_fixtures = data")
    project.file("data/desk/refund.yml", "answer: Sure.\n")
    project.tests(
        """
        @pytest.mark.llm_script("desk/refund.yml")
        def test_it(scripted_model):
            assert ask(scripted_model()).last.content == "Sure."
        """
    )

    assert project.outcomes(*workers) == {"passed": 1}


def test_a_folder_that_is_not_there_is_refused_with_its_place(project):
    project.ini("templates_fixtures = nowhere")
    project.tests(
        """
        @pytest.mark.llm_script("refund.yaml")
        def test_it(scripted_model):
            ask(scripted_model())
        """
    )

    result = project.run()

    result.assert_outcomes(errors=1)
    project.says(result, f"ScriptError: {project.path / 'nowhere' / 'refund.yaml'}: there is no such script")
