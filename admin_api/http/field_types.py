"""Types of the fields that endpoints take: each validates a value, documents it and states the requirement."""

from __future__ import annotations

from collections.abc import Callable
from typing import Annotated, Any

from msgspec import Meta

from gateway import password_policy
from gateway.accounts import user
from gateway.accounts.user import Kind, Role
from gateway.keys import validation
from gateway.keys.store import MAX_OVERLAP_SECONDS


def _key_field(name: str) -> Callable[[Any], Any]:
    """Return the key store's validation of a field: what is accepted here, the store accepts."""
    return lambda value: validation.validate_fields({name: value})[name]


def whole_number(low: int, high: int, unit: str = "", description: str | None = None) -> Meta:
    """Return the bounds of a whole number, and the requirement that names them and the unit."""
    number = f"a whole number of {unit}" if unit else "a whole number"
    return Meta(ge=low, le=high, description=description, extra={"must": f"be {number} from {low} to {high}"})


def search_text(max_length: int, description: str | None = None) -> Meta:
    """Return the bounds of a text that is searched for."""
    must = f"be a string of at most {max_length} characters"
    return Meta(min_length=1, max_length=max_length, description=description, extra={"must": must})


def _email(value: str) -> str:
    return user.normalize_email(value)


_Item = Annotated[str, Meta(min_length=1, max_length=validation.MAX_ITEM_LENGTH)]
_Items = Annotated[tuple[_Item, ...], Meta(max_length=validation.MAX_ITEMS)]

KeyName = Annotated[
    str,
    Meta(
        min_length=1,
        max_length=validation.MAX_NAME_LENGTH,
        description="Name of the key, chosen by its owner.",
        examples=["laptop"],
        extra={
            "must": f"be a string of 1 to {validation.MAX_NAME_LENGTH} characters without control characters",
            "parse": _key_field("key_name"),
        },
    ),
]
KeyId = Annotated[
    str,
    Meta(
        min_length=1,
        max_length=64,
        description="The public, immutable id of a key.",
        examples=["key_2xKqT0aZ7bLm9cNd4Pe8"],
        extra={"must": "be a key id, such as key_…"},
    ),
]
ExpiresDays = Annotated[
    Annotated[int, Meta(ge=1, le=validation.MAX_EXPIRES_DAYS)] | None,
    Meta(
        description="Days until the key expires; `null` for never.",
        extra={
            "must": f"be a whole number from 1 to {validation.MAX_EXPIRES_DAYS}, or null for a key that does not expire"
        },
    ),
]
MaxKeyDays = Annotated[
    Annotated[int, Meta(ge=1, le=validation.MAX_EXPIRES_DAYS)] | None,
    Meta(
        description="Days until a key expires at the latest; `null` for no limit.",
        extra={"must": f"be a whole number of days from 1 to {validation.MAX_EXPIRES_DAYS}, or null for no limit"},
    ),
]
OverlapSeconds = Annotated[
    int, whole_number(0, MAX_OVERLAP_SECONDS, "seconds", "Seconds for which the old secret still works.")
]
AllowedTools = Annotated[
    _Items | None,
    Meta(
        description="Tools that the key may call: globs (`*`, `?`, `[abc]`); `null` for all, an empty list for none.",
        extra={
            "must": f"be a list of at most {validation.MAX_ITEMS} tool names or patterns such as query_*, "
            "or null for all tools",
            "parse": _key_field("allowed_tools"),
        },
    ),
]
AllowedTables = Annotated[
    _Items | None,
    Meta(
        description="Tables that the key may read; `null` for all, an empty list for none.",
        extra={
            "must": f"be a list of at most {validation.MAX_ITEMS} table names, or null for all tables",
            "parse": _key_field("allowed_tables"),
        },
    ),
]
AllowedIps = Annotated[
    _Items | None,
    Meta(
        description="Addresses or networks from which the key may be used; `null` for all, an empty list for none.",
        examples=[["192.0.2.7", "10.0.0.0/8"]],
        extra={
            "must": f"be a list of at most {validation.MAX_ITEMS} addresses or networks such as 192.0.2.7 or "
            "10.0.0.0/8, or null for all",
            "parse": _key_field("allowed_ips"),
        },
    ),
]
Limit = Annotated[
    Annotated[int, Meta(ge=1, le=validation.MAX_LIMIT)] | None,
    Meta(
        description="`null` for no limit.",
        extra={"must": f"be a whole number from 1 to {validation.MAX_LIMIT}, or null for no limit"},
    ),
]
ToolRateLimits = Annotated[
    Annotated[
        dict[
            Annotated[str, Meta(min_length=1, max_length=validation.MAX_ITEM_LENGTH)],
            Annotated[int, Meta(ge=1, le=validation.MAX_LIMIT)],
        ],
        Meta(max_length=validation.MAX_ITEMS),
    ]
    | None,
    Meta(
        description="Calls per minute by glob; the tools that match a glob share its limit. `null` for no limits.",
        examples=[{"run_*": 10}],
        extra={
            "must": f"be an object of at most {validation.MAX_ITEMS} tool names or patterns such as run_*, each with "
            f"a whole number from 1 to {validation.MAX_LIMIT}, or null for no limits",
            "parse": _key_field("tool_rate_limits"),
        },
    ),
]
ReadOnly = Annotated[
    bool | None,
    Meta(
        description="Only tools that the upstream declares as read-only; `null` and `false` for all.",
        extra={"must": "be true, false or null"},
    ),
]
Labels = Annotated[
    dict[
        Annotated[str, Meta(min_length=1, max_length=validation.MAX_NAME_LENGTH)],
        Annotated[str, Meta(min_length=1, max_length=validation.MAX_ITEM_LENGTH)],
    ],
    Meta(
        max_length=validation.MAX_LABELS,
        description="Any names and values, such as a cost centre.",
        extra={
            "must": f"be an object of at most {validation.MAX_LABELS} labels: "
            f"names up to {validation.MAX_NAME_LENGTH} without =, and "
            f"strings up to {validation.MAX_ITEM_LENGTH} printable characters",
            "parse": _key_field("labels"),
        },
    ),
]

