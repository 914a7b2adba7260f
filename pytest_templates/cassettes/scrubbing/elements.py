"""Secret elements and attributes of XML and HTML in any text: answers of AWS, SOAP, property lists, settings, forms.

A name says so in four places: it is the element's own (``<SecretAccessKey>``), or that of an element before it
(``<key>password</key><string>…``), or an attribute (``<property name="password" value="…"/>``), or the kind of an
input (``type="password"``). Attributes that are called so themselves look like any other member (`members`).
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import lru_cache
from typing import Final, NamedTuple

from pytest_templates.cassettes.scrubbing.escapes import xml_read
from pytest_templates.cassettes.scrubbing.values import A_MEMBER, is_secret_value
from pytest_templates.redaction.policy import Certainty, certainty_of, is_name_member
from pytest_templates.redaction.secrets import Span

# no word of prose or code stands so close behind a <, and what follows is looked at once
_TAG: Final = re.compile(r"<(?P<name>[A-Za-z_][\w.:-]{0,100}+)(?P<attributes>(?:[\s/][^<>]*+)?)>")
_ATTRIBUTE: Final = re.compile(
    r"(?<![\w:.-])(?P<name>[\w:.-]++)\s*+=\s*+(?:\"(?P<double>[^\"]*+)\"|'(?P<single>[^']*+)'|(?P<bare>[^\s\"']+?)(?=/?\Z|\s))"
)
_CDATA: Final = "<![CDATA["
_SECTIONS: Final = {_CDATA: "]]>", "<!--": "-->"}
_LABELS: Final = frozenset(["name", "key", "id", "property"])  # attributes that say what a value is called
_LABELLING: Final = re.compile(r"(?:name|key|id|property|type)\s*=", re.IGNORECASE)
_LABELLED: Final = frozenset(["value", "content"])
_VALUED: Final = re.compile(r"(?:value|content)\s*=", re.IGNORECASE)
_OF_VALUES: Final = frozenset(["value", "string", "text", "data", "integer", "plaintext"])  # elements without a name
_OF_BOTH: Final = frozenset(  # elements with a name as an attribute, and their value in them
    [
        *("property", "entry", "param", "parameter", "arg", "argument", "variable", "field", "setting", "env", "item"),
        *("attribute", "string", "data", "member", "textarea", "value", "config", "secret"),
    ]
)
_BUTTONS: Final = frozenset(["submit", "button", "reset", "checkbox", "radio", "image"])
_REFERENCE: Final = re.compile(r"[$#@]?\{.*\}|%\w+%|\$[A-Z_]+|\*+", re.DOTALL)  # to what stands elsewhere
_TITLE: Final = re.compile(r"[A-Za-z]{0,11}")


def element_spans(text: str) -> Iterator[Span]:
    """Where the values of secret elements and attributes are in a text; also in XML that stands in it as a text."""
    place, awaited = 0, None  # how sure the name is whose value comes in the next element
    while tag := _TAG.search(text, place):
        if awaited is None and not _may_be_secret(tag):  # as most are
            place = tag.end()
            continue
        element = _Element.of(tag)
        yield from element.spans_in_attributes()
        certainty = element.certainty or (awaited if element.name in _OF_VALUES else None)
        place, awaited = tag.end(), None
        if element.is_empty or not (certainty or element.is_label):
            continue
        content = _Content.of(text, place)
        place = content.stop
        value = text[content.start : content.end]
        if certainty is None:
            awaited = certainty_of(value)
        elif not value:
            awaited = certainty
        elif content.is_whole and not element.is_title(value) and _is_secret(value, certainty):
            yield content.start, content.end, A_MEMBER
    if "&lt;" in text:
        read = xml_read(text)
        yield from ((read.place(start), read.place(end), source) for start, end, source in element_spans(read.text))


def may_hold_elements(text: str) -> bool:
    """Whether there may be a secret element in a text, which may be JSON that has it in one of its texts."""
    return any(map(_may_be_secret, _TAG.finditer(text))) or ("&lt;" in text and may_hold_elements(xml_read(text).text))


def _may_be_secret(tag: re.Match[str]) -> bool:
    name, attributes = tag.groups()
    if _is_telling(name):
        return True
    is_labelled = bool(attributes) and _LABELLING.search(attributes) is not None
    return is_labelled and (_local(name).lower() in _OF_BOTH or _VALUED.search(attributes) is not None)


@lru_cache(maxsize=4096)
def _is_telling(name: str) -> bool:
    """Whether the name of an element says that a secret is in it, or the name of one."""
    return certainty_of(_local(name)) is not None or is_name_member(_local(name))


def _local(name: str) -> str:
    """A name without that of its namespace."""
    return name.rpartition(":")[2]


class _Element(NamedTuple):
    """What the first tag of an element says.

    Attributes:
        name: Its name in small letters, without that of its namespace.
        own: How sure this name is.
        label: How sure the name is that an attribute gives to the value.
        is_label: Whether the content is a name.
        is_empty: Whether the tag closes it, too.
        attributes: The values of its attributes by their names, and where each value stands.
    """

    name: str
    own: Certainty | None
    label: Certainty | None
    is_label: bool
    is_empty: bool
    attributes: dict[str, tuple[str, int, int]]

    @classmethod
    def of(cls, tag: re.Match[str]) -> _Element:
        """What a tag says."""
        written, start = tag["attributes"], tag.start("attributes")
        name = _local(tag["name"])
        attributes: dict[str, tuple[str, int, int]] = {}
        for found in _ATTRIBUTE.finditer(written) if "=" in written else ():
            begin, end = found.span(found.lastindex or 0)
            attributes[_local(found["name"]).lower()] = written[begin:end], start + begin, start + end
        labels = (certainty_of(value) for label, (value, *_) in attributes.items() if label in _LABELS)
        label = Certainty.ANY if attributes.get("type", ("",))[0] == "password" else next(filter(None, labels), None)
        return cls(name.lower(), certainty_of(name), label, is_name_member(name), written.endswith("/"), attributes)

    @property
    def certainty(self) -> Certainty | None:
        """How sure the element is that its content is secret."""
        return self.own or (self.label if self.name in _OF_BOTH else None)

    def is_title(self, value: str) -> bool:
        """Whether a content is what people read: ``<string name="password">Password</string>``."""
        return self.own is None and self.label is not None and bool(_TITLE.fullmatch(value))

    def spans_in_attributes(self) -> Iterator[Span]:
        """Where the value is that an attribute holds, and another one names."""
        if self.label is None or self.attributes.get("type", ("",))[0] in _BUTTONS:
            return
        for name in _LABELLED & self.attributes.keys():
            value, start, end = self.attributes[name]
            if _is_secret(value, self.label):
                yield start, end, A_MEMBER


class _Content(NamedTuple):
    """What stands in an element before the next tag.

    Attributes:
        start: Where its text begins.
        end: Where that ends.
        stop: Where the next tag begins.
        is_whole: Whether this is the last of the element, as far as there is a text.
    """

    start: int
    end: int
    stop: int
    is_whole: bool

    @classmethod
    def of(cls, text: str, place: int) -> _Content:
        """The content that begins at a place."""
        stop = place
        while stop < len(text):
            section = next((start for start in _SECTIONS if text.startswith(start, stop)), "")
            if not section and text[stop] == "<":
                break
            mark = _SECTIONS.get(section, "<")
            found = text.find(mark, stop + len(section))
            stop = len(text) if found < 0 else found + len(mark) if section else found
        start, end = _stripped(text, place, stop)
        if text.startswith(_CDATA, start):
            start += len(_CDATA)
            start, end = _stripped(text, start, end - 3 if text[start:end].endswith("]]>") else end)
        return cls(start, end, stop, is_whole=stop == len(text) or text.startswith("</", stop))


def _stripped(text: str, start: int, end: int) -> tuple[int, int]:
    content = text[start:end]
    return start + len(content) - len(content.lstrip()), start + len(content.rstrip())


def _is_secret(value: str, certainty: Certainty) -> bool:
    return is_secret_value(value, certainty) and not _REFERENCE.fullmatch(value)
