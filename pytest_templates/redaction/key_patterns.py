"""What the keys of known providers look like.

A key is recognised by its prefix and by what may follow: with a digit in it, or with more letters than a word has, so
that names such as ``sk-learn-estimators`` are none. Prefixes and alphabets are those that the providers document or
give out, and that scanners such as gitleaks look for (its ``config/gitleaks.toml``); lengths are minima, since
providers change them. Keys of Mistral, Cohere and Azure are bare letters and digits: they are known by the header that
carries them, and by the environment.

The scanners themselves are no dependencies: detect-secrets, the one in Python, brings an HTTP client, knows fewer keys,
and finds them line by line without saying where in the line; gitleaks and trufflehog are programs. They may
guess: a person looks at what they find. Here what is found is replaced, so shapes without a prefix stay out.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from string import ascii_lowercase
from typing import Final

# Before a key stands no letter, digit, hyphen or underscore, unless it is the end of an escape: \n or %20.
_BEFORE: Final = r"(?:(?<![A-Za-z0-9_-])|(?<=\\[nrt])|(?<=%[0-9A-Fa-f]{2}))"
_DIGIT: Final = r"(?=[A-Za-z_-]{0,200}[0-9])"  # there is one in what follows
_WORD: Final = _DIGIT + "[A-Za-z0-9]"
_TEXT: Final = _DIGIT + "[A-Za-z0-9_-]"
_END: Final = r"(?![A-Za-z0-9_-])"
_HEX: Final = "[0-9a-f]"
# between the lines of a private key: white space, also as JSON writes it (however deep) and addresses do; margins, and
# the quotes of lines that stand one by one in a program
_GAP: Final = r"(?:\\+[nrt]|%(?:0[AaDd]|20)|[\s\"'`>|#,;\\])"


@dataclass(frozen=True)
class KeyPattern:
    """What one kind of key looks like.

    Attributes:
        name: What it is, with its article.
        starts: What it starts with, one of these.
        rest: What follows, as a regular expression; its group, where it has one, is the key.
    """

    name: str
    starts: tuple[str, ...]
    rest: str

    @cached_property
    def pattern(self) -> re.Pattern[str]:
        """The whole, as a regular expression."""
        return re.compile(f"{_BEFORE}(?:{'|'.join(map(re.escape, self.starts))}){self.rest}")

    def found_in(self, text: str, start: str) -> Iterator[tuple[int, int]]:
        """Where there is one that starts like this: start and end."""
        place = text.find(start)
        while place >= 0:
            found = self.pattern.match(text, place)
            if found and not _is_in_base64(text, *found.span()):
                yield found.span(found.lastindex or 0)
            place = text.find(start, found.end() if found else place + 1)


_BASE64: Final = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/"
_NO_SMALL: Final = dict.fromkeys(map(ord, ascii_lowercase))
_LINE_END: Final = re.compile(r"(?:\r?\n[ \t]*|\\n)\Z")
_NEAR: Final = 160  # characters
_RUN: Final = 16  # characters of base64 before what looks like a key; paths of addresses hold fewer capitals
_LINE: Final = 60  # characters of base64 in a line before


def _is_in_base64(text: str, start: int, end: int) -> bool:
    """Whether what looks like a key is a piece of something longer in base64, such as a picture.

    A slash or a plus may stand before a prefix there, and a prefix of four characters comes up by chance.
    """
    if text[start:end].strip(_BASE64 + "="):
        return False
    near = text[max(0, start - _NEAR) : start]
    line = _LINE_END.sub("", near)
    run = line[len(line.rstrip(_BASE64)) :]
    if len(run) < (_RUN if line == near else _LINE):
        return False
    letters = run.replace("+", "").replace("/", "")
    return 10 * len(letters.translate(_NO_SMALL)) >= 3 * len(letters)


_PEM: Final = (
    rf"(?:[A-Z0-9]+ ){{0,4}}PRIVATE KEY(?: BLOCK)?-----"
    rf"(?:{_GAP}*[A-Za-z-]{{1,40}}+: [^\n\\]{{0,100}}+){{0,10}}"  # headers, as RFC 1421 and OpenPGP have them
    rf"(?:{_GAP}*[A-Za-z0-9+/=]{{20,}}+)+"
    rf"(?:{_GAP}*[A-Za-z0-9+/=]++(?={_GAP}*-----END)|(?:\\+[nrt]|\n)[ \t]*+[A-Za-z0-9+/=]++)?"
    rf"(?:{_GAP}*-----END [A-Z0-9 ]+-----)?"
)

KEY_PATTERNS: Final = (
    KeyPattern("an Anthropic key", ("sk-ant-",), rf"{_TEXT}{{16,}}"),
    KeyPattern("an OpenRouter key", ("sk-or-v1-",), rf"{_WORD}{{20,}}"),
    KeyPattern("a Langfuse key", ("sk-lf-", "pk-lf-"), r"[0-9a-f]{8}-[0-9a-f-]{20,}"),
    KeyPattern("an OpenAI key", ("sk-proj-", "sk-svcacct-", "sk-admin-", "sk-None-"), rf"{_TEXT}{{16,}}"),
    KeyPattern("an OpenAI or DeepSeek key", ("sk-",), rf"{_WORD}{{20,}}"),  # many others took this pattern over
    KeyPattern("a Google key", ("AIzaSy",), "[A-Za-z0-9_-]{25,}"),
    KeyPattern("a Google token", ("ya29.", "1//0", "GOCSPX-"), rf"{_TEXT}{{20,}}"),
    KeyPattern("a Groq key", ("gsk_",), rf"{_WORD}{{20,}}"),
    KeyPattern("an xAI key", ("xai-",), rf"{_WORD}{{20,}}"),
    KeyPattern("a Hugging Face token", ("hf_", "api_org_"), rf"(?:{_WORD}{{20,}}|[A-Za-z]{{30,}})"),
    KeyPattern("a Replicate token", ("r8_",), rf"{_WORD}{{20,}}"),
    KeyPattern("a Perplexity key", ("pplx-",), rf"{_WORD}{{20,}}"),
    KeyPattern("a Fireworks key", ("fw_",), rf"{_WORD}{{20,}}"),
    KeyPattern("a Cerebras key", ("csk-",), rf"{_WORD}{{20,}}"),
    KeyPattern("an Nvidia key", ("nvapi-",), rf"{_TEXT}{{20,}}"),
    KeyPattern("a LangSmith key", ("lsv2_pt_", "lsv2_sk_"), r"[0-9a-f]{20,}(?:_[0-9a-f]+)?"),
    KeyPattern("an AWS access key", ("AKIA", "ASIA", "ABIA", "ACCA"), rf"[A-Z0-9]{{16}}{_END}"),
    KeyPattern("an AWS session token", ("IQoJb3JpZ2lu", "FwoGZXIvYXdz", "FQoGZXIvYXdz"), r"[A-Za-z0-9/+=%]{40,}"),
    KeyPattern("a GitHub token", ("ghp_", "gho_", "ghu_", "ghs_", "ghr_"), rf"{_WORD}{{30,}}"),
    KeyPattern("a GitHub token", ("github_pat_",), rf"{_DIGIT}[A-Za-z0-9_]{{30,}}"),
    KeyPattern("a Slack token", ("xoxa-", "xoxb-", "xoxe-", "xoxp-", "xoxr-", "xoxs-", "xapp-"), rf"{_TEXT}{{10,}}"),
    KeyPattern("a Stripe key", ("sk_live_", "sk_test_", "rk_live_", "rk_test_", "whsec_"), rf"{_WORD}{{10,}}"),
    KeyPattern("an OpenAI client secret", ("ek_",), rf"{_HEX}{{24,}}"),
    KeyPattern("a Helicone key", ("sk-helicone-",), rf"{_TEXT}{{16,}}"),
    KeyPattern("an ElevenLabs key", ("sk_",), rf"{_HEX}{{40,}}{_END}"),
    KeyPattern("a Google key", ("AQ.Ab",), rf"{_TEXT}{{30,}}"),
    KeyPattern("a Bedrock key", ("ABSK",), rf"{_DIGIT}[A-Za-z0-9+/]{{80,}}=*"),
    KeyPattern("a Bedrock key", ("bedrock-api-key-",), r"[A-Za-z0-9+/=]{20,}"),
    KeyPattern("a Together key", ("tgp_v1_",), rf"{_TEXT}{{20,}}"),
    KeyPattern("a Tavily key", ("tvly-",), rf"{_TEXT}{{20,}}"),
    KeyPattern("a Firecrawl key", ("fc-",), rf"{_HEX}{{32}}{_END}"),
    KeyPattern("a Jina key", ("jina_",), rf"{_TEXT}{{30,}}"),
    KeyPattern("a Pinecone key", ("pcsk_",), rf"{_DIGIT}[A-Za-z0-9_]{{30,}}"),
    KeyPattern("a LlamaCloud key", ("llx-",), rf"{_WORD}{{20,}}"),
    KeyPattern("an E2B key", ("e2b_",), rf"{_HEX}{{32,}}"),
    KeyPattern("a Logfire token", ("pylf_v1_",), rf"{_DIGIT}[A-Za-z0-9_]{{20,}}"),
    KeyPattern("a Supabase key", ("sb_secret_", "sbp_"), rf"{_TEXT}{{20,}}"),
    KeyPattern("an Atlassian token", ("ATATT3", "ATCTT3"), rf"{_DIGIT}[A-Za-z0-9_=-]{{60,}}"),
    KeyPattern("a DigitalOcean token", ("doo_v1_", "dop_v1_", "dor_v1_"), rf"{_HEX}{{40,}}"),
    KeyPattern("a Databricks token", ("dapi",), rf"{_HEX}{{32}}(?:-[0-9])?{_END}"),
    KeyPattern("a Docker token", ("dckr_pat_", "dckr_oat_"), rf"{_TEXT}{{20,}}"),
    KeyPattern("a Doppler token", ("dp.pt.", "dp.st.", "dp.ct."), rf"{_DIGIT}[A-Za-z0-9._-]{{30,}}"),
    KeyPattern("a Dynatrace token", ("dt0c01.",), r"[A-Za-z0-9]{20,}\.[A-Za-z0-9]{40,}"),
    KeyPattern("a Figma token", ("figd_",), rf"{_TEXT}{{30,}}"),
    KeyPattern("a Fly token", ("fo1_",), rf"{_TEXT}{{40,}}"),
    KeyPattern("a Fly token", ("fm1a_", "fm1r_", "fm2_"), rf"{_DIGIT}[A-Za-z0-9+/=,_]{{60,}}"),
    KeyPattern(
        "a GitLab token",
        ("glpat-", "gldt-", "glrt-", "glcbt-", "glptt-", "glft-", "glimt-", "glagent-", "gloas-", "glsoat-", "glffct-"),
        rf"{_DIGIT}[A-Za-z0-9_.-]{{20,}}",
    ),
    KeyPattern("a Grafana token", ("glc_", "glsa_"), rf"{_DIGIT}[A-Za-z0-9+/=_]{{32,}}"),
    KeyPattern("a Heroku key", ("HRKU-",), rf"{_TEXT}{{30,}}"),
    KeyPattern("a Linear key", ("lin_api_", "lin_oauth_"), rf"{_WORD}{{30,}}"),
    KeyPattern("a Notion token", ("ntn_",), rf"{_WORD}{{30,}}"),
    KeyPattern("an npm token", ("npm_",), rf"{_WORD}{{30,}}"),
    KeyPattern("a PyPI token", ("pypi-AgE",), rf"{_TEXT}{{40,}}"),
    KeyPattern("a RubyGems key", ("rubygems_",), rf"{_HEX}{{40,}}"),
    KeyPattern("an OpenShift token", ("sha256~",), rf"{_TEXT}{{40,}}"),
    KeyPattern(
        "a PlanetScale token", ("pscale_tkn_", "pscale_oauth_", "pscale_pw_"), rf"{_DIGIT}[A-Za-z0-9_=.-]{{30,}}"
    ),
    KeyPattern("a Postman key", ("PMAK-",), rf"{_HEX}{{24}}-{_HEX}{{34}}"),
    KeyPattern("a Pulumi token", ("pul-",), rf"{_HEX}{{40}}{_END}"),
    KeyPattern("a SendGrid key", ("SG.",), r"[A-Za-z0-9_-]{16,}\.[A-Za-z0-9_-]{30,}"),
    KeyPattern("a Brevo key", ("xkeysib-", "xsmtpsib-"), rf"{_HEX}{{60,}}-[A-Za-z0-9]{{10,}}"),
    KeyPattern("a Sentry token", ("sntrys_", "sntryu_"), rf"{_DIGIT}[A-Za-z0-9+/=_]{{40,}}"),
    KeyPattern("a Shopify token", ("shpat_", "shpca_", "shppa_", "shpss_"), r"[0-9a-fA-F]{30,}"),
    KeyPattern("a Slack token", ("xoxe.xox",), rf"{_TEXT}{{20,}}"),
    KeyPattern(
        "the address of a Slack hook", ("hooks.slack.com/",), r"(?:services|workflows|triggers)/([A-Za-z0-9+/]{40,})"
    ),
    KeyPattern(
        "the address of a Discord hook",
        ("discord.com/api/webhooks/", "discordapp.com/api/webhooks/"),
        r"[0-9]{15,25}/([A-Za-z0-9_-]{60,})",
    ),
    KeyPattern("a Square token", ("sq0atp-", "sq0csp-"), rf"{_TEXT}{{20,}}"),
    KeyPattern("a Telegram token", ("bot",), r"([0-9]{8,10}:[A-Za-z0-9_-]{35})"),
    KeyPattern("a Twilio key", ("SK",), rf"{_HEX}{{32}}{_END}"),
    KeyPattern("a Vault token", ("hvs.", "hvb."), rf"{_TEXT}{{20,}}"),
    KeyPattern("a 1Password token", ("ops_eyJ",), r"[A-Za-z0-9+/=_-]{100,}"),
    KeyPattern("an age key", ("AGE-SECRET-KEY-1",), r"[A-Z0-9]{50,}"),
    KeyPattern("an Alibaba key", ("LTAI",), rf"{_WORD}{{16,}}{_END}"),
    KeyPattern("a JSON Web Token", ("eyJ",), r"[A-Za-z0-9_-]{10,}\.eyJ[A-Za-z0-9_-]{10,}\.[A-Za-z0-9_-]{10,}"),
    KeyPattern("a bearer token", ("Bearer ", "bearer "), r"((?=[^\s\"'<>]{0,200}[0-9])[A-Za-z0-9._~+/=-]{16,})"),
    KeyPattern(
        "a name and a password",
        ("Basic ", "basic "),
        r"((?=[A-Za-z+/]{0,200}[0-9])(?=[a-z0-9+/]{0,200}[A-Z])[A-Za-z0-9+/]{12,}={0,2})",
    ),
    KeyPattern("a private key", ("-----BEGIN ",), _PEM),
)

# Few runs of characters have room for a key: to look for its start in these alone takes a fraction of the time.
_LEAST_ROOM: Final = 15  # characters
_ROOM: Final = re.compile(rf"[A-Za-z0-9_.~/+=-]{{{_LEAST_ROOM},}}")
_HAS_DIGIT: Final = re.compile(r"[0-9]")
_HAS_LETTER: Final = re.compile(r"[A-Za-z]")
_HAS_MARK: Final = re.compile(r"[_.~-]")
_WITH_OTHERS: Final = frozenset(["Bearer ", "bearer ", "Basic ", "basic ", "-----BEGIN ", "bot"])  # a space, a colon
_WITHOUT_DIGIT: Final = frozenset(["AIzaSy", "hf_", "api_org_", "AKIA", "ASIA", "ABIA", "ACCA"])
_STARTS: Final = tuple((start, key) for key in KEY_PATTERNS for start in key.starts)
_IN_TEXT: Final = tuple(pair for pair in _STARTS if pair[0] in _WITH_OTHERS)
_IN_RUNS: Final = tuple(pair for pair in _STARTS if pair[0] in _WITHOUT_DIGIT)
_OTHERS: Final = tuple(pair for pair in _STARTS if pair[0] not in _WITH_OTHERS | _WITHOUT_DIGIT)
_IN_MIXED_RUNS: Final = tuple(pair for pair in _OTHERS if not _HAS_MARK.search(pair[0]))
_IN_MARKED_RUNS: Final = tuple(pair for pair in _OTHERS if _HAS_MARK.search(pair[0]))


def keys_in(text: str) -> Iterator[tuple[int, int, str]]:
    """What looks like a key of a known provider: start, end, and what it is."""
    words = [word for word in text.split() if len(word) >= _LEAST_ROOM]  # few in prose
    runs = _ROOM.findall("\n".join(words))
    mixed_runs = [run for run in runs if _HAS_LETTER.search(run) and _HAS_DIGIT.search(run)]
    marked_runs = [run for run in mixed_runs if _HAS_MARK.search(run)]
    places = (
        (text, _IN_TEXT),
        ("\n".join(runs), _IN_RUNS),
        ("\n".join(mixed_runs), _IN_MIXED_RUNS),
        ("\n".join(marked_runs), _IN_MARKED_RUNS),
    )
    for near, starts in places:
        if not near:  # as in most texts that are short
            continue
        for start, key in starts:
            if start in near:  # many times faster than one regular expression for all
                for begin, end in key.found_in(text, start):
                    yield begin, end, f"what looks like {key.name}"
