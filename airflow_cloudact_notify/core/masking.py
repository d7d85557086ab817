"""No secret leaves: text is masked before it becomes part of a message, a result or a log line.

Patterns know what secrets usually look like; ``secrets`` names those the caller knows of.
"""

from __future__ import annotations

import itertools
import re
import sys
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any

from airflow_cloudact_notify.core.texts import CUT

MASK = "***"
MAX_TEXT = 100_000
"""Characters of one text that are kept; what follows is cut, visibly."""
MAX_ITEMS = 100
"""Of one collection, what stands for those that are left out included: a message that is made anew loses no more."""
MAX_LEAVES = 1_000
MAX_DATA = 300_000
"""Characters of all texts of one piece of data that are kept, and looked through for secrets: the budget of a callback
does not bound what is computed."""
MAX_DEPTH = 5
_MARGIN = 2_000
"""Characters before a cut that are not shown: a secret that reaches over the cut is not recognised."""

_SENSITIVE_WORD = (
    r"(?:passw(?:or)?d|passphrase|passcode|secret|token|authorization|credential|webhook[_-]?url|cookie"
    r"|(?:api|access|account|encryption|fernet|private|secret|signing)[_-]?key)s?"
)
_SHORT_WORD = r"(?:pwd|pw|pass|sas)"
"""Words that other words end in (Kansas, bypass), so they count only by themselves."""
_SENSITIVE_KEY = re.compile(
    rf"{_SENSITIVE_WORD}$|(?:^|[_\-.\s]|(?-i:(?<=[a-z])(?=[A-Z]))){_SHORT_WORD}$", re.IGNORECASE
)

_Replacement = str | Callable[[re.Match[str]], str]


@dataclass(frozen=True, slots=True)
class _Secret:
    """What secrets of a kind look like, and what stands in their place.

    :param hints: words in small letters, one of which is in every text that the pattern matches: to look for these
        first takes a usual text a tenth of the time.
    """

    hints: tuple[str, ...]
    pattern: re.Pattern[str]
    replacement: _Replacement


def _pattern(*parts: str, flags: re.RegexFlag = re.IGNORECASE) -> re.Pattern[str]:
    return re.compile("".join(parts), flags)


_SENSITIVE_HINTS = ("pass", "secret", "token", "key", "authorization", "credential", "webhook", "cookie")
_SHORT_HINTS = ("pw", "sas")

