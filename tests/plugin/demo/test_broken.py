"""``demo --broken``: four planted faults, as what they are seen, and how they are mended."""

from __future__ import annotations

import re
import sys

import pytest

from pytest_templates.demo import FAULTS, plant
from pytest_templates.support.text import command_line

SEEN = {
    "wrong model": "AssertionError: models are not as expected",
    "mutating subroutine": "IsolationViolation: the subroutine at 'research' changed its parent:",
    "changed prompt": "CassetteMiss: No recording for POST",
    "unscripted call": "UnscriptedCall: scripted_model 'large' was asked by the template at 'support/apology'",
}


def test_the_tests_fail_and_every_fault_is_seen_and_said_with_its_line_and_remedy(command, tmp_path):
    done = command("demo", "--broken", "desk")

    assert done.status == pytest.ExitCode.TESTS_FAILED
    failures, guide = done.out.split("short test summary info")
    assert "5 failed, 2 passed" in guide
    assert [seen for seen in SEEN.values() if seen not in failures] == []
    for fault in FAULTS:
        assert fault.seen_as in SEEN[fault.kind]
        row = next(line for line in guide.splitlines() if line.startswith(f"  {fault.kind} "))
        file, number = re.search(r"(\S+):(\d+)", row).groups()
        lines = (tmp_path / "desk" / file).read_text().splitlines()
        assert "Planted fault: " in lines[int(number) - 2]
        assert lines[int(number) - 1] == fault.faulty.splitlines()[1]
        assert row.endswith(fault.remedy)
    assert f"run `{command_line([sys.executable, '-m', 'pytest'])}` in desk after each" in guide


def test_the_command_tells_of_the_faults_that_are_left_in_a_broken_demo_that_is_there(command, desk):
    plant(desk)
    fault, *left = FAULTS
    file = desk / fault.file
    file.write_text(file.read_text().replace(fault.faulty, fault.sound))

    done = command("demo", "--broken", desk)

    assert done.status == pytest.ExitCode.TESTS_FAILED
    _, guide = done.out.split("short test summary info")
    assert f"has {len(left)} faults, each below a comment" in guide
    assert [one.kind for one in FAULTS if f"  {one.kind} " in guide] == [one.kind for one in left]
    assert fault.faulty not in file.read_text()


def test_every_failing_test_shows_one_fault_alone(desk, run):
    plant(desk)

    result = run()

    result.assert_outcomes(failed=5, passed=2)
    _, *sections = re.split(r"\n_+ test_\w+ _+\n", str(result.stdout))
    shown = [kind for section in sections for kind, seen in SEEN.items() if seen in section]
    assert shown == ["unscripted call", "wrong model", "mutating subroutine", "changed prompt", "changed prompt"]


def test_the_tests_pass_when_the_four_places_are_mended(desk, run):
    plant(desk)
    for fault in FAULTS:
        file = desk / fault.file
        comment = fault.faulty.splitlines(keepends=True)[0]
        file.write_text(file.read_text().replace(fault.faulty, comment + fault.sound))

    run().assert_outcomes(passed=7)


def test_it_is_not_recorded_with_its_faults(command, tmp_path):
    done = command("demo", "--broken", "--live")

    assert done.status == 2
    assert "argument --live: not allowed with argument --broken" in done.err
    assert list(tmp_path.iterdir()) == []


def test_a_demo_that_has_no_place_for_a_fault_is_not_run_as_if_it_had_one(desk):
    (desk / FAULTS[0].file).write_text("")

    with pytest.raises(ValueError, match=r"support_desk\.py holds 0 places for the fault 'wrong model', and not one"):
        plant(desk)
