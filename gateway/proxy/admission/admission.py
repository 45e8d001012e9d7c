"""Admission of requests: authorization, limits, session ownership and task ownership.

- Every check must pass: policy, tasks, session, limits. The limits come last, so that a rejected request costs nothing.
- A task that belongs to nobody yet is no obstacle, and a session that is not known is claimed for the owner of the key.
- If Redis is unavailable, a request is rejected unless all that it depends on is cached.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterable
from typing import Protocol

from redis.exceptions import RedisError

from gateway.keys.cache import KeyCache
from gateway.metering import is_sql_parsed, parse_sql
from gateway.protocol.http_sse_endpoint import MAX_SESSION_ID
from gateway.protocol.message import Body
from gateway.proxy.admission import rejections
from gateway.proxy.admission.admitted_request import NO_SESSION, AdmittedRequest, Caller, Principal, Session
from gateway.proxy.admission.head import RequestHead
from gateway.proxy.admission.limits.limiter import Limiter
from gateway.proxy.admission.limits.permit import NO_LIMITS, Permit
from gateway.proxy.admission.policy import Policy, check_address
from gateway.proxy.admission.rejections import Deny, RequestRejected
from gateway.proxy.admission.sessions import Sessions
from gateway.redis.names import digest


class TaskOwners(Protocol):
    """Knows which owner created a task."""

    async def none_owned_by_others(self, owner: str, task_ids: Iterable[str]) -> bool:
        """Return True if none of the tasks is known to belong to another owner. Raises `redis.RedisError`."""


class Admission:
    """Admits requests, or rejects them by raising `RequestRejected`."""

    def __init__(
        self,
        policy: Policy,
        refresh_tools: Callable[[], Awaitable[None]],
        *,
        keys: KeyCache,
        limiter: Limiter,
        sessions: Sessions,
        task_owners: TaskOwners,
    ) -> None:
        """`refresh_tools` reads again from Redis what `policy.read_only_hint` knows."""
        self._policy = policy
        self._refresh_tools = refresh_tools
        self._keys = keys
        self.limiter = limiter
        self._sessions = sessions
        self._task_owners = task_owners

    async def admit(
        self, head: RequestHead, body: bytes, parsed: Body, credential: Principal | Deny
    ) -> tuple[AdmittedRequest, Permit]:
        """Admit a POST; `parsed` is what its body says. The caller must release the permit."""
        if isinstance(credential, Principal) and credential.record.is_limited_to_tables:
            await _parse_sql(parsed)
        record = credential if isinstance(credential, Deny) else credential.record
        decision = self._policy.decide(parsed, record, head.policy_inputs)
        if isinstance(decision, Deny) and decision.reason == "read_only":
            # The list with the tool may have passed another worker just now.
            await self._refresh_tools()
            decision = self._policy.decide(parsed, record, head.policy_inputs)
        if isinstance(decision, Deny):
            raise RequestRejected(decision)
        principal = None if isinstance(credential, Deny) or decision.principal is None else credential
        try:
            if principal is None:
                session, permit = await self._admit_public(head, parsed), NO_LIMITS
            else:
                session, permit = await self._admit_principal(head, parsed, principal)
        except RedisError:
            raise RequestRejected(rejections.REDIS_UNAVAILABLE) from None
        return AdmittedRequest(head, principal, session, body, parsed.messages, parsed.is_batch), permit

    def admit_cached(
        self, head: RequestHead, body: bytes, parsed: Body, principal: Principal
    ) -> AdmittedRequest | None:
        """Admit a single `tools/call` without asking Redis; return `None` if that is impossible, or it is rejected.

        The caller must check the limits, and call `record_use` once the request was sent.
        """
        record = principal.record
        session = self._cached_session(head, record.owner)
        if session is None:
            return None
        decision = self._policy.decide(parsed, record, head.policy_inputs)
        if isinstance(decision, Deny) or decision.principal is None:
            return None
        return AdmittedRequest(head, principal, session, body, parsed.messages)

    def record_use(self, principal: Principal, caller: Caller) -> None:
        """Record that the caller used the key now."""
        self._keys.record_use(principal.key, caller.key_id, caller.client_name, caller.client_ip)

    async def admit_bodiless(self, head: RequestHead, credential: Principal | Deny) -> tuple[AdmittedRequest, Permit]:
        """Admit a GET or DELETE, which are never public."""
        if isinstance(credential, Deny):
            raise RequestRejected(credential)
        if deny := check_address(credential.record, head.client_ip):
            raise RequestRejected(deny)
        try:
            request = AdmittedRequest(head, credential, await self._claim_session(head, credential.record.owner))
            return request, await self.limiter.admit(credential.record, requests=1, tools=())
        except RedisError:
            raise RequestRejected(rejections.REDIS_UNAVAILABLE) from None

    async def _admit_public(self, head: RequestHead, parsed: Body) -> Session:
        """Keep a request without a key out of the sessions of others, and bound how many it opens."""
        for session_id in head.session_ids:
            if len(session_id) > MAX_SESSION_ID or await self._sessions.is_claimed(session_id):
                raise RequestRejected(rejections.NO_SUCH_SESSION)
        is_handshake = parsed.messages[0].method == "initialize"
        if is_handshake and not await self._sessions.reserve_handshake(head.client_ip):
            raise RequestRejected(rejections.TOO_MANY_HANDSHAKES)
        return NO_SESSION

    async def _admit_principal(self, head: RequestHead, parsed: Body, principal: Principal) -> tuple[Session, Permit]:
        """Check that the tasks and the session belong to the owner, and consume the limits."""
        record = principal.record
        requests = sum(message.kind == "request" for message in parsed.messages)
        tools = [message.tool or "" for message in parsed.messages if message.method == "tools/call"]
        if parsed.is_batch or parsed.messages[0].task_ids:
            await self._check_tasks(record.owner, parsed)
        session = await self._claim_session(head, record.owner)
        return session, await self.limiter.admit(record, requests=requests, tools=tools)

    async def _check_tasks(self, owner: str, parsed: Body) -> None:
        for message in parsed.messages:
            task_ids = message.task_ids
            if task_ids and not await self._task_owners.none_owned_by_others(owner, task_ids):
                raise RequestRejected(rejections.NO_SUCH_TASK)

    def _cached_session(self, head: RequestHead, owner: str) -> Session | None:
        """Return the session of a request that names at most one, from the cache; `None` if it is not there."""
        if not head.session_ids:
            return NO_SESSION
        session_id = head.session_ids[0]
        if len(head.session_ids) > 1 or len(session_id) > MAX_SESSION_ID:
            return None
        session = self._sessions.cached(session_id, owner)
        return None if session is None or session.endpoint else session

    async def _claim_session(self, head: RequestHead, owner: str) -> Session:
        """Return the session of a request: the one in its query (HTTP+SSE transport) if it names two."""
        session = NO_SESSION
        for session_id in head.session_ids:
            claimed = None
            if len(session_id) <= MAX_SESSION_ID:
                claimed = self._sessions.cached(session_id, owner) or await self._sessions.claim(session_id, owner)
            if claimed is None:
                raise RequestRejected(rejections.NO_SUCH_SESSION)
            session = claimed
        if session.endpoint_query and session.endpoint_query != digest(head.query.decode("latin-1")):
            raise RequestRejected(rejections.NO_SUCH_SESSION)
        return session


async def _parse_sql(parsed: Body) -> None:
    """Parse the SQL in the calls in a thread, so that the decision about tables does not block the event loop."""
    for message in parsed.messages:
        if message.method == "tools/call" and not is_sql_parsed(message.arguments):
            await asyncio.to_thread(parse_sql, message.arguments)
