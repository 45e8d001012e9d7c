"""The format of API keys: malformed texts are rejected cheaply, and only `text` exposes the secret."""

from __future__ import annotations

import copy
import hashlib
import hmac
import pickle

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.keys.secret import ALPHABET, ApiKey, MalformedKey, without_keys


def fixed(size: int) -> bytes:
    return bytes(size)


def test_the_format_is_the_documented_one() -> None:
    key = ApiKey.generate(fixed)
    # The CRC-32 of 43 times "0" is 0x7849568f, which is 2CZclj in base62.
    assert key.text == "sk-" + "0" * 43 + "2CZclj"
    assert len(key.text) == 52
    assert key.prefix == "sk-00000000"


@given(st.binary(min_size=32, max_size=32))
def test_a_generated_key_can_be_parsed(entropy: bytes) -> None:
    key = ApiKey.generate(lambda size: entropy)
    assert ApiKey.parse(key.text) == key
    number = 0
    for character in key.text[3:46]:
        number = number * 62 + ALPHABET.index(character)
    assert number == int.from_bytes(entropy, "big")


@given(st.binary(min_size=32, max_size=32), st.integers(3, 51), st.sampled_from(ALPHABET))
def test_a_single_wrong_character_is_detected(entropy: bytes, position: int, character: str) -> None:
    text = ApiKey.generate(lambda size: entropy).text
    wrong = text[:position] + character + text[position + 1 :]
    if wrong != text:
        with pytest.raises(MalformedKey):
            ApiKey.parse(wrong)


GOOD = ApiKey.generate(fixed).text


@pytest.mark.parametrize(
    "text",
    [
        "",
        "sk-",
        GOOD[:-1],
        GOOD + "0",
        GOOD + "\n",
        GOOD[:-1] + "\n",
        "\n" + GOOD[1:],
        " " + GOOD[1:],
        GOOD.replace("sk-", "SK-"),
        GOOD[:10] + "\x00" + GOOD[11:],
        GOOD[:10] + "*" + GOOD[11:],
        GOOD[:10] + "é" + GOOD[11:],
        GOOD[:10] + "٣" + GOOD[11:],
        GOOD[:10] + "\ud800" + GOOD[11:],
        "sk-" + "*" * 49,
        "Bearer " + GOOD,
    ],
)
def test_malformed_texts_are_rejected(text: str) -> None:
    with pytest.raises(MalformedKey) as caught:
        ApiKey.parse(text)
    assert not text or text not in str(caught.value)


def test_a_text_of_the_wrong_length_is_rejected_by_its_length_alone() -> None:
    with pytest.raises(MalformedKey, match="52 characters"):
        ApiKey.parse("*" * 1_000_000)


def test_the_digest_is_sha256_or_an_hmac_with_the_pepper() -> None:
    key = ApiKey.parse(GOOD)
    assert key.digest(None) == hashlib.sha256(GOOD.encode()).hexdigest()
    assert key.digest("pepper") == hmac.new(b"pepper", GOOD.encode(), "sha256").hexdigest()


def test_only_text_exposes_the_secret() -> None:
    key = ApiKey.parse(GOOD)
    for shown in (repr(key), str(key), f"{key}", repr([key])):
        assert GOOD[11:] not in shown
    for leak in (pickle.dumps, copy.copy, copy.deepcopy):
        with pytest.raises(TypeError):
            leak(key)
    with pytest.raises(TypeError):
        ApiKey()
    assert not hasattr(key, "__dict__")


def test_a_stored_text_has_no_key() -> None:
    assert without_keys(f"client/{GOOD} ({GOOD})") == "client/sk-… (sk-…)"
    assert without_keys("sk-learn 1.7") == "sk-learn 1.7"
