"""Replacements of words, numbers and dates by others of the same form.

- The same token has the same replacement, whatever its case; different tokens have different ones.
- A replacement has the length, the case and the kinds of characters of its token. A date stays a valid date, a time a
  valid time, a hexadecimal digit a hexadecimal digit; zeros at the front of a number stay.
- Replacements depend on a random salt, so that they cannot be guessed from one report to the next.
"""

from __future__ import annotations

import hashlib
import hmac
import json
import re
from collections.abc import Callable, Iterator, Sequence, Set

from gateway.metering.explain.structural_words import CJK_PHRASES

_ESCAPED = r"\\{1,4}u[0-9a-fA-F]{4}"
"""A letter as an escape of JSON, which has more backslashes in a string of a string."""
_LETTER = rf"(?:[^\W\d_]|{_ESCAPED})"
TOKEN = re.compile(
    rf"(?P<escaped>{_LETTER}{{0,64}}{_ESCAPED}{_LETTER}{{0,64}})"
    r"|(?P<escape>\\{1,4}[nrtbf\"'/]|\\\\)"
    r"|(?P<moment>\bdatetime\.(?:datetime|date)\(\d{4}(?:, \d{1,6}){2,6})"
    r"|(?P<hex>(?<![0-9A-Za-z])(?:[0-9a-fA-F]{8}(?:-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}"
    r"|(?=[a-f]*[0-9])(?=[0-9]*[a-f])[0-9a-f]{8,128})(?![0-9A-Za-z]))"
    r"|(?P<date>(?<![\d.])(?:\d{4}[-/.]\d\d[-/.]\d\d|\d\d[-/.]\d\d[-/.]\d{4})(?!\d))"
    r"|(?P<time>(?<![\d:])[0-2]?\d:[0-5]\d(?::[0-5]\d)?(?![\d:]))"
    r"|(?P<mark>(?<=\d)[TZ](?![A-Za-z]))"
    r"|(?P<identifier>[A-Za-z][A-Za-z0-9]{0,63}(?:_[A-Za-z0-9]{1,64}){1,16}|[A-Za-z]{1,64}[0-9]{1,9}(?![A-Za-z0-9]))"
    r"|(?P<number>\d{1,3}(?:,\d{3})+(?![\d,])|\d+(?:\.\d+)*(?:[eE][+-]?\d{1,3}(?![A-Za-z0-9]))?)"
    rf"|(?P<phrase>{'|'.join(sorted(CJK_PHRASES, key=len, reverse=True))})"
    r"|(?P<word>[\u3040-\u30ff\u3400-\u9fff\uac00-\ud7af]|[^\W\d_\u3040-\u30ff\u3400-\u9fff\uac00-\ud7af]+)"
)
"""The parts of a text that may hold data; what is between them is kept."""

_BACKSLASHES, _ONE = re.compile(r"\\+u"), r"\\u"
_PARTS = re.compile(r"[A-Za-z]+|\d+")
_EXPONENT = re.compile(r"[eE][+-]?\d+\Z")
_ALPHABETS = (
    ("\u0400", "\u04ff", "абвгдежзиклмнопрстуфхцчшщэюя"),
    ("\u0370", "\u03ff", "αβγδεζηθικλμνξοπρστυφχψω"),
    ("\u3040", "\u309f", "".join(map(chr, range(0x3042, 0x3094)))),
    ("\u30a0", "\u30ff", "".join(map(chr, range(0x30A2, 0x30F4)))),
    ("\u3400", "\u9fff", "".join(map(chr, range(0x4E00, 0x9FA0)))),
    ("\uac00", "\ud7af", "".join(map(chr, range(0xAC00, 0xD7A0)))),
)
_LATIN = "abcdefghijklmnopqrstuvwxyz"
_DIGITS = "0123456789"
_MONTHS = tuple(f"{number:02}" for number in range(1, 13))
_DAYS = tuple(f"{number:02}" for number in range(1, 29))
_CENTURIES = ("19", "20")

_MAX_STEPS = 100
"""Candidates that are tried for one that is no token of the call."""

Slots = list[Sequence[str]]
"""The choices for each part of a replacement."""


