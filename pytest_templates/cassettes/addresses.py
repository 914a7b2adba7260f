"""Addresses and forms without secrets."""

from __future__ import annotations

import re
from typing import Final
from urllib.parse import unquote, unquote_plus

from pytest_templates.cassettes.policy import SECRET_PARAMETERS
from pytest_templates.cassettes.secrets import PLACEHOLDER, Secrets

_USER: Final = re.compile(r"^([a-zA-Z][a-zA-Z0-9+.-]*://)[^/?#]*@")


def scrub_uri(uri: str, secrets: Secrets) -> str:
    """The address without user, secret parameters and secret values."""
    address, fragment_mark, fragment = _USER.sub(rf"\g<1>{PLACEHOLDER}@", uri).partition("#")
    start, mark, query = address.partition("?")
    path = "/".join(_part(part, secrets) for part in start.split("/"))
    return secrets.replace(path + mark + scrub_form(query, secrets) + fragment_mark + _part(fragment, secrets))


def scrub_form(query: str, secrets: Secrets) -> str:
    """Parameters, as they stand in an address or in the body of a form, without the secret ones."""
    return "&".join(_parameter(pair, secrets) for pair in query.split("&"))


def _part(part: str, secrets: Secrets) -> str:
    hidden = "%" in part and secrets.find(unquote(part))
    return PLACEHOLDER if hidden else part


def _parameter(pair: str, secrets: Secrets) -> str:
    name, equals, value = pair.partition("=")
    secret_name = unquote_plus(name).lower() in SECRET_PARAMETERS
    return f"{name}={PLACEHOLDER}" if equals and (secret_name or secrets.find(unquote_plus(value))) else pair
