"""The confidence of a count, made of its signs."""

from __future__ import annotations

import pytest

from gateway.metering.confidence import THRESHOLD, Sign, confidence


def test_every_sign_has_a_weight_and_a_text() -> None:
    assert all(isinstance(sign.weight, int | float) and sign.text for sign in Sign)


def test_no_sign_is_even_odds() -> None:
    assert confidence(()) == 0.5


def test_a_repeated_sign_counts_once() -> None:
    assert confidence((Sign.COMMON_LIST, Sign.COMMON_LIST)) == confidence((Sign.COMMON_LIST,))


@pytest.mark.parametrize("sign", [Sign.DECLARED, Sign.COMMON_LIST, Sign.NAMED_LIST, Sign.FORMAT, Sign.WRITE])
def test_one_clear_sign_is_enough(sign: Sign) -> None:
    assert confidence((sign,)) >= THRESHOLD


@pytest.mark.parametrize(
    ("sign", "others"),
    [
        (Sign.OTHER_LIST, (Sign.RECORD_NOUN, Sign.ONLY_MEMBER, Sign.WITNESS_AGREES, Sign.SCHEMA_AGREES, Sign.AT_LIMIT)),
        (Sign.MAP, (Sign.DATA_NAMES, Sign.WITNESS_AGREES, Sign.GROUPS)),
    ],
)
def test_a_list_or_map_under_an_uncommon_name_needs_another_sign(sign: Sign, others: tuple[Sign, ...]) -> None:
    assert confidence((sign,)) < THRESHOLD
    assert all(confidence((sign, other)) >= THRESHOLD for other in others)


@pytest.mark.parametrize("sign", [Sign.DECLARED, Sign.COMMON_LIST, Sign.OTHER_LIST, Sign.FORMAT, Sign.MAP])
def test_a_witness_that_disagrees_outweighs_the_shape(sign: Sign) -> None:
    assert confidence((sign, Sign.WITNESS_DISAGREES)) < THRESHOLD


def test_a_witness_that_agrees_outweighs_the_limit_of_the_call() -> None:
    assert confidence((Sign.OTHER_LIST, Sign.BEYOND_LIMIT)) < THRESHOLD
    assert confidence((Sign.OTHER_LIST, Sign.BEYOND_LIMIT, Sign.WITNESS_AGREES)) >= THRESHOLD
