"""Reports of wrong counts: an anonymized call that is metered as the original is."""

from __future__ import annotations

import ast
import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec
import pytest

from gateway.metering.explain.anonymization import Anonymizer
from gateway.metering.explain.recorded_call import RecordedCall, read_call
from gateway.metering.explain.replacements import TOKEN
from gateway.metering.explain.report import Metered, report
from gateway.metering.explain.structural_words import is_structural
from gateway.metering.vocabulary.tools import tool_words
from tests.metering.corpus_cases import CORPORA, read_lines
from tests.metering.support import structured, texts, wire

SALT = b"0123456789abcdef"
STATING = ("row", "record", "limit", "total", "count", "of ", "showing", "lines", "points")
"""Parts of words beside a number that states a count."""


def recorded(result: dict[str, Any], tool: str = "run_query", **arguments: Any) -> RecordedCall:
    return RecordedCall(tool, arguments, wire(result))


def anonymized(call: RecordedCall) -> tuple[dict[str, Any], Any]:
    done = Anonymizer(call, SALT).call()
    return done.arguments, msgspec.json.decode(done.result_json)


def text_of(text: str, **arguments: Any) -> str:
    return str(anonymized(recorded(texts(text), **arguments))[1]["content"][0]["text"])


def corpus_calls(corpus: Path) -> Iterator[tuple[str, RecordedCall]]:
    names = ("tool", "arguments", "result", "inputSchema", "outputSchema")
    for call in read_lines(corpus):
        yield call["id"], read_call(json.dumps({name: call.get(name) for name in names}))


@pytest.mark.parametrize("corpus", sorted(CORPORA), ids=lambda corpus: str(corpus.stem))
def test_nearly_all_calls_of_the_corpora_are_reproduced_and_no_report_has_their_values(corpus: Path) -> None:
    reproduced = []
    for name, call in corpus_calls(corpus):
        made = report(call, SALT, "1.0")
        reproduced.append(made.reproduces)
        values = set(tokens([call.arguments, msgspec.json.decode(call.result_json)]))
        left = values & set(tokens([made.call["arguments"], made.call["result"]]))
        known = {word.lower() for word in tool_words(call.tool)}
        assert not {token for token in left if token.lower() not in known and not is_structural(token)}, name
    assert sum(reproduced) >= 0.95 * len(reproduced)


def tokens(value: Any) -> Iterator[str]:
    """Yield the words and numbers of four or more letters or digits in the values, but not stated counts."""
    for text in value_texts(value):
        for match in TOKEN.finditer(text):
            kind, token = match.lastgroup, match.group()
            is_long = sum(map(str.isalnum, token.lstrip("0."))) >= 4
            if kind in ("word", "number", "date", "hex") and is_long and not states_a_count(kind, match, text):
                yield token
            elif kind == "identifier" and not is_structural(token):
                yield from (part for part in re.findall(r"[A-Za-z]{4,}", token))


def states_a_count(kind: str, match: re.Match[str], text: str) -> bool:
    around = text[max(0, match.start() - 12) : match.end() + 12].lower()
    return kind == "number" and (any(word in around for word in STATING) or set(match.group()) == {"0"})


def value_texts(value: Any) -> Iterator[str]:
    if isinstance(value, dict):
        for name, inner in value.items():
            if not (isinstance(inner, int) and any(word in str(name).lower() for word in STATING)):
                yield from value_texts(inner)
    elif isinstance(value, list | tuple):
        for inner in value:
            yield from value_texts(inner)
    elif isinstance(value, bytes):
        yield from value_texts(value.decode())
    elif isinstance(value, str):
        inner = parsed(value)
        yield from [value] if inner is None else value_texts(inner)
    elif value is not None:
        yield repr(value)


def parsed(text: str) -> Any:
    for read in (json.loads, lambda text: [json.loads(line) for line in text.splitlines()], ast.literal_eval):
        try:
            value = read(text)
        except (ValueError, SyntaxError):
            continue
        return value if isinstance(value, dict | list | tuple) else None
    return None


def test_equal_values_stay_equal_in_arguments_and_result() -> None:
    call = recorded(
        structured({"rows": [{"city": "Oslo", "id": 4711}, {"city": "oslo", "id": 815}]}), city="Oslo", id=4711
    )
    arguments, result = anonymized(call)
    first, second = result["structuredContent"]["rows"]
    assert arguments["city"] == first["city"] != "Oslo"
    assert second["city"] == first["city"].lower()
    assert arguments["id"] == first["id"] != second["id"]
    assert json.loads(result["content"][0]["text"]) == result["structuredContent"]


