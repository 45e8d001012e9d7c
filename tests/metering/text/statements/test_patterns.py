import pytest

from gateway.metering.text.statements import patterns


@pytest.mark.parametrize(
    ("words", "parts"),
    [
        ("created|written", ["created", "written"]),
        ("insér[ée]e?s?|mise?s? [àa] jour", [" jour", "insér"]),
        ("gel(?:o|ö)scht|betroffen", ["betroffen", "scht"]),
        (r"insert \d+ \d+|drop table", ["drop table", "insert "]),
        ("update|updated|last update", ["update"]),
    ],
)
def test_fixed_parts_are_in_every_phrase_of_a_pattern(words: str, parts: list[str]) -> None:
    assert patterns.fixed_parts(words) == parts


def test_a_text_has_a_part_anywhere() -> None:
    assert patterns.has_part("it was created", ["written", "created"])
    assert not patterns.has_part("it was read", ["written", "created"])
