"""No secret leaves: text is masked before it becomes part of a message, a result or a log line.

Patterns know what secrets usually look like; ``secrets`` names those the caller knows of.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping
from datetime import date, datetime
from typing import Any

MASK = "***"
MAX_TEXT = 100_000
"""Characters of one text that are looked at; what follows is cut, visibly."""
MAX_ITEMS = 100
MAX_DEPTH = 5
CUT = "… (cut)"

_SENSITIVE_WORD = (
    r"passw(?:or)?d|passphrase|pwd|secret|token|api[_-]?key|access[_-]?key|private[_-]?key"
    r"|authorization|credentials?|webhook[_-]?url|fernet[_-]?key|sas"
)
_SENSITIVE_KEY = re.compile(rf"(?:^|[_\-.\s]|(?<=[a-z])(?=[A-Z]))(?:{_SENSITIVE_WORD})s?$", re.IGNORECASE)

_Replacement = str | Callable[[re.Match[str]], str]


def _pattern(*parts: str, flags: re.RegexFlag = re.IGNORECASE) -> re.Pattern[str]:
    return re.compile("".join(parts), flags)


_PATTERNS: tuple[tuple[re.Pattern[str], _Replacement], ...] = (
    (
        _pattern(
            r"-----BEGIN [A-Z ]{0,30}PRIVATE KEY-----.*?",
            r"(?:-----END [A-Z ]{0,30}PRIVATE KEY-----|\Z)",
            flags=re.DOTALL,
        ),
        MASK,
    ),
    # scheme://user:password@host; a password may itself hold an @, the last one ends it.
    (_pattern(r"(\b[a-z][a-z0-9+.\-]{1,30}://[^\s/:@'\"]{0,200}:)[^\s/'\"]{1,500}@"), rf"\1{MASK}@"),
    (_pattern(r"(https://hooks\.slack(?:-gov)?\.com/)[^\s\"'<>)]+"), rf"\1{MASK}"),
    (
        _pattern(r"(https://[\w.\-]+\.(?:webhook\.office|logic\.azure|powerplatform)\.com)", r"[^\s\"'<>)]+"),
        rf"\1/{MASK}",
    ),
    (
        _pattern(
            r"\b((?:proxy-)?authorization[\"']?\s*[:=]\s*[\"']?)",
            r"(?:(?:basic|bearer|digest|token)\s+)?[^\s\"',;]+",
        ),
        rf"\1{MASK}",
    ),
    (_pattern(r"\b(bearer\s+)[A-Za-z0-9._~+/\-]{8,}=*"), rf"\1{MASK}"),
    (_pattern(r"\bxox[a-z]-[A-Za-z0-9-]{8,}|\bxapp-[A-Za-z0-9-]{8,}"), MASK),
    (_pattern(r"\b(?:AKIA|ASIA)[A-Z0-9]{16}\b|\bgh[pousr]_[A-Za-z0-9]{30,}|\bglpat-[\w\-]{20,}"), MASK),
    (_pattern(r"\beyJ[\w\-]{8,}\.eyJ[\w\-]{8,}\.[\w\-]*"), MASK),
    # key=value, "key": "value", key: value
    (
        _pattern(
            rf"((?<![A-Za-z])(?:[A-Za-z0-9]{{1,40}}[_\-])*(?:{_SENSITIVE_WORD})s?[\"']?\s*[:=]\s*)",
            r"(\"[^\"\n]{1,2000}\"|'[^'\n]{1,2000}'|[^\s\"',;&)}\]]+)",
        ),
        lambda match: f"{match[1]}{_quoted(match[2])}",
    ),
    (
        _pattern(
            r"([?&;](?:sig|signature|code|x-amz-signature|x-amz-credential|sharedaccesskey|accountkey)=)",
            r"[^\s&;\"']+",
        ),
        rf"\1{MASK}",
    ),
    (_pattern(r"\b((?:shared)?(?:access|account)key=)[^\s&;\"']+"), rf"\1{MASK}"),
)


def _quoted(value: str) -> str:
    quote = value[0] if value[0] in "\"'" else ""
    return f"{quote}{MASK}{quote}"


def mask(text: str, secrets: Iterable[str] = ()) -> str:
    """Return ``text`` with everything that looks like, or is known to be, a secret replaced by ``***``."""
    if len(text) > MAX_TEXT:
        text = text[:MAX_TEXT] + CUT
    for secret in sorted({s for s in secrets if len(s) > 2}, key=len, reverse=True):
        text = text.replace(secret, MASK)
    for pattern, replacement in _PATTERNS:
        text = pattern.sub(replacement, text)
    return text


def plain(value: Any, key: str = "", depth: int = 0) -> Any:
    """Return ``value`` as masked JSON-ready data: values of secret-sounding keys hidden, size and depth bounded."""
    if key and _SENSITIVE_KEY.search(key) and value not in (None, "", True, False):
        return MASK
    if value is None or isinstance(value, bool | int):
        return value
    if isinstance(value, float):
        return value if value == value and abs(value) != float("inf") else str(value)
    if isinstance(value, datetime | date):
        return value.isoformat()
    if isinstance(value, Mapping | list | tuple | set | frozenset) and depth < MAX_DEPTH:
        return _plain_collection(value, key, depth + 1)
    return mask(_text(value))


def _plain_collection(value: Any, key: str, depth: int) -> Any:
    left_out = len(value) - MAX_ITEMS
    if isinstance(value, Mapping):
        items = list(value.items())[:MAX_ITEMS]
        cut = {CUT: f"{left_out} more"} if left_out > 0 else {}
        return {mask(_text(k)): plain(v, _text(k), depth) for k, v in items} | cut
    if isinstance(value, set | frozenset):
        value = sorted(value, key=_text)
    return [plain(item, key, depth) for item in list(value)[:MAX_ITEMS]] + (
        [f"{left_out} more {CUT}"] if left_out > 0 else []
    )


def _text(value: Any) -> str:
    try:
        return str(value)
    except Exception:  # noqa: BLE001 - a broken __str__ of a user's object must not cost the notification
        return f"<{type(value).__name__} that cannot be printed>"