@pytest.mark.parametrize(
    ("value", "form"),
    [
        ("Ursula Le Guin", r"[A-Z][a-z]{5} [A-Z][a-z] [A-Z][a-z]{3}"),
        ("AB-1234/x", r"[A-Z]{2}-[1-9]\d{3}/[a-z]"),
        ("2024-05-17T08:30:15Z", r"(19|20)\d\d-(0[1-9]|1[0-2])-([01]\d|2[0-8])T[0-2]\d:[0-5]\d:[0-5]\dZ"),
        ("e35f6b60-9db7-4e82-9cd0-7c6aa3e5a273", r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}"),
        ("ann@example.com", r"[a-z]{3}@[a-z]{7}\.[a-z]{3}"),
        ("1,234,567.50", r"[1-9],\d{3},\d{3}\.\d\d"),
        ("京都の寺", r"[^\W\d_A-Za-z]{4}"),
        (-214.25, r"-[1-9]\d\d\.\d{1,2}"),
        (1700000000000, r"[1-9]\d{12}"),
    ],
)
def test_a_value_is_replaced_by_another_of_the_same_form(value: Any, form: str) -> None:
    arguments, _ = anonymized(recorded(texts("x"), value=value))
    assert type(arguments["value"]) is type(value)
    assert arguments["value"] != value
    assert re.fullmatch(form, str(arguments["value"]))


def test_the_names_of_sql_are_replaced_as_in_the_result_and_its_keywords_kept() -> None:
    call = recorded(texts("salary,author_id\n5000,17\n6000,23"), sql="SELECT salary, author_id FROM staff LIMIT 2500")
    arguments, result = anonymized(call)
    match = re.fullmatch(r"SELECT (\w{6}), (\w{6}_id) FROM (\w{5}) LIMIT 2500", arguments["sql"])
    assert match is not None
    assert match.group(3) != "staff"
    assert result["content"][0]["text"].splitlines()[0] == f"{match.group(1)},{match.group(2)}"
    assert match.group(1) != "salary"


def test_the_structure_of_a_text_and_the_numbers_that_state_a_count_are_kept() -> None:
    text = (
        "Found 1234 rows:\n\n| name | weight |\n|------|--------|\n"
        "| Bolt | 7421 |\n| Screw | 8765 |\n\nShowing 2 of 1234"
    )
    assert re.fullmatch(
        r"Found 1234 rows:\n\n\| name \| [a-z]{6} \|\n\|------\|--------\|\n"
        r"\| [A-Z][a-z]{3} \| \d{4} \|\n\| [A-Z][a-z]{4} \| \d{4} \|\n\nShowing 2 of 1234",
        text_of(text),
    )


def test_numbers_that_number_the_lines_are_kept() -> None:
    lines = text_of("1. Bolt 57\n2. Screw 68\n3. Washer 79").splitlines()
    assert [line[:3] for line in lines] == ["1. ", "2. ", "3. "]
    assert "57" not in lines[0]


def test_field_names_are_kept_and_keys_of_a_map_replaced() -> None:
    _, result = anonymized(
        recorded(structured({"prices": {"IBM": {"low": 1.5}, "AAPL": {"low": 2.5}, "MSFT": {"low": 3.5}}, "page": 1}))
    )
    data = result["structuredContent"]
    assert list(data) == ["prices", "page"]
    assert [len(name) for name in data["prices"]] == [3, 4, 4]
    assert not set(data["prices"]) & {"IBM", "AAPL", "MSFT"}
    assert {*map(tuple, data["prices"].values())} == {("low",)}


@pytest.mark.parametrize(
    ("value", "words"),
    [
        ({"Kontoinhaber Öztürk": [{"low": 1}, {"low": 2}], "page": 1}, ("Kontoinhaber", "Öztürk")),
        ({"张伟": {"low": 1, "note": "x"}, "page": 1}, ("张伟",)),
        ({"hofmann": [{"low": 1}, {"low": 2}]}, ("hofmann",)),
        ({"ACME-4711": [1], "total": 1}, ("ACME", "4711")),
        ({"rows": [{"ACME-4711": 1}, {"ACME-4711": 2}]}, ("ACME", "4711")),
    ],
)
def test_names_of_members_that_are_data_are_replaced_in_result_and_arguments(
    value: dict[str, Any], words: tuple[str, ...]
) -> None:
    call = recorded(structured(value), filter=value)
    arguments, result = anonymized(call)
    for word in words:
        assert word not in json.dumps([arguments, result], ensure_ascii=False)
    assert arguments["filter"] == result["structuredContent"]
    assert report(call, SALT, "1.0").reproduces


@pytest.mark.parametrize(
    ("value", "kept"),
    [
        ({"items": [{"weightNet": 5, "x": "a"}, {"weightNet": 6, "x": "b"}]}, ["weightNet"]),
        ({"items": [{"name": "a", "weight_net": 5, "unit_1": 3}]}, ["weight_net", "unit_1"]),
    ],
)
def test_identifiers_that_records_share_or_that_are_beside_known_names_are_kept(
    value: dict[str, Any], kept: list[str]
) -> None:
    _, result = anonymized(recorded(structured(value)))
    assert set(kept) <= set(result["structuredContent"]["items"][0])


