"""The causes of alerts, and their texts: one sentence each, with the fix.

Pure: does no I/O.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING

from gateway.accounts.login_limits import ATTACK_FAILURES
from gateway.alerts.alert import AlertType, Cause
from gateway.keys.limit_use import LimitUse
from gateway.keys.record import KeyRecord
from gateway.timestamps import DAY_MS, format_minute

if TYPE_CHECKING:
    from gateway.usage.reconciliation import Balance

NEAR_PERCENT = 80
DAYS_BEFORE_END = (1, 3, 14)
HOUR_MS = 3_600_000
_MINUTE_MS = 60_000
"""Time below a limit per minute after which reaching it is a new cause."""
_ATTACK_HOLD_MS = 60_000
_UPSTREAM_HOLD_MS = 300_000
_DEAD_LETTERS_HOLD_MS = 7 * DAY_MS
_UNBALANCED_HOLD_MS = HOUR_MS


class LimitHolder:
    """The key or owner whose limit it is, in the words of an alert."""

    def __init__(self, subject: str, phrase: str, fix: str) -> None:
        self.subject = subject
        self.phrase = phrase
        """Subject and verb of the sentence."""
        self.fix = fix

    @classmethod
    def key(cls, record: KeyRecord) -> LimitHolder:
        """Describe a key."""
        phrase = f"{_key(record)} has reached"
        return cls(record.key_id, phrase, f"mcp-gateway key update {record.key_id}")

    @classmethod
    def owner(cls, owner: str) -> LimitHolder:
        """Describe an owner, whose keys share limits."""
        return cls(owner, f"The keys of {owner} have reached", f"mcp-gateway user policy {owner}")


def limit_causes(describe: Callable[[], LimitHolder], use: LimitUse) -> Iterator[Cause]:
    """Yield a cause for each threshold that the use of a limit has reached."""
    limit, used = use.limit, use.used
    if limit.period is None or not limit.cap:
        return
    thresholds: tuple[tuple[AlertType, int], ...] = (("limit_80", NEAR_PERCENT), ("limit_100", 100))
    for alert_type, percent in thresholds:
        if used * 100 < limit.cap * percent:
            return
        of = describe()
        yield Cause(
            type=alert_type,
            subject=of.subject,
            text=_limit_text(of, use, percent),
            window=f"{limit.field} {limit.glob} {limit.cap} {use.resets_at if limit.period != 'minute' else ''}",
            hold_ms=_MINUTE_MS if limit.period == "minute" else 32 * DAY_MS if limit.period == "month" else 2 * DAY_MS,
            extends=limit.period == "minute",
        )


def _limit_text(of: LimitHolder, use: LimitUse, percent: int) -> str:
    limit = use.limit
    return (
        f"{of.phrase} {percent} % of {limit.field} ({use.used} of {limit.describe()}): "
        f"raise the limit with `{of.fix}`{_reset(use)}."
    )


def _reset(use: LimitUse) -> str:
    if use.limit.period == "minute" or use.resets_at is None:
        return ", or call less often"
    return f", or wait until it resets at {format_minute(use.resets_at)} UTC"


def key_end_cause(record: KeyRecord, now_ms: int) -> Cause | None:
    """Return the cause of a key that ends soon: the shortest of the periods before its end that it has entered.

    A key with a shorter lifetime than a period has no such time before its end.
    """
    if record.expires_at is None or not record.counts(now_ms):
        return None
    for days in DAYS_BEFORE_END:
        begins_at = record.expires_at - days * DAY_MS
        if begins_at <= now_ms:
            if begins_at + _MINUTE_MS < record.created_at:
                return None
            return _key_end_cause(record, record.expires_at, days)
    return None


def _key_end_cause(record: KeyRecord, expires_at: int, days: int) -> Cause:
    text = (
        f"{_key(record)} ends within {days} {'day' if days == 1 else 'days'}, at {format_minute(expires_at)} UTC: "
        f"extend it with `mcp-gateway key update {record.key_id} --expires-days N`, or replace it."
    )
    return Cause(
        type="key_expiring",
        subject=record.key_id,
        text=text,
        window=f"{expires_at} {days}",
        hold_ms=(days + 1) * DAY_MS,
    )


def dead_letters_cause(entries: int, newest_at: int) -> Cause:
    """Return the cause of dead letters; one alert in an hour."""
    counted = "1 usage record" if entries == 1 else f"{entries} usage records"
    text = (
        f"ClickHouse refused {counted} for their content: see the reason with `mcp-gateway usage dead-letters list`, "
        "and insert them with `mcp-gateway usage dead-letters retry --all` once it is fixed."
    )
    return Cause(
        type="dead_letters",
        subject="usage",
        text=text,
        window=str(newest_at // HOUR_MS),
        hold_ms=_DEAD_LETTERS_HOLD_MS,
    )


def unbalanced_cause(balance: Balance) -> Cause:
    """Return the cause of usage that does not balance."""
    missing = balance.difference
    if missing > 0:
        what = f"of {balance.accepted} accepted events, {missing} cannot be found"
    elif missing < 0:
        what = f"{-missing} more are found than the {balance.accepted} that were accepted"
    else:
        what = f"the sums of {balance.summed} calls differ from the {balance.written} rows"
    text = (
        f"Usage does not balance since {balance.since}: {what}; compare the numbers of `/api/mcp-usage/reconcile`, and "
        "see the log of the admin process."
    )
    return Cause(type="usage_unbalanced", subject="usage", text=text, hold_ms=_UNBALANCED_HOLD_MS, extends=True)


def upstream_cause(upstream: str, problem: str, gateways: list[str]) -> Cause:
    """Return the cause of an upstream that workers cannot reach, or that refuses the gateway."""
    others = f" and {len(gateways) - 1} more" if len(gateways) > 1 else ""
    where = f"from {gateways[0]}{others}"
    alert_type: AlertType = "upstream_refused"
    if problem == "unreachable":
        alert_type = "upstream_unreachable"
        text = f"The upstream {upstream} cannot be reached {where}: start it, or correct GATEWAY_UPSTREAM_URL."
    elif problem == "redirect":
        text = (
            f"The upstream {upstream} answers calls {where} with a redirect: set GATEWAY_UPSTREAM_URL to the address "
            "that `mcp-gateway doctor` shows."
        )
    else:
        text = (
            f"The upstream {upstream} refuses the gateway's credentials {where} (status {problem}): correct "
            "GATEWAY_UPSTREAM_AUTHORIZATION."
        )
    return Cause(type=alert_type, subject=upstream, text=text, hold_ms=_UPSTREAM_HOLD_MS, extends=True)


def attack_cause(email: str) -> Cause:
    """Return the cause of an account with many wrong logins."""
    return Cause(
        type="account_attacked",
        subject=email,
        text=f"At least {ATTACK_FAILURES} wrong logins on the account {email} within a minute: find their addresses in "
        "`/api/audit`, block them in front of the admin API, and make sure that the password is strong.",
        hold_ms=_ATTACK_HOLD_MS,
        extends=True,
    )


def webhook_test_cause(actor: str, unique: str) -> Cause:
    """Return the cause of a test alert; `unique` makes it differ from others of the same actor."""
    return Cause(
        type="test",
        subject="webhook",
        text=f"This is a test of {actor}: alerts of the gateway arrive here, and nothing needs to be done.",
        window=unique,
        hold_ms=_MINUTE_MS,
    )


def _key(record: KeyRecord) -> str:
    return f"The key {record.key_name} ({record.key_id}) of {record.owner}"
