"""Recognizes JSON objects that are one answer: an error, a write, nothing found, work that goes on, or one entity."""

from __future__ import annotations

import re
from typing import Any

from gateway.metering.confidence import Sign
from gateway.metering.json import columnar, objects
from gateway.metering.json.object_members import MAX_WRAPPERS, SURROUNDING_MEMBERS, ObjectMembers
from gateway.metering.json.objects import (
    ROW_LISTS,
    WRAPPER_AND_ROW_MEMBERS,
    WRAPPER_MEMBERS,
    Members,
    is_flat,
    is_list_of_objects,
)
from gateway.metering.json.signs import reports_error
from gateway.metering.json.structure.partial_values import length
from gateway.metering.metering_result import UNKNOWN_COUNT, Count, CountKind
from gateway.metering.vocabulary.arguments import ID_ENDINGS
from gateway.metering.vocabulary.members import (
    AFFECTED_MEMBERS,
    COUNT_MEMBERS,
    ENVELOPE_MEMBERS,
    ERROR_MEMBERS,
    ROW_MEMBERS,
    TOTAL_MEMBERS,
    describes_records,
)
from gateway.metering.vocabulary.names import normalize_name, word_set
from gateway.metering.vocabulary.tools import (
    head_noun,
    is_done_by,
    is_fetching_tool,
    is_named_after_tool,
    is_writing_tool,
    tool_words,
)

MAX_SHORT_VALUE = 300
"""Characters of a value that may be a message instead of data."""

_UNFINISHED = re.compile(
    r"\b(?:in progress|still (?:running|executing)|queued|not (?:yet )?(?:finished|complete))\b", re.IGNORECASE
)
_UNFINISHED_STATES = word_set(
    "pending running queued submitted inprogress accepted processing executing started waiting"
)
_HANDLE_ENDINGS = ("id", "handle", "token", "url", "uri", "operation", "name")
_PENDING_ENDINGS = (*_HANDLE_ENDINGS, *word_set("at time state status progress percent seconds ms message"))
_STATE = re.compile(r"\b(?:is|are|be|not|no)\b", re.IGNORECASE)
"""Words of a message that tell a state, or that nothing was done."""
_ERROR_FLAGS = ("error", "iserror", "haserror", "haserrors")
_ERROR_CODES = ("errcode", "errno", "errorcode")
_ERROR_NAME = re.compile(r"[A-Z]{2,40}(?:_[A-Z]{2,40}){1,8}")
_HTTP_CODES = ("status", "statuscode", "code", "httpstatus")
_STATES = ("status", "state")
OUTCOME_MEMBERS = ERROR_MEMBERS.union(("success", "ok"), _ERROR_FLAGS, _ERROR_CODES, _HTTP_CODES, _STATES)
"""Members of which an object that reports an error has one."""
_WRITTEN = word_set("created updated deleted inserted modified removed upserted saved")
_NAMES = ("name", "title", "slug", "key", "email", "login", "username", "number", "no", "code", "ref")
"""Members with the name of an entity."""
_MESSAGES = ("message", "detail", "msg", "reason", "error", "title")


def is_failure(members: Members) -> bool:
    """Return True if an object reports an error and holds no records."""
    if OUTCOME_MEMBERS.isdisjoint(members):
        return False
    if any(isinstance(members.get(name), list) and members[name] for name in ROW_LISTS):
        return False
    is_flagged = any(members.get(name) is True for name in _ERROR_FLAGS)
    if is_flagged or members.get("success") is False or members.get("ok") is False:
        return True
    if is_http_error(members) or _has_error_code(members):
        return True
    custom = [name for name in members if name not in WRAPPER_AND_ROW_MEMBERS]
    if reports_error(members):
        return len(custom) <= 2 and not any(
            is_list_of_objects(members[name]) and not describes_records(name) for name in custom
        )
    return len(custom) <= 1 and state_of(members) in ("error", "failed", "failure", "fail")


def _has_error_code(members: Members) -> bool:
    """Return True if a flat object has a number of an error other than 0, or one without objects its name."""
    codes = [members.get(name) for name in _ERROR_CODES]
    if any(isinstance(code, str) and _ERROR_NAME.fullmatch(code[:MAX_SHORT_VALUE]) for code in codes):
        return not any(isinstance(value, dict) or is_list_of_objects(value) for value in members.values())
    return any(type(code) is int and code != 0 for code in codes) and is_flat(members)


def is_http_error(members: Members) -> bool:
    """Return True if a flat object has the status code of an HTTP error and a message."""
    codes = (members.get(name) for name in _HTTP_CODES)
    if not any(type(code) is int and 400 <= code < 600 for code in codes):
        return False
    return any(isinstance(members.get(name), str) for name in _MESSAGES) and is_flat(members)


def state_of(members: Members) -> str:
    """Return the state of the call that an object reports, in lower case; empty if it reports none."""
    for name in _STATES:
        value = members.get(name)
        value = value.get("state", value.get("status")) if isinstance(value, dict) else value
        if isinstance(value, str):
            return value.lower()[:32]
    return ""


