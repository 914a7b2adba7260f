"""Texts in files of all kinds: with a byte order mark, with any line breaks, in packages and in zip archives."""

from __future__ import annotations

import io
import sys
import zipfile
from importlib.resources import files
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from antiphon import AssistantTemplate, EndTemplate, Runner, Session, SystemTemplate, UserTemplate
from antiphon.drawing import as_text
from antiphon.errors import RenderingError
from antiphon.texts import environment

FILES = {
    "shop/main.jinja": "You sell {{ goods }}.\n{% include 'parts/tone.jinja' %}\n",
    "shop/parts/tone.jinja": "{% from 'macros.jinja' import loud %}Be {{ loud(tone) }}.\n",
    "shop/macros.jinja": "{% macro loud(x) %}{{ x | upper }}{% endmacro %}",
    "shop/plain.txt": "Grüße, {{ name }}\n",
    "secret.jinja": "secret",
    "shop/upwards.jinja": "{% include '../secret.jinja' %}",
    "shop/absolute.jinja": "{% include '/secret.jinja' %}",
    "shop/dynamic.jinja": "{% include where %}",
    "shop/missing.jinja": "Hello\n{% include 'nope.jinja' %}",
    "shop/folder.jinja": "{% include 'parts' %}",
    "shop/wrong.jinja": "{% include 'broken.jinja' %}",
    "shop/broken.jinja": "a\nb {{ nope }} c\n",
    "top.jinja": "{% include 'secret.jinja' %}!",
}


@pytest.fixture
def said(play, answering):
    """What a text says, given some metadata."""
    return lambda content, **metadata: (
        play(Runner(answering()), Session(metadata=metadata), template=SystemTemplate(content)).last.content
    )


def archive(to: Path | io.BytesIO) -> zipfile.Path:
    with zipfile.ZipFile(to, "w") as written:
        for name, text in FILES.items():
            written.writestr(name, text)
    return zipfile.Path(zipfile.ZipFile(to))


def folder(to: Path) -> Path:
    for name, text in FILES.items():
        (to / name).parent.mkdir(parents=True, exist_ok=True)
        (to / name).write_text(text, encoding="utf-8")
    return to


@pytest.fixture(params=["folder", "zip", "zip in memory"])
def root(request, tmp_path):
    if request.param == "folder":
        return folder(tmp_path)
    return archive(tmp_path / "prompts.zip" if request.param == "zip" else io.BytesIO())


def test_a_file_includes_what_lies_beside_it_wherever_it_lies(root, said):
    assert said(root / "shop" / "main.jinja", goods="tea", tone="kind") == "You sell tea.\nBe KIND."
    assert said(root / "shop" / "plain.txt", name="Zoë") == "Grüße, Zoë"
    assert said(root / "shop" / "dynamic.jinja", where="plain.txt", name="Ada") == "Grüße, Ada"


@pytest.mark.parametrize("kind", [SystemTemplate, UserTemplate, AssistantTemplate, EndTemplate])
def test_every_template_takes_such_a_file(kind, root, play, answering):
    session = Session(metadata={"name": "Ada"})

    assert play(Runner(answering()), session, template=kind(root / "shop" / "plain.txt")).last.content == "Grüße, Ada"


def test_what_lies_at_the_top_of_an_archive_has_neighbours_where_the_archive_has_a_path(tmp_path, said):
    assert said(archive(tmp_path / "prompts.zip") / "top.jinja") == "secret!"
    in_memory = archive(io.BytesIO()) / "top.jinja"
    if sys.version_info >= (3, 12):  # tells the folder without a path, too
        assert said(in_memory) == "secret!"
        return
    with pytest.raises(RenderingError, match=r"top\.jinja does not tell in which folder it lies"):
        SystemTemplate(in_memory)


def test_an_environment_takes_such_a_file(root, said):
    prompts = environment(trim_blocks=True)

    assert said(prompts(root / "shop" / "main.jinja"), goods="tea", tone="kind") == "You sell tea.\nBe KIND."


@pytest.mark.parametrize("name", ["upwards", "absolute", "missing", "folder"])
def test_what_does_not_lie_beside_a_file_or_below_is_not_included(name, root):
    with pytest.raises(RenderingError, match="is not found: what a file includes lies beside the first one, or below"):
        SystemTemplate(root / "shop" / f"{name}.jinja")


@pytest.mark.parametrize("where", ["../secret.jinja", "parts/../../secret.jinja", "..", "/secret.jinja", ""])
def test_nor_by_a_name_that_is_known_late(where, root, said):
    with pytest.raises(RenderingError):
        said(root / "shop" / "dynamic.jinja", where=where)


def test_an_error_shows_the_line_of_the_file_it_comes_from(root, said):
    with pytest.raises(RenderingError, match="'nope' is undefined") as caught:
        said(root / "shop" / "wrong.jinja")

    assert caught.value.line == 2
    assert caught.value.source is not None
    assert caught.value.source.endswith("broken.jinja")
    assert "\n    b {{ nope }} c\n         ^" in str(caught.value)


