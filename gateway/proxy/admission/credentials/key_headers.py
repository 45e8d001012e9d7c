"""Finds the API key in the headers of a request (`GATEWAY_KEY_HEADERS`).

The rules:

- A key is sent with or without `Bearer`.
- `Authorization` is always meant for the gateway: anything in it but a valid key is a bad key, whatever the other
  headers have. It is never forwarded.
- Another header counts only if its value has the form of a key, whatever the checksum. Otherwise it belongs to the
  upstream, and is forwarded.
- Two different keys are rejected, since somebody else might read the other one.

Pure: does no I/O.
"""

from __future__ import annotations

from collections.abc import Iterable

import msgspec

from gateway.keys.secret import ApiKey, MalformedKey, has_key_form
from gateway.proxy.admission import rejections
from gateway.proxy.admission.headers import TO_HYPHEN, RawHeaders
from gateway.proxy.admission.rejections import Deny, RequestRejected

_AUTHORIZATION = b"authorization"
_MIN_SECRET = 16
"""Minimum bytes of a credential in `Authorization` that other fields are searched for."""


class Credential(msgspec.Struct, frozen=True):
    """The credential of a request."""

    key: ApiKey | Deny
    """A well-formed API key, not yet looked up; or the reason why there is none."""
    secrets: tuple[bytes, ...] = ()
    """Everything in the headers that may be an API key or another secret of the client; never forwarded."""


class KeyHeaders:
    """The headers that may carry the API key."""

    def __init__(self, names: Iterable[str]) -> None:
        lower = frozenset(name.lower().encode("ascii") for name in names)
        self._reads_authorization = _AUTHORIZATION in lower
        self._others = lower - {_AUTHORIZATION}

    def find(self, headers: RawHeaders) -> Credential:
        """Find the credential in headers that have at most one `Authorization`. Raises `RequestRejected`."""
        authorization: str | None = None
        keys: list[str] = []
        secrets: list[str] = []
        for name, value in headers:
            lower = name.lower()
            if lower == _AUTHORIZATION:
                authorization = value.decode("latin-1").strip(" ")
            elif lower.translate(TO_HYPHEN) in self._others and has_key_form(
                text := _without_scheme(value.decode("latin-1"))
            ):
                secrets.append(text)
                # Servers read other spellings of the name as the same one, but the gateway does not.
                if lower in self._others:
                    keys.append(text)
        if authorization is not None and len(token := authorization.rpartition(" ")[2]) >= _MIN_SECRET:
            secrets.append(token)
        key = self._key_of(authorization if self._reads_authorization else None, keys)
        return Credential(key, tuple(text.encode("latin-1") for text in dict.fromkeys(secrets)))

    def _key_of(self, authorization: str | None, keys: list[str]) -> ApiKey | Deny:
        if authorization is not None:
            text = _without_scheme(authorization)
            if text == authorization and not text.startswith("sk-"):
                return rejections.bad_key("scheme")
            if not has_key_form(text):
                return rejections.bad_key("malformed")
            keys = [text, *keys]
        if not keys:
            return rejections.NO_KEY
        if len(set(keys)) > 1:
            raise RequestRejected(rejections.invalid("The request has two different API keys"))
        try:
            return ApiKey.parse(keys[0])
        except MalformedKey:
            return rejections.bad_key("malformed")


def _without_scheme(value: str) -> str:
    """Return the value without `Bearer`, or unchanged if it has another scheme or none."""
    scheme, _, token = value.partition(" ")
    return token.strip(" ") if scheme.lower() == "bearer" else value
