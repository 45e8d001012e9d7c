"""Who asks, whether they may, what it costs them, and whose session it is.

Everything that is not known to be good is refused, and where Redis cannot be asked, so is what the worker does not
remember. Each method raises `RequestRejected` with the answer, or gives back what was found good.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Collection
from typing import Any

from redis.exceptions import RedisError

from gateway.keys.cache import KeyCache, KeysUnavailable
from gateway.keys.secret import ApiKey
from gateway.metering import is_sql_parsed, parse_sql, tables_in_arguments
from gateway.metering.tool_declarations import ToolHints
from gateway.protocol.message import Body
from gateway.protocol.message_endpoint import MAX_SESSION_ID
from gateway.proxy.accounting.correlation_store import CorrelationStore
from gateway.proxy.admission import rejections
from gateway.proxy.admission.head import Principal, RequestHead
from gateway.proxy.admission.limits import Limits, is_limited
from gateway.proxy.admission.policy import PolicyInputs, address_refusal, decide
from gateway.proxy.admission.rejections import Deny, RequestRejected, bad_key
from gateway.proxy.admission.sessions import Session, Sessions
from gateway.redis.names import digest

log = logging.getLogger(__name__)

NO_SESSION = Session(owner="")


class Admission:
    """Lets requests in."""

    def __init__(
        self,
        *,
        keys: KeyCache,
        limits: Limits,
        sessions: Sessions,
        awaited: CorrelationStore,
        public_methods: Collection[str],
        now_ms: Callable[[], int],
        hints: Callable[[str], ToolHints | None],
    ) -> None:
        """`hints` gives what a tool has declared of its arguments, as far as it is known."""
        self._keys = keys
        self._limits = limits
        self._sessions = sessions
        self._awaited = awaited
        self._public_methods = frozenset(public_methods)
        self._now_ms = now_ms
        self._hints = hints

    def recall(self, incoming: RequestHead) -> Principal | None:
        """The key that a request came with, where it is remembered and good."""
        key = incoming.credential
        record = None if isinstance(key, Deny) else self._keys.cached_record(key)
        if isinstance(key, Deny) or record is None or record.status(self._now_ms()) != "active":
            return None
        if incoming.principal is None or incoming.principal.record is not record:
            incoming.principal = Principal(key, record)
        return incoming.principal

    async def identify(self, incoming: RequestHead) -> Principal | Deny:
        """The key that a request came with, or why there is no good one."""
        key = incoming.credential
        if isinstance(key, Deny):
            return key
        try:
            record = await self._keys.authenticate(key)
        except KeysUnavailable:
            return rejections.KEYS_UNAVAILABLE
        if record is None:
            return bad_key("unknown")
        status = record.status(self._now_ms())
        return Principal(key, record) if status == "active" else bad_key(status)

    async def admit(
        self, incoming: RequestHead, body: Body, credential: Principal | Deny
    ) -> tuple[Principal | None, Session]:
        """Let one POST in: as whom, `None` for a public request without a good key, and in which session."""
        if isinstance(credential, Principal) and credential.record.allowed_tables is not None:
            await _read_statements(body)
        record = credential if isinstance(credential, Deny) else credential.record
        decision = decide(body, record, self._facts(incoming))
        if isinstance(decision, Deny):
            raise RequestRejected(decision)
        try:
            if isinstance(credential, Deny) or decision.principal is None:
                await self._keep_out_of_claimed_sessions(incoming)
                await self._limit_handshakes(incoming, body)
                return None, NO_SESSION
            if is_limited(credential.record):
                await self._spend(credential, body)
            self._keys.record_use(credential.record.key_id)
            if body.is_batch or body.messages[0].task_ids:
                await self._check_tasks(credential, body)
            return credential, await self._session(incoming, credential)
        except RedisError:
            raise RequestRejected(rejections.KEYS_UNAVAILABLE) from None

    def admit_at_once(self, incoming: RequestHead, body: Body, principal: Principal) -> Session | None:
        """As `admit`, for a `tools/call` for which nobody has to be asked; `None` for others, or to refuse it."""
        record = principal.record
        if record.allowed_tables is not None or is_limited(record):
            return None
        session = self._recall_session(incoming, record.owner)
        if session is None:
            return None
        decision = decide(body, record, self._facts(incoming))
        if isinstance(decision, Deny) or decision.principal is None:
            return None
        self._keys.record_use(record.key_id)
        return session

    async def admit_bodiless(self, incoming: RequestHead, credential: Principal | Deny) -> tuple[Principal, Session]:
        """Let a GET or DELETE in, of which nothing is public."""
        if isinstance(credential, Deny):
            raise RequestRejected(credential)
        if refusal := address_refusal(credential.record, incoming.client_ip):
            raise RequestRejected(refusal)
        try:
            return credential, await self._session(incoming, credential)
        except RedisError:
            raise RequestRejected(rejections.KEYS_UNAVAILABLE) from None

    async def is_still_good(self, key: ApiKey) -> bool:
        """Whether a key that was let in still would be."""
        try:
            record = await self._keys.authenticate(key)
        except KeysUnavailable:
            return False
        return record is not None and record.status(self._now_ms()) == "active"

    async def note_new_session(self, session_id: str, session: Session) -> None:
        """Note a session that the upstream has just opened."""
        try:
            await self._sessions.opened(session_id, session)
        except RedisError:
            raise RequestRejected(rejections.KEYS_UNAVAILABLE) from None

    async def note_no_session(self, address: str) -> None:
        """A handshake without a key has opened no session."""
        try:
            await self._sessions.not_opened(address)
        except RedisError:
            log.warning("the place of a handshake is not free before its time: Redis did not answer")

    async def _keep_out_of_claimed_sessions(self, incoming: RequestHead) -> None:
        for session_id in incoming.session_ids:
            if len(session_id) > MAX_SESSION_ID or await self._sessions.is_claimed(session_id):
                raise RequestRejected(rejections.NO_SUCH_SESSION)

    async def _limit_handshakes(self, incoming: RequestHead, body: Body) -> None:
        if body.messages[0].method == "initialize" and not await self._sessions.may_open(incoming.client_ip):
            raise RequestRejected(rejections.TOO_MANY_HANDSHAKES)

    async def _spend(self, principal: Principal, body: Body) -> None:
        requests = sum(message.kind == "request" for message in body.messages)
        calls = sum(message.method == "tools/call" for message in body.messages)
        if refusal := await self._limits.spend(principal.record, requests=requests, calls=calls):
            raise RequestRejected(refusal)

    async def _check_tasks(self, principal: Principal, body: Body) -> None:
        for message in body.messages:
            task_ids = message.task_ids
            if task_ids and not await self._awaited.owns_tasks(principal.record.owner, task_ids):
                raise RequestRejected(rejections.NO_SUCH_TASK)

    def _facts(self, incoming: RequestHead) -> PolicyInputs:
        if incoming.facts is None:
            incoming.facts = PolicyInputs(
                public_methods=self._public_methods,
                client_ip=incoming.client_ip,
                mcp_method=incoming.text(b"mcp-method"),
                mcp_name=incoming.text(b"mcp-name"),
                tables_in_arguments=self._tables_in_arguments,
            )
        return incoming.facts

    def _recall_session(self, incoming: RequestHead, owner: str) -> Session | None:
        """The session of a request that names one or none, where nobody has to be asked for it."""
        if not incoming.session_ids:
            return NO_SESSION
        session_id = incoming.session_ids[0]
        if len(incoming.session_ids) > 1 or len(session_id) > MAX_SESSION_ID:
            return None
        session = self._sessions.recall(session_id, owner)
        return None if session is None or session.endpoint else session

    async def _session(self, incoming: RequestHead, principal: Principal) -> Session:
        """The session of a request; where it names one in the query too, as the HTTP+SSE transport does, that one."""
        session = NO_SESSION
        for session_id in incoming.session_ids:
            claimed = None
            if len(session_id) <= MAX_SESSION_ID:
                owner = principal.record.owner
                claimed = self._sessions.recall(session_id, owner) or await self._sessions.claim(session_id, owner)
            if claimed is None:
                raise RequestRejected(rejections.NO_SUCH_SESSION)
            session = claimed
        if session.endpoint_query and session.endpoint_query != digest(incoming.query.decode("latin-1")):
            raise RequestRejected(rejections.NO_SUCH_SESSION)
        return session

    def _tables_in_arguments(self, tool: str, arguments: dict[str, Any]) -> tuple[str, ...] | None:
        return tables_in_arguments(tool, arguments, self._hints(tool))


async def _read_statements(body: Body) -> None:
    """Read the SQL of the calls off the loop, so that what they name is known when they are decided on."""
    for message in body.messages:
        if message.method == "tools/call" and not is_sql_parsed(message.arguments):
            await asyncio.to_thread(parse_sql, message.arguments)