def test_what_needs_files_and_variables_is_known_before(root):
    template = SystemTemplate(root / "shop" / "main.jinja")

    assert template.variables == {"goods", "tone"}
    assert as_text(template) == "system (system)  says main.jinja · needs goods, tone"
    assert [fact.name for fact in template.facts() if fact.kind == "include"] == ["parts/tone.jinja", "macros.jinja"]


@pytest.mark.parametrize("name", ["nope.jinja", "parts/"])
def test_what_is_no_file_cannot_be_read(name, root):
    with pytest.raises(RenderingError, match="the content of template 'rules' cannot be read from"):
        SystemTemplate(root / "shop" / name, template_id="rules")


def test_a_damaged_archive_cannot_be_read(tmp_path):
    path = tmp_path / "prompts.zip"
    with zipfile.ZipFile(path, "w") as written:
        written.writestr("a.txt", "some words")
    path.write_bytes(path.read_bytes().replace(b"some words", b"other word"))

    with pytest.raises(RenderingError, match="BadZipFile: Bad CRC-32"):
        SystemTemplate(zipfile.Path(path, "a.txt"))


@pytest.mark.parametrize("packed", [False, True])
def test_a_resource_of_a_package_is_a_content(packed, tmp_path, monkeypatch, said):
    package = f"prompts_{'packed' if packed else 'unpacked'}"
    if packed:
        with zipfile.ZipFile(tmp_path / "app.pyz", "w") as written:
            written.writestr(f"{package}/__init__.py", "")
            for name, text in FILES.items():
                written.writestr(f"{package}/{name}", text)
        monkeypatch.syspath_prepend(str(tmp_path / "app.pyz"))
    else:
        folder(tmp_path / package)
        monkeypatch.syspath_prepend(str(tmp_path))

    try:
        content = files(package) / "shop" / "main.jinja"
        assert said(content, goods="tea", tone="kind") == "You sell tea.\nBe KIND."
    finally:
        sys.modules.pop(package, None)


class Resource:
    """A file of a container that tells no folders, as loaders of others may have it."""

    name = "main.jinja"

    def __init__(self, text: bytes) -> None:
        self._text = text

    def open(self, mode: str = "r", **_: object) -> io.BytesIO:
        assert mode == "rb"
        return io.BytesIO(self._text)

    def __str__(self) -> str:
        return "database:main.jinja"

    is_file = is_dir = iterdir = joinpath = read_bytes = read_text = __truediv__ = lambda self, *_: True


def test_a_resource_that_tells_no_folder_is_a_content_and_includes_nothing(said):
    assert said(Resource(b"Hello {{ name }}"), name="Ada") == "Hello Ada"
    with pytest.raises(RenderingError, match=r"'a' is not found: database:main\.jinja does not tell in which folder"):
        SystemTemplate(Resource(b"{% include 'a' %}"))


class Endless(io.RawIOBase):
    def read(self, size: int = -1) -> bytes:
        return bytes(size)


def test_a_resource_that_holds_more_than_a_machine_is_refused():
    bomb = Resource(b"")
    bomb.open = lambda *_: Endless()

    with pytest.raises(RenderingError, match="it holds more than 100 MB"):
        SystemTemplate(bomb)


LINES = st.lists(st.text(alphabet="aä {}#%\ufeff", max_size=6), min_size=1, max_size=5)


@settings(max_examples=25, deadline=None)
@given(lines=LINES, line_break=st.sampled_from(["\r\n", "\r"]), mark=st.sampled_from([b"", b"\xef\xbb\xbf"]))
def test_line_breaks_and_a_byte_order_mark_of_other_systems_change_nothing(tmp_path_factory, lines, line_break, mark):
    path = tmp_path_factory.getbasetemp() / "broken.txt"

    def outcome(content: bytes) -> str:
        path.write_bytes(content)
        try:
            return Runner("openai:none").run(template=SystemTemplate(path)).last.content
        except RenderingError as error:
            return str(error)

    # with a mark always, since one that stands in the text itself would be taken for it
    plain = outcome(b"\xef\xbb\xbf" + "\n".join(lines).encode())
    assert (
        outcome((mark if not lines[0].startswith("\ufeff") else b"\xef\xbb\xbf") + line_break.join(lines).encode())
        == plain
    )


@pytest.mark.parametrize("line_break", ["\r\n", "\r", "\n"])
def test_an_error_in_a_file_of_another_system_shows_its_line_and_nothing_else(line_break, tmp_path, said):
    path, part = tmp_path / "main.jinja", tmp_path / "part.jinja"
    path.write_bytes(b"\xef\xbb\xbf" + line_break.join(["{{ a }}", "{% include 'part.jinja' %}", ""]).encode())
    part.write_bytes(b"\xef\xbb\xbf" + line_break.join(["one", "two {{ nope }} x", "three", ""]).encode())

    with pytest.raises(RenderingError) as caught:
        said(path, a=1)

    assert str(caught.value).splitlines()[1:4] == [f"  {part}, line 2", "    two {{ nope }} x", "           ^"]
    part.write_bytes(b"\xef\xbb\xbf" + line_break.join(["one", "two", ""]).encode())
    assert said(path, a=1) == "1\none\ntwo"
