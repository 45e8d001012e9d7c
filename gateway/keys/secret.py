"""The API key itself: the secret that a client sends.

`sk-` + 43 base62 characters of 256 random bits + 6 base62 characters of the CRC-32 (zlib's) of those 43
characters in ASCII, 52 characters in all. Base62 is `0-9A-Za-z`, the most significant digit first.

- An `ApiKey` can only be generated or parsed, so whoever holds one knows that its checksum is right.
- Junk is refused without hashing it and without a look-up; a text of the wrong length is refused unread.
- Nothing that prints an object prints the key: only `text` gives it away. What is stored is `digest`.
"""

from __future__ import annotations

import hashlib
import hmac
import re
import secrets
import zlib
from collections.abc import Callable
from typing import Final, NoReturn, final

ALPHABET: Final = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"

_START: Final = "sk-"
_RANDOM_BYTES: Final = 32
_RANDOM_LENGTH: Final = 43
_CHECK_LENGTH: Final = 6
KEY_LENGTH: Final = len(_START) + _RANDOM_LENGTH + _CHECK_LENGTH
PREFIX_LENGTH: Final = 11

_FORM = re.compile(rf"sk-([0-9A-Za-z]{{{_RANDOM_LENGTH}}})([0-9A-Za-z]{{{_CHECK_LENGTH}}})")


class MalformedKey(ValueError):
    """The text is no API key of this gateway. Its message never holds the text."""


@final
class ApiKey:
    """A well-formed API key; made by `generate` or `parse` alone."""

    __slots__ = ("_digest", "_text")
    _text: str
    _digest: tuple[str | None, str] | None

    def __init__(self) -> None:
        raise TypeError("an ApiKey is generated or parsed")

    @classmethod
    def generate(cls, random: Callable[[int], bytes] = secrets.token_bytes) -> ApiKey:
        """A new key of 256 bits from `random`."""
        body = base62(int.from_bytes(random(_RANDOM_BYTES), "big"), _RANDOM_LENGTH)
        return cls._of(_START + body + _checksum(body))

    @classmethod
    def parse(cls, text: str) -> ApiKey:
        """Read a key that a client sent. Raises `MalformedKey` where form or checksum are wrong."""
        if len(text) != KEY_LENGTH:
            raise MalformedKey(f"an API key has {KEY_LENGTH} characters")
        form = _FORM.fullmatch(text)
        if form is None:
            raise MalformedKey("an API key is sk- and letters and digits")
        if _checksum(form[1]) != form[2]:
            raise MalformedKey("the API key's checksum is wrong: was it copied whole?")
        return cls._of(text)

    @classmethod
    def _of(cls, text: str) -> ApiKey:
        key = object.__new__(cls)
        key._text = text
        key._digest = None
        return key

    @property
    def text(self) -> str:
        """The secret itself: for the answer that shows it once."""
        return self._text

    @property
    def prefix(self) -> str:
        """The first characters, by which its owner recognises a key; too few to help anybody else."""
        return self._text[:PREFIX_LENGTH]

    def digest(self, pepper: str | None) -> str:
        """SHA-256 of the key in hexadecimal, or HMAC-SHA-256 where there is a pepper."""
        if self._digest is None or self._digest[0] != pepper:
            message = self._text.encode("ascii")
            if pepper is None:
                digest = hashlib.sha256(message).hexdigest()
            else:
                digest = hmac.digest(pepper.encode(), message, "sha256").hex()
            self._digest = pepper, digest
        return self._digest[1]

    def __repr__(self) -> str:
        return f"ApiKey({self.prefix}…)"

    def __eq__(self, other: object) -> bool:
        return isinstance(other, ApiKey) and hmac.compare_digest(self.text, other.text)

    def __hash__(self) -> int:
        return hash(self._text)

    def __reduce__(self) -> NoReturn:
        raise TypeError("an ApiKey is not pickled or copied")


def base62(number: int, length: int) -> str:
    """`number` in base62, padded to `length` characters."""
    digits = []
    for _ in range(length):
        number, digit = divmod(number, len(ALPHABET))
        digits.append(ALPHABET[digit])
    return "".join(reversed(digits))


def _checksum(body: str) -> str:
    return base62(zlib.crc32(body.encode("ascii")), _CHECK_LENGTH)