Email = Annotated[
    str,
    Meta(
        min_length=3,
        max_length=user.MAX_EMAIL_LENGTH,
        pattern=user.EMAIL_PATTERN,
        examples=["you@example.com"],
        extra={"must": "be an email address of at most 254 characters", "parse": _email},
    ),
]
AnyEmail = Annotated[
    str,
    Meta(
        min_length=1,
        max_length=user.MAX_EMAIL_LENGTH,
        examples=["ada@example.com"],
        extra={"must": "be an email address of at most 254 characters"},
    ),
]
Password = Annotated[
    str,
    Meta(
        min_length=1,
        max_length=password_policy.MAX_CHARACTERS,
        extra={"must": f"be a string of 1 to {password_policy.MAX_CHARACTERS} characters"},
    ),
]
NewPassword = Annotated[
    str,
    Meta(
        min_length=password_policy.MIN_CHARACTERS,
        max_length=password_policy.MAX_CHARACTERS,
        extra={
            "must": f"be a string of {password_policy.MIN_CHARACTERS} to {password_policy.MAX_CHARACTERS} characters"
        },
    ),
]
SessionId = Annotated[
    str,
    Meta(
        min_length=1,
        max_length=64,
        description="The id of a login.",
        extra={"must": "be the id of one of your logins, such as ses_…"},
    ),
]
LinkToken = Annotated[
    str,
    Meta(
        min_length=1,
        max_length=128,
        description="What follows `token=` in the link.",
        extra={"must": "be the token of a link"},
    ),
]
UserRole = Annotated[
    Role,
    Meta(
        description="Admins change everything, auditors read everything and change nothing, members have own keys.",
        extra={"must": "be admin, auditor or member"},
    ),
]
UserSearch = Annotated[str, search_text(user.MAX_EMAIL_LENGTH, "A part of the email.")]
UserKind = Annotated[
    Kind,
    Meta(
        description="A service account (`service`) owns keys and cannot log in.",
        extra={"must": "be user or service"},
    ),
]
Flag = Annotated[bool, Meta(extra={"must": "be true or false"})]
