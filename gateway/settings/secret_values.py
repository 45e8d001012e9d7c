"""Types of settings that are secret, with their validators; see `gateway.settings.values`."""

from __future__ import annotations

import re
from typing import Annotated

from pydantic import AfterValidator, SecretStr

from gateway.settings.values import printable_text, split_url

MIN_SECRET_BYTES = 32


def _long_secret(value: SecretStr) -> SecretStr:
    if len(value.get_secret_value().encode()) < MIN_SECRET_BYTES:
        raise ValueError(f"must have at least {MIN_SECRET_BYTES} bytes: make one with `openssl rand -hex 32`")
    return value


def _long_secrets(value: SecretStr) -> SecretStr:
    secrets = split_secrets(value)
    if not secrets or any(len(secret.encode()) < MIN_SECRET_BYTES for secret in secrets):
        raise ValueError(f"must be secrets of at least {MIN_SECRET_BYTES} bytes, separated by commas or line ends")
    return value


def _header_value(value: SecretStr) -> SecretStr:
    text = value.get_secret_value()
    if not text.strip() or not text.isascii() or not text.isprintable():
        raise ValueError('must be a header value in plain ASCII, such as "Bearer …"')
    return value


def _webhook_url(value: SecretStr) -> SecretStr:
    parts = split_url(value.get_secret_value())
    if parts.scheme not in {"http", "https"} or not parts.hostname:
        raise ValueError("must be the full URL of the receiver, such as https://alerts.example.com/gateway")
    if parts.fragment:
        raise ValueError("has a fragment (#…): remove it")
    return value


def _text_secret(value: SecretStr) -> SecretStr:
    printable_text(value.get_secret_value())
    return value


WebhookUrl = Annotated[SecretStr, AfterValidator(_webhook_url)]
TextSecret = Annotated[SecretStr, AfterValidator(_text_secret)]
LongSecret = Annotated[SecretStr, AfterValidator(_long_secret)]
LongSecrets = Annotated[SecretStr, AfterValidator(_long_secrets)]
HeaderValue = Annotated[SecretStr, AfterValidator(_header_value)]


def split_secrets(value: SecretStr) -> tuple[str, ...]:
    """Return the secrets in a list with commas or line ends."""
    return tuple(filter(None, map(str.strip, re.split(r"[,\r\n]", value.get_secret_value()))))