class Replacements:
    """The replacements of one call.

    `is_kept` tells the words that no replacement may be. `originals` are the tokens of the call, which no replacement
    is if there are others.
    """

    def __init__(self, salt: bytes, is_kept: Callable[[str], bool], originals: Set[str]) -> None:
        self._salt = salt
        self._is_kept = is_kept
        self._originals = originals
        self._known: dict[str, str] = {}
        self._used: set[str] = set()

    def keep(self, token: str) -> None:
        """Give a number to itself, wherever it occurs."""
        self._known[token] = token
        self._used.add(token)

    def word(self, word: str) -> str:
        """Replace a word or identifier; its case is that of `word`."""
        lower = "".join(character.lower()[0] for character in word)
        replacement = self._find(lower, [_alphabet(character) for character in lower])
        return "".join(new.upper() if old.isupper() else new for old, new in zip(word, replacement, strict=True))

    def hexadecimal(self, token: str) -> str:
        """Replace a UUID, a digest or another hexadecimal number."""
        slots: Slots = [
            _DIGITS if one.isdigit() else "ABCDEF" if one.isupper() else "abcdef" if one.isalpha() else one
            for one in token
        ]
        return self._find(token, slots)

    def number(self, number: str) -> str:
        """Replace the digits of a number; zeros at its front and an exponent stay."""
        exponent = _EXPONENT.search(number)
        mantissa = number[: exponent.start()] if exponent else number
        return self._find(number, [*_number_slots(mantissa), *([exponent.group()] if exponent else [])])

    def date(self, date: str) -> str:
        """Replace a date by a valid one."""
        slots: Slots = []
        for part in re.split(r"([-/.])", date):
            if len(part) == 4:
                slots += [_CENTURIES, _DIGITS, _DIGITS]
            elif len(part) == 2:
                # Day and month are in either order if the year is last, so both are at most 12.
                slots.append(_DAYS if len(slots) == 6 else _MONTHS)
            else:
                slots.append(part)
        return self._find(date, slots)

    def time(self, time: str) -> str:
        """Replace a time of day by a valid one."""
        hour, _, rest = time.partition(":")
        hours = [f"{number:02}" for number in range(24)] if len(hour) == 2 else list("123456789")
        slots: Slots = [hours]
        for _ in rest.split(":"):
            slots += [":", "012345", _DIGITS]
        return self._find(time, slots)

    def _find(self, token: str, slots: Slots) -> str:
        if token not in self._known:
            self._known[token] = self._choose(token, slots)
            self._used.add(self._known[token])
        return self._known[token]

    def _choose(self, token: str, slots: Slots) -> str:
        choices = 1
        for slot in slots:
            choices *= len(slot)
        first = int.from_bytes(hmac.digest(self._salt, token.encode("utf-8", "surrogatepass"), hashlib.sha256))
        for steps, avoided in ((_MAX_STEPS, self._originals), (choices, frozenset[str]())):
            for step in range(min(steps, choices)):
                candidate = _nth(slots, (first + step) % choices)
                if not (candidate in self._used or candidate in avoided or self._is_kept(candidate)):
                    return candidate
        return token


def _nth(slots: Slots, number: int) -> str:
    parts = []
    for slot in reversed(slots):
        number, index = divmod(number, len(slot))
        parts.append(slot[index])
    return "".join(reversed(parts))


def _number_slots(mantissa: str) -> Iterator[Sequence[str]]:
    is_front = True
    if len(mantissa) == 4 and mantissa[:2] in _CENTURIES and mantissa.isdigit():
        yield from (_CENTURIES, _DIGITS, _DIGITS)
        return
    for character in mantissa:
        if not character.isdigit() or (is_front and character == "0"):
            yield character
        else:
            yield "123456789" if is_front else _DIGITS
            is_front = False


def _alphabet(character: str) -> str:
    for first, last, letters in _ALPHABETS:
        if first <= character <= last:
            return letters
    return _LATIN


def unescape(token: str) -> str:
    """Return a word with JSON escapes as the word that it stands for."""
    return str(json.loads(f'"{_BACKSLASHES.sub(_ONE, token)}"'))


def parts_of(identifier: str) -> list[str]:
    """Return the words and numbers of an identifier such as `author_id`."""
    return _PARTS.findall(identifier)
