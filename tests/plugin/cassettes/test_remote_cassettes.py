"""templates_cassettes = URL: cassettes that do not lie in a folder of the project."""

from __future__ import annotations

import sys

import pytest
from fsspec.implementations.memory import MemoryFileSystem

REAL = """
import os

@pytest.mark.llm_cassette
def test_it(llm_cassette):
    ask(connect("openai:m", base_url=os.environ["CHAT_URL"], api_key="x"))
"""


@pytest.fixture
def memory():
    files = MemoryFileSystem.store
    files.clear()
    yield files
    files.clear()


@pytest.mark.parametrize(
    ("ini", "arguments"),
    [("templates_cassettes = memory://bucket/tapes", []), ("", ["--templates-cassettes=memory://bucket/tapes"])],
)
def test_calls_are_recorded_behind_a_url_and_replayed_from_there(project, chat_server, memory, ini, arguments):
    project.ini(ini)
    project.tests(REAL)

    project.run("--templates-record=missing", *arguments).assert_outcomes(passed=1)

    assert [*memory] == ["/bucket/tapes/test_it/test_it.yaml"]
    assert not (project.path / "cassettes").exists()
    project.run(*arguments).assert_outcomes(passed=1)
    assert len(chat_server.asked) == 1


def test_a_missing_recording_is_told_with_its_url(project, chat_server, memory):
    project.tests(REAL)

    result = project.run("--templates-cassettes=memory://bucket/tapes")

    result.assert_outcomes(failed=1)
    project.says(result, "CassetteMiss", "cassette  memory://bucket/tapes/test_it/test_it.yaml")


def test_a_url_of_a_file_is_a_folder(project, chat_server):
    project.tests(REAL)

    project.run("--templates-record=missing", f"--templates-cassettes=file://{project.path}/t").assert_outcomes(
        passed=1
    )

    assert (project.path / "t/test_it/test_it.yaml").exists()
    assert not (project.path / ".antiphon_cache").exists()


def test_a_store_that_is_reached_over_http_is_not_recorded_itself(project, chat_server, memory):
    project.file(
        "conftest.py",
        """
        import os
        from urllib.request import urlopen

        import fsspec
        from fsspec.implementations.memory import MemoryFileSystem

        class WebFiles(MemoryFileSystem):
            protocol = "web"

            @classmethod
            def _strip_protocol(cls, path):
                return MemoryFileSystem._strip_protocol(path.replace("web://", "memory://"))

            def pipe_file(self, path, value, **options):
                urlopen(os.environ["CHAT_URL"], b'{"messages": [{"content": "stored"}]}').close()
                super().pipe_file(path, value, **options)

        fsspec.register_implementation("web", WebFiles, clobber=True)
        """,
    )
    project.tests(REAL)

    project.run("--templates-record=missing", "--templates-cassettes=web://b").assert_outcomes(passed=1)

    assert chat_server.asked == ["Hello.", "stored"]
    [(_, file)] = memory.items()
    assert file.getvalue().endswith(b"\nend: true\n")


def test_a_missing_package_is_said_with_what_to_install(project, monkeypatch):
    monkeypatch.setitem(sys.modules, "fsspec.core", None)
    monkeypatch.delitem(sys.modules, "pytest_templates.cassettes.storage.remote", raising=False)
    project.tests("def test_it():\n    pass\n")

    result = project.run("--templates-cassettes=s3://bucket/tapes")

    assert result.ret == pytest.ExitCode.USAGE_ERROR
    assert "s3://bucket/tapes need fsspec, which is not installed: " in str(result.stderr)
    assert 'pip install "antiphon[pytest,remote]"' in str(result.stderr)