def is_pending(members: Members) -> bool:
    """Return True if an object says only that the work goes on: a state, a handle, and no data."""
    if "message" not in members and "status" not in members and "state" not in members:
        return False
    message, state = members.get("message"), state_of(members)
    is_unfinished = not state and isinstance(message, str) and _UNFINISHED.search(message[:200])
    if normalize_name(state) not in _UNFINISHED_STATES and not is_unfinished:
        return False
    has_handle = any(name.endswith(_HANDLE_ENDINGS) for name in members)
    has_list = any(isinstance(value, list) and value for value in members.values())
    present = [name for name, value in members.items() if value is not None]
    known = all(name in WRAPPER_MEMBERS or name.endswith(_PENDING_ENDINGS) for name in present)
    return has_handle and not has_list and known


def is_acknowledgement(members: Members) -> bool:
    """Return True if an object holds a status and a message, and at most one other scalar, such as an id."""
    custom = [name for name in members if name not in WRAPPER_MEMBERS]
    has_status = not {"status", "success", "ok"}.isdisjoint(members)
    return len(custom) <= 1 and "message" in members and has_status and is_flat(members)


def is_not_found(members: Members) -> bool:
    """Return True if an object says only that what the call asked for does not exist: `{"id": "7", "found": false}`."""
    return members.get("found") is False and is_flat(members)


def is_written(members: Members) -> bool:
    """Return True if an object gives the kind of a write as its result: `{"id": "7", "result": "created"}`."""
    return any(isinstance(value := members.get(name), str) and value in _WRITTEN for name in ("result", "outcome"))


