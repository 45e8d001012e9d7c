"""The API key: the secret that a client sends.

`sk-`, 43 base62 characters of 256 random bits, 6 base62 characters of the CRC-32 (zlib) of those 43 ASCII characters:
52 characters in total. Base62 is `0-9A-Za-z`, most significant digit first.

- An `ApiKey` can only be made by generating or parsing it, so its checksum is always valid.
- A malformed text is rejected without hashing or a lookup; a text of the wrong length without scanning it.
- Only the `text` property exposes the key; `repr`, pickling and copying do not. `digest` is what is stored.
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

_FIXED_PREFIX: Final = "sk-"
_RANDOM_BYTES: Final = 32
_RANDOM_LENGTH: Final = 43
_CHECKSUM_LENGTH: Final = 6
KEY_LENGTH: Final = len(_FIXED_PREFIX) + _RANDOM_LENGTH + _CHECKSUM_LENGTH
PREFIX_LENGTH: Final = 11
"""Characters of the key that are kept for display."""

_PATTERN = re.compile(rf"sk-([0-9A-Za-z]{{{_RANDOM_LENGTH}}})([0-9A-Za-z]{{{_CHECKSUM_LENGTH}}})")

_KEY_WORD = re.compile(rf"(?<![0-9A-Za-z]){_PATTERN.pattern}(?![0-9A-Za-z])")


class MalformedKey(ValueError):
    """The text is not a well-formed API key. The message never contains the text."""


@final
class ApiKey:
    """A well-formed API key, made only by `generate` and `parse`."""

    __slots__ = ("_digest", "_text")
    _text: str
    _digest: tuple[str | None, str] | None

    def __init__(self) -> None:
        raise TypeError("use ApiKey.generate or ApiKey.parse")

    @classmethod
    def generate(cls, random: Callable[[int], bytes] = secrets.token_bytes) -> ApiKey:
        """Return a new key with 256 bits from `random`."""
        body = base62(int.from_bytes(random(_RANDOM_BYTES), "big"), _RANDOM_LENGTH)
        return cls._from_text(_FIXED_PREFIX + body + _checksum(body))

    @classmethod
    def parse(cls, text: str) -> ApiKey:
        """Parse a key that a client sent. Raises `MalformedKey` if the format or the checksum is wrong."""
        if len(text) != KEY_LENGTH:
            raise MalformedKey(f"an API key has {KEY_LENGTH} characters")
        match = _PATTERN.fullmatch(text)
        if match is None:
            raise MalformedKey("an API key consists of sk- followed by letters and digits")
        if _checksum(match[1]) != match[2]:
            raise MalformedKey("the checksum of the API key is wrong: check that it was copied completely")
        return cls._from_text(text)

    @classmethod
    def _from_text(cls, text: str) -> ApiKey:
        key = object.__new__(cls)
        key._text = text
        key._digest = None
        return key

    @property
    def text(self) -> str:
        """The secret, for the response that shows it once."""
        return self._text

    @property
    def prefix(self) -> str:
        """The first characters, for display: enough for the owner to recognise the key, too few to guess it."""
        return self._text[:PREFIX_LENGTH]

    def digest(self, pepper: str | None) -> str:
        """Return the SHA-256 of the key in hexadecimal, or its HMAC-SHA-256 if there is a pepper."""
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
        raise TypeError("an ApiKey cannot be pickled or copied")


def has_key_form(text: str) -> bool:
    """Return True for a text with the form of an API key, whatever its checksum."""
    return len(text) == KEY_LENGTH and _PATTERN.fullmatch(text) is not None


def contains_key(text: str) -> bool:
    """Return True if there is an API key in a text, as a word."""
    return _KEY_WORD.search(text) is not None


def without_keys(text: str) -> str:
    """Return a text without the API keys in it. Clients may send theirs by mistake where texts are stored."""
    return _KEY_WORD.sub("sk-…", text) if _FIXED_PREFIX in text else text


def base62(number: int, length: int) -> str:
    """Format `number` in base62, padded to `length` characters."""
    digits = []
    for _ in range(length):
        number, digit = divmod(number, len(ALPHABET))
        digits.append(ALPHABET[digit])
    return "".join(reversed(digits))


def _checksum(body: str) -> str:
    return base62(zlib.crc32(body.encode("ascii")), _CHECKSUM_LENGTH)