# Every repetition that something must follow is bounded, or cannot begin twice in the same place: a text of any kind
# takes linear time.
_SECRETS = (
    _Secret(
        ("private key-----",),
        _pattern(
            r"-----BEGIN [A-Z ]{0,30}PRIVATE KEY-----.*?",
            r"(?:-----END [A-Z ]{0,30}PRIVATE KEY-----|\Z)",
            flags=re.DOTALL,
        ),
        MASK,
    ),
    # scheme://user:password@host; a password may itself hold an @, the last one ends it. One with a slash is told
    # from a port.
    _Secret(
        ("://",),
        _pattern(
            r"(\b[a-z][a-z0-9+.\-]{1,30}://[^\s/:@'\"]{0,200}:)",
            r"(?:[^\s/'\"]{1,500}|(?!\d{1,5}/)[^\s'\"]{1,500}?)@",
        ),
        rf"\1{MASK}@",
    ),
    _Secret(
        ("://hooks.slack", "/api/webhooks/"),
        _pattern(
            r"(https?://(?:hooks\.slack(?:-gov)?\.com|discord(?:app)?\.com/api/webhooks)/)", r"[^\s\"'<>)]+"
        ),
        rf"\1{MASK}",
    ),
    # What is left of a Slack webhook in the errors of HTTP libraries: "with url: /services/T…/B…/…"
    _Secret(
        ("/services/t", "/workflows/t", "/triggers/t"),
        _pattern(r"(/(?:services|workflows|triggers)/)T[A-Z0-9]{2,}/[^\s\"'<>)]+", flags=re.NOFLAG),
        rf"\1{MASK}",
    ),
    _Secret(
        (".webhook.office.com", ".logic.azure.com", ".powerplatform.com"),
        _pattern(
            r"(https://[\w.\-]{1,200}\.(?:webhook\.office|logic\.azure|powerplatform)\.com)", r"[^\s\"'<>)]+"
        ),
        rf"\1/{MASK}",
    ),
    _Secret(
        ("authorization",),
        _pattern(
            r"\b((?:proxy-)?authorization[\\\"']{0,4}\s*[:=]\s*[\\\"']{0,4})",
            r"(?:(?:basic|bearer|digest|token|api-?key|key|geniekey|splunk|ssws)\s+)?[^\s\\\"',;]+",
        ),
        rf"\1{MASK}",
    ),
    _Secret(("bearer",), _pattern(r"\b(bearer\s+)[A-Za-z0-9._~+/\-]{8,}=*"), rf"\1{MASK}"),
    _Secret(("xox", "xapp-"), _pattern(r"\bxox[a-z]-[A-Za-z0-9-]{8,}|\bxapp-[A-Za-z0-9-]{8,}"), MASK),
    _Secret(
        (
            *("akia", "asia", "ghp_", "gho_", "ghu_", "ghs_", "ghr_", "github_pat_", "glpat-", "sg."),
            *("aiza", "dapi", "sk-", "sk_"),
        ),
        _pattern(
            r"\b(?:AKIA|ASIA)[A-Z0-9]{16}\b|\bgh[pousr]_[A-Za-z0-9]{30,}|\bgithub_pat_\w{20,}",
            r"|\bglpat-[\w\-]{20,}|\bSG\.[\w\-]{16,40}\.[\w\-]{16,}",
            r"|\bAIza[\w\-]{35}|\bdapi[0-9a-f]{32}|\bsk[_\-](?:live_|test_|proj-|ant-)[\w\-]{16,}",
        ),
        MASK,
    ),
    _Secret(("eyj",), _pattern(r"(?<![\w\-])eyJ[\w\-]{8,}\.eyJ[\w\-]{8,}\.[\w\-]*"), MASK),
    # key=value, "key": "value", key: value, "key" => "value", also where the quotes are escaped
    _Secret(
        _SENSITIVE_HINTS + _SHORT_HINTS,
        _pattern(
            rf"((?:{_SENSITIVE_WORD}|(?<![a-z0-9]){_SHORT_WORD})[\\\"']{{0,4}}\s*[:=]>?\s*)",
            r"(\\+[\"'][^\\\"'\n]+|[bru]{0,2}(?:\"(?:[^\"\\\n]|\\.)+\"?|'(?:[^'\\\n]|\\.)+'?)",
            # A separator belongs to the value when what follows it is neither a blank nor the next key.
            r"|(?:[^\s\"',;&)}\]]|[,;&)}\]](?=[^\s\"',;&)}\]])(?![\w.\-]{1,40}\s?[:=]))+)",
        ),
        lambda match: f"{match[1]}{_quoted(match[2])}",
    ),
    _Secret(_SENSITIVE_HINTS, _pattern(rf"(<[\w:.\-]{{0,40}}?{_SENSITIVE_WORD}>)", r"[^<\n]+"), rf"\1{MASK}"),
    _Secret(
        _SENSITIVE_HINTS,
        _pattern(rf"(--[\w\-]{{0,40}}?{_SENSITIVE_WORD}[\"']?[\s,]+[\"']?)[^\s\"',]+"),
        rf"\1{MASK}",
    ),
    _Secret(
        ("sig=", "signature=", "code=", "credential=", "key="),
        _pattern(r"([?&;](?:sig|signature|code|key|x-amz-signature|x-amz-credential)=)", r"[^\s&;\"']+"),
        rf"\1{MASK}",
    ),
    # A connection string within a URL: ?odbc_connect=UID%3Dbob%3BPWD%3D…%3B
    _Secret(
        ("%3d",),
        _pattern(rf"((?:{_SENSITIVE_WORD}|(?:\b|%3B){_SHORT_WORD})%3D)", r"(?:(?!%3B|%26)[^\s&;\"'])+"),
        rf"\1{MASK}",
    ),
    # SQL: ALTER USER bob IDENTIFIED BY '…', ALTER ROLE bob WITH PASSWORD '…'
    _Secret(
        ("identified", "password"),
        _pattern(r"\b((?:identified\s{1,9}by|password)\s{1,9})('[^'\n]+'?|\"[^\"\n]+\"?)"),
        lambda match: f"{match[1]}{_quoted(match[2])}",
    ),
    # curl -u bob:…, ["curl", "--user", "bob:…"]
    _Secret(
        ("-u", "--user"),
        _pattern(r"((?<![\w\-])(?:-u|--user)[\"'\s=,]{1,9}[^\s\"':]{1,100}:)[^\s\"']+", flags=re.NOFLAG),
        rf"\1{MASK}",
    ),
)