def test_a_name_that_the_schema_declares_is_kept() -> None:
    schema = {"properties": {"Gross Weight": {"type": "array"}}}
    result = structured({"Gross Weight": [1, 2]})
    made = report(
        read_call(json.dumps({"tool": "x", "outputSchema": schema, "arguments": {}, "result": result})), SALT, "1"
    )
    assert list(made.call["result"]["structuredContent"]) == ["Gross Weight"]


def test_names_of_arguments_are_kept_though_the_schema_repeats_them() -> None:
    schema = {"properties": {"accountName": {"title": "Account name", "enum": ["Nordic"]}}, "required": ["accountName"]}
    call = {"tool": "x", "inputSchema": schema, "arguments": {"accountName": "Nordic"}, "result": texts("Nordic")}
    made = report(read_call(json.dumps(call)), SALT, "1.0").call
    (name,) = made["arguments"]
    assert name == "accountName"
    assert made["inputSchema"]["required"] == ["accountName"]
    assert made["inputSchema"]["properties"]["accountName"]["enum"] == [made["arguments"]["accountName"]] != ["Nordic"]


def test_values_in_literals_of_python_are_replaced() -> None:
    text = text_of("[{'city': b'{\"name\": \"Bergen\"}', 'at': datetime.datetime(2026, 3, 1, 9, 30)}, ('Oslo',)]")
    assert re.fullmatch(
        r"\[\{'[a-z]{4}': b'\{\"name\": \"[A-Z][a-z]{5}\"\}', '[a-z]{2}': "
        r"datetime\.datetime\((19|20)\d\d, 3, 1, 9, 30\)\}, \('[A-Z][a-z]{3}',\)\]",
        text,
    )
    assert "Bergen" not in text
    assert "Oslo" not in text


def test_different_values_stay_different() -> None:
    digits = {str(number): number for number in range(2, 10)}
    _, result = anonymized(recorded(structured({"values": digits})))
    assert len(set(result["structuredContent"]["values"])) == 8


def test_replacements_differ_with_the_salt() -> None:
    call = recorded(texts("Philadelphia"))
    assert Anonymizer(call, SALT).call() == Anonymizer(call, SALT).call()
    assert Anonymizer(call, SALT).call() != Anonymizer(call, b"another salt").call()


def test_the_schemas_are_in_the_report_and_count_as_in_the_original() -> None:
    schema = {"properties": {"entity": {"type": "string", "description": "Table name"}}}
    call = read_call(
        json.dumps({"tool": "x", "inputSchema": schema, "arguments": {"entity": "orders"}, "result": texts("a,b\n1,2")})
    )
    made = report(call, SALT, "1.0")
    assert made.original == made.anonymized == Metered(1, "csv_text", 1)
    assert made.call["inputSchema"]["properties"]["entity"]["description"] == "Table name"


def test_what_would_be_right_is_in_the_report_with_the_replaced_names_of_tables() -> None:
    call = recorded(texts("a b c"), sql="SELECT a FROM staff")
    made = report(call, SALT, "1.0", records=3, tables=["staff"])
    table = re.fullmatch(r"SELECT \w FROM (\w{5})", made.call["arguments"]["sql"])
    assert table is not None
    assert made.call["expected"] == {"records": 3, "tables": [table.group(1)]}
    assert made.call["metered"] == {
        "records": None,
        "count_method": "unknown",
        "tables": 1,
        "version": "1.0",
        "reproduced": True,
    }


def test_a_report_is_a_recorded_call() -> None:
    made = report(recorded(texts("a,b\n1,2")), SALT, "1.0")
    assert read_call(json.dumps(made.call)).tool == "run_query"


def test_a_call_that_is_nested_too_deeply_is_refused() -> None:
    result = b'{"content":[],"structuredContent":' + b'{"a":' * 900 + b"1" + b"}" * 901
    with pytest.raises(ValueError, match="nested too deeply"):
        report(RecordedCall("x", {}, result), SALT, "1.0")


def test_names_are_replaced_as_in_the_call() -> None:
    anonymizer = Anonymizer(recorded(texts("x"), table="staff"), SALT)
    assert anonymizer.name("staff") == anonymizer.call().arguments["table"] != "staff"


def test_a_word_with_escapes_in_json_in_a_string_is_replaced() -> None:
    value = {"boats": [{"skipper": "maría", "event": json.dumps({"user": "maría"})}]}
    result = {"content": [{"type": "text", "text": json.dumps(value, ensure_ascii=False)}], "structuredContent": value}
    made = json.dumps(report(recorded(result), SALT, "1.0").call, ensure_ascii=False)
    assert "maría" not in made
    assert "u00eda" not in made
