"""Which headers are kept, and which names mark a secret."""

from __future__ import annotations

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
