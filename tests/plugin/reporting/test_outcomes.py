"""--templates-json: what became of a test."""

from __future__ import annotations

OUTCOMES = """
@pytest.fixture
def broken():
    raise KeyError

@pytest.fixture
def breaking():
    yield
    raise KeyError

def test_passed():
    pass

def test_failed(breaking):
    assert False

def test_error(broken):
    pass

def test_error_2(breaking):
    pass

@pytest.mark.skip
def test_skipped():
    pass

def test_skipped_2():
    pytest.skip("for a reason")

@pytest.mark.xfail
def test_xfailed():
    assert False

@pytest.mark.xfail(strict=False)
def test_xpassed():
    pass

def test_failed_2(scripted_model):
    swallow(ask, scripted_model())

def test_error_3(scripted_model):
    scripted_model("left")
"""


def test_the_outcome_of_a_test_is_that_of_its_phases(project, report_of):
    project.tests(OUTCOMES)

    report = report_of("-n1")

    outcomes = {test["nodeid"].partition("test_it.py::test_")[2]: test["outcome"] for test in report["tests"]}
    assert outcomes == {name: name.partition("_")[0] for name in outcomes}
    assert len(outcomes) == OUTCOMES.count("def test_")


def test_the_last_of_several_attempts_counts_and_the_calls_of_all(project, report_of):
    project.file(
        "conftest.py",
        """
        from _pytest.runner import runtestprotocol

        def pytest_runtest_protocol(item, nextitem):
            item.ihook.pytest_runtest_logstart(nodeid=item.nodeid, location=item.location)
            for item.attempt in (1, 2):
                runtestprotocol(item, nextitem=nextitem)
                item._initrequest()
            return True
        """,
    )
    project.tests(
        "def test_it(request, scripted_model):\n    ask(scripted_model('one'))\n    assert request.node.attempt == 2"
    )

    [test] = report_of()["tests"]

    assert (test["outcome"], len(test["calls"])) == ("passed", 2)
