"""Validation of the fields of a key."""

from __future__ import annotations

from typing import Any

import pytest

from gateway.keys.secret import ApiKey
from gateway.keys.validation import InvalidField, validate_fields, validate_policy

API_KEY = ApiKey.generate().text


@pytest.mark.parametrize(
    "values",
    [
        {"key_name": API_KEY},
        {"key_name": f"key {API_KEY} of the laptop"},
        {"labels": {"secret": API_KEY}},
        {"labels": {API_KEY: "secret"}},
        {"allowed_tools": [API_KEY]},
    ],
)
def test_a_text_with_an_api_key_is_refused_and_not_repeated(values: dict[str, Any]) -> None:
    with pytest.raises(InvalidField, match="must not contain an API key") as error:
        validate_fields(values)
    assert API_KEY not in str(error.value)


def test_valid_fields_are_returned_in_their_stored_form() -> None:
    fields = validate_fields(
        {
            "key_name": " laptop ",
            "expires_at": 1,
            "allowed_tools": ["query_*", "query_*", "list"],
            "allowed_tables": [],
            "allowed_ips": ("10.0.0.0/8", "2001:db8::1"),
            "rate_limit_per_minute": 1,
            "records_per_day": None,
            "calls_per_month": 10**12,
            "tool_rate_limits": {" run_*": 10, "*": 1},
            "labels": {"team": "data"},
        }
    )
    assert fields == {
        "key_name": "laptop",
        "expires_at": 1,
        "allowed_tools": ("query_*", "list"),
        "allowed_tables": (),
        "allowed_ips": ("10.0.0.0/8", "2001:db8::1"),
        "rate_limit_per_minute": 1,
        "records_per_day": None,
        "calls_per_month": 10**12,
        "tool_rate_limits": {"run_*": 10, "*": 1},
        "labels": {"team": "data"},
    }


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("key_name", ""),
        ("key_name", " "),
        ("key_name", "x" * 101),
        ("key_name", "a\nb"),
        ("key_name", "a\u202eb"),
        ("key_name", "\u200d \u200c"),
        ("key_name", None),
        ("key_name", 1),
        ("expires_at", 0),
        ("expires_at", -1),
        ("expires_at", 1.5),
        ("expires_at", True),
        ("expires_at", 10**30),
        ("allowed_tools", "query"),
        ("allowed_tools", [1]),
        ("allowed_tools", [""]),
        ("allowed_tools", ["x"] * 101),
        ("allowed_tools", {"a": 1}),
        ("allowed_ips", ["10.0.0.1/8"]),
        ("allowed_ips", ["localhost"]),
        ("rate_limit_per_minute", 0),
        ("records_per_day", -1),
        ("calls_per_day", True),
        ("calls_per_day", "1"),
        ("records_per_month", 0),
        ("calls_per_month", 1.5),
        ("tool_rate_limits", ["run_*"]),
        ("tool_rate_limits", {"": 1}),
        ("tool_rate_limits", {1: 1}),
        ("tool_rate_limits", {"x" * 201: 1}),
        ("tool_rate_limits", {"run_*": 0}),
        ("tool_rate_limits", {"run_*": None}),
        ("tool_rate_limits", {"run_*": True}),
        ("tool_rate_limits", {"run_*": 10**13}),
        ("tool_rate_limits", {str(n): 1 for n in range(101)}),
        ("labels", []),
        ("labels", {"a": 1}),
        ("labels", {"te=am": "red"}),
        ("labels", {str(n): "x" for n in range(21)}),
        ("revoked_at", None),
        ("suspended_at", None),
        ("suspended_by", None),
        ("owner_disabled_at", None),
        ("ceiling", None),
        ("owner", "b@example.com"),
        ("key_id", "key_x"),
    ],
)
def test_an_error_names_the_invalid_field(field: str, value: Any) -> None:
    with pytest.raises(InvalidField) as caught:
        validate_fields({field: value})
    assert caught.value.field == field


def test_no_limits_of_tools_are_none() -> None:
    assert validate_fields({"tool_rate_limits": {}}) == {"tool_rate_limits": None}


def test_a_valid_policy_is_returned_in_its_stored_form() -> None:
    fields = validate_policy(
        {
            "allowed_tools": ["query_*"],
            "read_only": None,
            "calls_per_day": 5,
            "records_per_month": None,
            "max_keys": 3,
            "max_key_days": 3650,
            "defaults": {"expires_days": 30, "allowed_ips": ["10.0.0.0/8"], "read_only": None, "calls_per_day": None},
        }
    )
    assert fields == {
        "allowed_tools": ("query_*",),
        "read_only": False,
        "calls_per_day": 5,
        "records_per_month": None,
        "max_keys": 3,
        "max_key_days": 3650,
        "defaults": {"expires_days": 30, "allowed_ips": ("10.0.0.0/8",), "read_only": False, "calls_per_day": None},
    }
    assert validate_policy({"defaults": None}) == {"defaults": None}


@pytest.mark.parametrize(
    ("policy", "field", "problem"),
    [
        ({"allowed_tools": []}, "allowed_tools", "must not be empty: it would allow nothing"),
        ({"allowed_tables": []}, "allowed_tables", "must not be empty: it would allow nothing"),
        ({"allowed_ips": []}, "allowed_ips", "must not be empty: it would allow nothing"),
        ({"calls_per_day": -1}, "calls_per_day", "must be a whole number from 1 to 1000000000000"),
        ({"calls_per_day": 10**30}, "calls_per_day", "must be a whole number from 1 to 1000000000000"),
        ({"max_keys": 0}, "max_keys", "must be a whole number from 1 to 1000000000000"),
        ({"max_keys": 1.0}, "max_keys", "must be a whole number from 1 to 1000000000000"),
        ({"max_keys": True}, "max_keys", "must be a whole number from 1 to 1000000000000"),
        ({"max_key_days": 3651}, "max_key_days", "must be a whole number of days from 1 to 3650"),
        ({"key_name": "x"}, "key_name", "is not a field that can be set"),
        ({"expires_at": 1}, "expires_at", "is not a field that can be set"),
        ({"owner_policy": {}}, "owner_policy", "is not a field that can be set"),
        ({"defaults": []}, "defaults", "must be an object of fields of a new key"),
        ({"defaults": {"max_keys": 1}}, "defaults.max_keys", "is not a field that can be set"),
        ({"defaults": {"defaults": {}}}, "defaults.defaults", "is not a field that can be set"),
        (
            {"defaults": {"expires_days": 0}},
            "defaults.expires_days",
            "must be a whole number of days from 1 to 3650",
        ),
        (
            {"defaults": {"allowed_tools": []}},
            "defaults.allowed_tools",
            "must not be empty: it would allow nothing",
        ),
    ],
)
def test_an_invalid_policy_is_refused_with_its_field_and_the_reason(
    policy: dict[str, Any], field: str, problem: str
) -> None:
    with pytest.raises(InvalidField) as raised:
        validate_policy(policy)
    assert (raised.value.field, raised.value.problem) == (field, problem)