class ObjectOutcome(ObjectMembers):
    """One object, as an answer about the whole call."""

    __slots__ = ()

    def is_message(self) -> bool:
        """Return True if an object holds only a message about the call, and not a selected column named `message`."""
        return self._members.keys() <= ENVELOPE_MEMBERS and "message" not in (self._arguments.columns or ())

    def is_write_report(self) -> bool:
        """Return True if an object reports the effect of a write, and not selected columns with such names."""
        members = self._members
        if self._arguments.returns_rows or AFFECTED_MEMBERS.isdisjoint(members):
            return False
        return members.keys() <= AFFECTED_MEMBERS | ENVELOPE_MEMBERS | COUNT_MEMBERS

    def _is_entity(self) -> bool:
        """Return True if an object is the one that the tool fetches by its id, so that a list in it is a property."""
        if self._is_page_of_results():
            return False
        is_entity = objects.is_entity(self._members)
        if not is_fetching_tool(self._arguments.tool):
            ids = (self._members.get(name) for name in ("id", "key", "uuid", "number"))
            return is_entity and not self._arguments.path_ids.isdisjoint(map(str, ids))
        if is_entity:
            return True
        if not any(map(self._is_own_id, self._members)):
            return False
        if any(name not in WRAPPER_MEMBERS and not self._is_own_id(name) for name in self._scalars()):
            return True
        if any(map(self._is_own_object, self._members)) and any(map(self._is_head_id, self._members)):
            return True
        lengths = {length(value) for value in self._members.values() if isinstance(value, list)}
        return any(type(total := self._members.get(name)) is int and total not in lengths for name in TOTAL_MEMBERS)

    def _has_own_name(self) -> bool:
        """Return True if an object repeats the name by which the tool fetches it, and has other values or lists."""
        noun = head_noun(self._arguments.tool) if is_fetching_tool(self._arguments.tool) else ""
        if not noun or self._is_page_of_results() or not self._members.keys().isdisjoint(ROW_MEMBERS):
            return False
        metadata = self._members.get("metadata")
        if isinstance(metadata, dict) and any(metadata.get(name) in self._arguments.strings for name in _NAMES):
            return True
        lists = [name for name, value in self._members.items() if isinstance(value, list) and value]
        named = [name for name in self._members if name.removeprefix(noun) in _NAMES or name == noun]
        if any(name.startswith(noun) for name in lists) or not any(map(self._is_repeated, named)):
            return False
        return len(lists) > 1 or any(name not in WRAPPER_MEMBERS and name not in named for name in self._scalars())

    def _is_own_id(self, name: str) -> bool:
        """Return True if a member has the value of an id among the arguments and is the entity's: `id`, `order_id`."""
        value = self._members[name]
        if type(value) not in (int, str) or str(value) not in self._arguments.ids:
            return False
        ending = next((one for one in ID_ENDINGS if name.endswith(one)), None)
        return ending is not None and name.removesuffix(ending) in {"", *tool_words(self._arguments.tool)}

    def _is_head_id(self, name: str) -> bool:
        """Return True if a member has the id of what the tool's name says it returns."""
        noun = head_noun(self._arguments.tool)
        return self._is_own_id(name) and (name in ID_ENDINGS or (bool(noun) and name.startswith(noun)))

    def _is_own_object(self, name: str) -> bool:
        value = self._members[name]
        return isinstance(value, dict) and bool(value) and name not in SURROUNDING_MEMBERS and name not in ROW_MEMBERS

    def count_message(self) -> Count:
        """Return 0 records if a member holds a message that there are none, or that the call failed."""
        for name in ("message", "info", "status", "note"):
            if isinstance(text := self._members.get(name), str):
                found = self._parts.count_text(text, MAX_WRAPPERS)
                if found.kind >= CountKind.COUNTED and (found.records == 0 or name == "message"):
                    return found
        return UNKNOWN_COUNT

    def _confirms_write(self) -> bool:
        """Return True if a message states how much was written, or its first paragraph does."""
        if self.count_message().method == "affected_rows_text":
            return True
        message = self._members.get("message")
        first, _, rest = message.partition("\n\n") if isinstance(message, str) else ("", "", "")
        return bool(rest) and self._parts.count_text(first, MAX_WRAPPERS).method == "affected_rows_text"

    def _tells_success(self) -> bool:
        """Return True if a successful object has a message that something was done: `Alert 7 muted`."""
        message = str(self._members.get("message"))[:MAX_SHORT_VALUE].rstrip(".! ")
        is_told = is_acknowledgement(self._members) and self._is_success() and self._arguments.returns_rows is None
        if not is_told or _STATE.search(message):
            return False
        return self._parts.count_text(f"{message} successfully", MAX_WRAPPERS).method == "affected_rows_text"

    def _reports_verb(self) -> bool:
        """Return True if a flat object says only that something was done, and to what."""
        members = self._members
        own = (one for one, value in members.items() if one not in ENVELOPE_MEMBERS and type(value) is not bool)
        is_done = is_done_by(state_of(members), self._arguments.tool) or (
            self._is_success() and any(map(self._is_repeated, _WRITTEN & members.keys()))
        )
        is_done = is_done and self._arguments.returns_rows is None and is_flat(members)
        return is_done and all(self._is_repeated(name) or members[name] is None for name in own)

    def _lists_errors(self) -> bool:
        """Return True if the errors in an object are what the tool lists."""
        errors = self._members.get("errors")
        return isinstance(errors, list) and is_named_after_tool("errors", self._arguments.tool)

    def _count_by_message(self) -> Count | None:
        """Count an object whose message says that there is nothing, or that the call failed, if it has a status."""
        if self._is_selected() or (message := self.count_message()).kind < CountKind.COUNTED:
            return None
        has_status = not {"status", "success", "ok", "state"}.isdisjoint(self._members)
        is_told = has_status or is_writing_tool(self._arguments.tool)
        return message if is_told and is_flat(self._members) else UNKNOWN_COUNT

    def _count_nothing(self) -> Count | None:
        """Return 0 records if an object holds only null, or a message that there is nothing."""
        custom = [name for name in self._members if name not in WRAPPER_MEMBERS]
        if not is_flat(self._members):
            return None
        nothing: tuple[Any, ...] = (None, {}) if is_fetching_tool(self._arguments.tool) else (None,)
        is_null = bool(custom) and all(self._members[name] in nothing and name.isalpha() for name in custom)
        if is_null and (self._arguments.returns_rows is None or (self._depth and not self._arguments.columns)):
            return Count(0, self._parts.method, CountKind.STATED, (), (Sign.NO_DATA,))
        own = [name for name in custom if not self._is_repeated(name)]
        if len(own) == 1 and isinstance(text := self._members[own[0]], str) and len(text) <= MAX_SHORT_VALUE:
            found = self._parts.count_text(text, MAX_WRAPPERS)
            return found if found.records == 0 else None
        return None

    def _count_whole(self) -> Count | None:
        """Count an object that is an answer as a whole: one value, one row, one entity, or nothing found."""
        members, arguments, method = self._members, self._arguments, self._parts.method
        if members.get("resulttype") in ("scalar", "string"):
            return self._counted(1, Sign.SCALAR)
        if is_not_found(members) and arguments.returns_rows is None:
            return self._counted(0, Sign.STATED_ZERO)
        is_selected = self._is_selected()
        if is_selected and (rows := columnar.length_of_columns(members)) is not None:
            return self._counted(rows, Sign.PARALLEL_LISTS, Sign.COLUMNS_AGREE).at("*")
        if is_selected or (arguments.has_one_column and self._is_one_scalar()):
            return Count(1, method, CountKind.OBJECT, (), (Sign.SINGLE_OBJECT, Sign.COLUMNS_AGREE))
        is_entity = self._is_entity()
        if is_entity or self._has_own_name():
            signs = (Sign.SINGLE_OBJECT, Sign.ENTITY, *((Sign.ECHO,) if self._echoes() else ()))
            nothing = None if is_entity else self._count_nothing()
            return nothing or Count(1, method, CountKind.OBJECT, (), signs)
        return self._count_own_entity()

    def _count_own_entity(self) -> Count | None:
        """Count the entity that the tool fetches, in the member with its name, beside lists that belong to it."""
        name = head_noun(self._arguments.tool) if is_fetching_tool(self._arguments.tool) else ""
        entity = self._members.get(name)
        if not name or not isinstance(entity, dict) or not entity or name in ROW_MEMBERS:
            return None
        found = self._under(name, self._parts.count(entity, self._depth + 1))
        return found if found.kind is CountKind.OBJECT else None
