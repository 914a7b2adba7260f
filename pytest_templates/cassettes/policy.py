"""Which headers are kept, which names mark a secret, and which values are none."""

from __future__ import annotations

import re
from typing import Final

REQUEST_HEADERS: Final = frozenset({"content-type", "accept"})
RESPONSE_HEADERS: Final = frozenset(
    {
        "content-type",
        "retry-after",
        "retry-after-ms",  # OpenAI's, in milliseconds
        "x-should-retry",  # OpenAI's and Anthropic's clients obey it
        "location",  # a redirect is followed in replay, too
        "x-amzn-errortype",  # Bedrock names its errors in it
    }
)
# names of query parameters and form fields, in small letters
SECRET_PARAMETERS: Final = frozenset(
    [
        "key",
        "api_key",
        "api-key",
        "apikey",
        "subscription-key",
        "access_token",
        "refresh_token",
        "id_token",
        "auth_token",
        "token",
        "auth",
        "sig",
        "signature",
        "secret",
        "client_secret",
        "password",
        "passwd",
        "assertion",
        "client_assertion",
        "awsaccesskeyid",
        "x-amz-signature",
        "x-amz-credential",
        "x-amz-security-token",
        "x-goog-signature",
        "x-goog-credential",
        "x-api-key",
        "x-goog-api-key",
    ]
)
# names in JSON; shorter, since "token" and "key" are words of models' answers
SECRET_MEMBERS: Final = frozenset(
    [
        "api_key",
        "api-key",
        "apikey",
        "access_token",
        "refresh_token",
        "id_token",
        "auth_token",
        "client_secret",
        "private_key",
        "password",
        "client_assertion",
    ]
)
# headers whose value is a secret, wherever else it stands
CREDENTIAL_HEADERS: Final = frozenset(
    [
        "authorization",
        "proxy-authorization",
        "api-key",  # Azure
        "x-api-key",  # Anthropic
        "x-goog-api-key",
        "x-amz-security-token",
        "x-auth-token",
        "x-access-token",
        "xi-api-key",  # ElevenLabs
        "ocp-apim-subscription-key",  # Azure's gateway
    ]
)
# environment variables whose value is a secret, unless they are about something else
SECRET_NAME: Final = re.compile(r"KEY|TOKEN|SECRET|PASSWORD|CREDENTIAL", re.IGNORECASE)
NO_SECRET_NAME: Final = re.compile(r"TOKENIZ|KEYBOARD", re.IGNORECASE)
HOST: Final = re.compile(r"https?://[^/?#@\s]+/?")
# words of eight letters or more, in small letters: to replace them would spoil prompts, answers and the file itself
COMMON_VALUES: Final = frozenset(
    [
        *("administrator", "anonymous", "anything", "changeme", "customer", "database", "development", "disabled"),
        *("document", "everything", "external", "internal", "lm-studio", "localhost", "not-needed", "notneeded"),
        *("optional", "password", "placeholder", "postgres", "postgresql", "production", "redacted", "required"),
        *("something", "standard", "undefined", "username", "whatever"),
        *("application", "application/json", "arguments", "assistant", "compact-ascii", "content-type", "developer"),
        *("function", "indented", "interactions", "max_tokens", "messages", "reasoning", "response", "spaced-ascii"),
        *("streaming", "temperature", "template", "text/event-stream", "text/plain", "unfinished"),
    ]
)
