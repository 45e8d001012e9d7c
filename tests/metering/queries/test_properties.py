"""Properties of the readers for arbitrary texts, and attacks on the access control that uses them."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.metering import tables_in_arguments
from gateway.metering.queries import languages
from gateway.metering.queries.languages import Language
from gateway.metering.queries.lexer import MAX_QUERY_CHARACTERS, MAX_QUERY_LEVELS
from tests.metering.queries.attacks import ATTACKS, SAFE
from tests.metering.support import count_calls

WORDS = r"""
FROM SELECT MATCH index = a secret | ( ) [ ] { } ' " ` , ; : . - > * // /* */ -- union join where in let RETURN
search source= bucket: _measurement == CREATE into lookup collect .show with n : A -[ ]-> ``` \ $ # é ~ ! @ OR NOT
datamodel=x fields stats toscalar materialize database table FIND {x} RETURNING metadata enrich on as by fork
"""
PARTS = st.sampled_from(WORDS.split())
TEXTS = st.lists(PARTS, max_size=25).map(" ".join) | st.text(max_size=60)
MAX_CALLS = 25
"""Calls of Python and C functions for one character."""


def named(language: str, text: str) -> tuple[str, ...] | None:
    return tables_in_arguments("query", {language: text})


@pytest.mark.parametrize("language", SAFE)
def test_a_query_of_the_allowed_table_is_understood(language: str) -> None:
    assert named(language, SAFE[language]) == ("allowed",)


@pytest.mark.parametrize(("language", "text"), [(name, text) for name, texts in ATTACKS.items() for text in texts])
def test_a_query_that_reaches_more_is_refused(language: str, text: str) -> None:
    assert named(language, text) not in (("allowed",), ())


@given(st.sampled_from(list(Language)), TEXTS)
@settings(max_examples=600, deadline=None)
def test_readers_never_raise(language: Language, text: str) -> None:
    found = languages.analyze(text, language, is_certain=True)
    assert found is None or set(found.read) | set(found.written) <= set(found.named)


@given(TEXTS)
@settings(max_examples=300, deadline=None)
def test_the_language_of_any_text_is_told_without_an_error(text: str) -> None:
    languages.unmistakable_language(text)


@given(st.sampled_from(list(SAFE)), st.sampled_from([" ", "\n", "\t", "  ", "\r\n"]))
@settings(max_examples=100, deadline=None)
def test_white_space_changes_no_table(language: str, space: str) -> None:
    assert named(language, SAFE[language].replace(" ", space)) == ("allowed",)


@given(st.sampled_from(["kql", "esql", "cypher"]), st.text(alphabet="abc'\"|()[]{},:=> ", max_size=20))
@settings(max_examples=200, deadline=None)
def test_a_comment_changes_no_table(language: str, comment: str) -> None:
    assert named(language, f"// {comment}\n{SAFE[language]} // {comment}") == ("allowed",)


@given(st.sampled_from(list(SAFE)), st.text(alphabet="abc|()[]{},:=> ", max_size=20))
@settings(max_examples=200, deadline=None)
def test_a_string_never_hides_a_table(language: str, inside: str) -> None:
    quote = "'" if language in ("influxql", "soql") else '"'
    text = SAFE[language].replace("1", f"{quote}{inside}{quote}", 1)
    assert named(language, text) in (("allowed",), None)


@given(TEXTS)
@settings(max_examples=300, deadline=None)
def test_a_definition_before_a_query_never_hides_a_table(value: str) -> None:
    tables = named("kql", f"let x = {value}\n; secret\n| take 1")
    assert tables is None or "secret" in tables or "secret" in value


@pytest.mark.parametrize("language", [*SAFE, "flux", "aql", "mongosh", "nrql"])
@pytest.mark.parametrize(
    ("opening", "closing"),
    [("(", ")"), ("[", "]"), ("[search ", "]"), ("(:", ")"), ("f(", ")"), ("(FROM ", ")"), ("{", "}")],
)
@pytest.mark.parametrize("inside", ["a ", "a:", "a,", "f ", "a|"])
def test_the_work_for_nested_groups_is_in_proportion_to_their_length(
    language: str, opening: str, closing: str, inside: str
) -> None:
    levels = MAX_QUERY_LEVELS - 2
    text = f"{SAFE.get(language, 'x')} {opening * levels}{inside * 850}{closing * levels}"
    text = f"let f = (x:long) {{ x }}; {text}" if language == "kql" else text
    assert count_calls(lambda: languages.analyze(text, Language(language), is_certain=True)) < 80_000


@pytest.mark.parametrize("language", [*SAFE, "flux", "aql", "mongosh", "nrql"])
@pytest.mark.parametrize(
    "part", ["(", "[", "a ", "| a ", "(a:b)", "'", '"a" ', "/", "/*", "//", "\n", "a=b ", ",", "{x} "]
)
def test_the_work_for_a_text_is_in_proportion_to_its_length(language: str, part: str) -> None:
    text = SAFE.get(language, "from(bucket: x)") + part * ((MAX_QUERY_CHARACTERS - 100) // len(part))
    reader = Language(language)
    assert count_calls(lambda: languages.analyze(text, reader, is_certain=True)) < MAX_CALLS * MAX_QUERY_CHARACTERS
    assert count_calls(lambda: languages.unmistakable_language(text)) < MAX_CALLS * MAX_QUERY_CHARACTERS