def _quoted(value: str) -> str:
    quote = re.match(r"[bru]{0,2}\\*[\"']", value, re.IGNORECASE)
    if quote is None:
        return MASK
    closing = value[-1] if quote[0][-1] == value[-1] and "\\" not in quote[0] else ""
    return f"{quote[0]}{MASK}{closing}"


def mask(text: str, secrets: Iterable[str] = ()) -> str:
    """Return ``text`` with everything that looks like, or is known to be, a secret replaced by ``***``."""
    # Half a surrogate pair cannot be sent anywhere.
    text, is_long = text[: MAX_TEXT + _MARGIN].encode("utf-8", "replace").decode(), len(text) > MAX_TEXT
    for secret in sorted({s for s in secrets if len(s) > 2}, key=len, reverse=True):
        text = text.replace(secret, MASK)
    folded = _folded(text)
    for kind in _SECRETS:
        if any(map(folded.__contains__, kind.hints)):
            text = kind.pattern.sub(kind.replacement, text)
    return text[: min(MAX_TEXT, max(0, len(text) - _MARGIN))] + CUT if is_long else text


def _folded(text: str) -> str:
    """Return a text in small letters, those included that a pattern takes for an i."""
    return text.replace("\u0130", "i").casefold().replace("\u0131", "i")


def plain(value: Any) -> Any:
    """Return ``value`` as masked JSON-ready data: values of secret-sounding keys hidden, size and depth bounded."""
    return _Plain().value(value, "", 0)


class _Plain:
    """One walk through data; it ends after ``MAX_LEAVES`` values, since a few lines of code can nest millions, and
    after ``MAX_DATA`` characters."""

    def __init__(self) -> None:
        self._left = MAX_LEAVES
        self._characters_left = MAX_DATA

    def value(self, value: Any, key: str, depth: int) -> Any:
        self._left -= 1
        if self._left < 0:
            return CUT
        if value is None or isinstance(value, bool):
            return value
        if _SENSITIVE_KEY.search(key) and not (isinstance(value, str) and not value):
            return MASK
        if isinstance(value, int | float):
            return _number(value)
        if isinstance(value, datetime | date):
            return value.isoformat()
        if isinstance(value, Mapping | list | tuple | set | frozenset) and depth < MAX_DEPTH:
            return self._collection(value, key, depth + 1)
        return self._masked(_text(value))

    def _collection(self, value: Any, key: str, depth: int) -> Any:
        kept = len(value) if len(value) <= MAX_ITEMS else MAX_ITEMS - 1
        left_out = len(value) - kept
        if isinstance(value, Mapping):
            items = itertools.islice(value.items(), kept)
            cut = {CUT: f"{left_out} more"} if left_out > 0 else {}
            return {self._masked(_text(k)): self.value(v, _text(k), depth) for k, v in items} | cut
        if isinstance(value, set | frozenset):
            value = sorted(value, key=_text)
        return [self.value(item, key, depth) for item in itertools.islice(value, kept)] + (
            [f"{left_out} more {CUT}"] if left_out > 0 else []
        )

    def _masked(self, text: str) -> str:
        if self._characters_left <= 0:
            return CUT
        self._characters_left -= min(len(text), MAX_TEXT)
        return mask(text)


def _number(value: float) -> Any:
    """Return a number that JSON has, as it is, and others as text."""
    is_ordinary = abs(value) < sys.float_info.max
    return value if is_ordinary else _text(value)


def _text(value: Any) -> str:
    try:
        return str(value)
    except Exception:  # noqa: BLE001 - a broken __str__ of a user's object must not cost the notification
        return f"<{type(value).__name__} that cannot be printed>"
