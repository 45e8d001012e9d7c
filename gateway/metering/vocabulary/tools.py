"""Words of the names of tools."""

from __future__ import annotations

import re
from functools import lru_cache

from gateway.metering.vocabulary.names import word_set

MAX_TOOL_NAME = 256
"""Characters of a tool's name that is stored."""

_WORD = re.compile(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+|\d+")
_WRITE_VERBS = word_set(
    "create insert update delete drop write append add remove truncate import upload put set upsert rename alter "
    "save copy merge clear patch push move edit store register unset commit replace "
    "complete archive restore undo cancel close assign schedule mark acknowledge approve reject reopen mute "
    "unmute snooze pause invite subscribe unsubscribe unlock modify draft enqueue"
)
_SURE_WRITE_VERBS = word_set(
    "create insert update delete add append remove upsert rename write upload edit send submit post drop kill "
    "terminate restart reset purge flush publish enable disable revoke grant build rebuild reindex "
    "incr decr increment decrement modify acknowledge enqueue"
)
_DETAIL_WORDS = word_set("detail details info")
"""Words after the noun that a tool returns."""
_ACTING_VERBS = _WRITE_VERBS | word_set(
    "reply label lock place book rollback resume turn toggle remember ingest index confirm decline follow unfollow "
    "like star unstar pin unpin block unblock"
)
"""Verbs with which a tool changes something, and whose results are echoes of it."""
_QUANTITIES = word_set("batch bulk multi multiple many mass one single")
"""Words that may precede the verb."""
_RECORDS_OF_WRITES = word_set(
    "history log logs query sql statement report reports status stats search job jobs comments posts updates "
    "read export preview validate check run execute session connection"
)
"""Words of a tool's name with which a verb may be part of a noun, or the tool may return rows as well."""
_INDEXED = word_set("doc docs document documents record records vector vectors")
"""Words after `index` with which it is a verb."""
_READ_VERBS = word_set("get list read find search query fetch describe show count select lookup last")
_FETCH_VERBS = word_set("get read fetch retrieve show view open load lookup")
_SCHEMA_WORDS = word_set("describe schema structure columns fields definition mapping mappings")
_ANALYSIS_VERBS = word_set(
    "ask answer analyze analyse summarize explain compare evaluate calculate compute predict forecast review"
)
"""Verbs of tools that tell about what their names name, instead of listing it."""
_EXECUTION_VERBS = word_set("exec execute run eval evaluate shell command bash")
"""Verbs of tools that return what a program prints."""
_PREPOSITIONS = word_set("by for of from with in at on to")
_PERSONAL_WORDS = word_set("profile info")
"""Describing words with which an entity may be meant: the profile of a user."""
_CONTAINERS = word_set(
    "table sheet worksheet spreadsheet workbook dataset database file collection index schema column field server "
    "cluster system data view project pdf image video audio document"
)
_COLLECTIVES = word_set(
    "history timeline series log list feed forecast schedule leaderboard ranking roster activity inventory catalog "
    "queue thread stream batch range trend calendar agenda menu conversation transcript news"
)
"""Nouns for many things."""
_DESCRIBE_WORDS = word_set(
    "describe info schema stats statistics metadata profile summary summarize count inspect analyze analysis structure "
    "definition health status overview outline mapping mappings"
)
_STATISTICS_WORDS = word_set("stats statistics status health profile summary summarize overview count")
_LIST_VERBS = word_set("list ls search find glob grep enumerate all names filter browse describe schema show")
_LISTED_THINGS = word_set(
    "tables schemas databases columns collections sheets worksheets files directories folders keys views names "
    "indexes indices objects documents items entries resources datasets symbols tags branches issues users "
    "matches values unique distinct groups categories"
)


_SINGULARS_IN_S = word_set(
    "status stats statistics address access process progress analysis class details settings series news press metrics "
    "diagnostics options analytics synopsis basis axis bus canvas radius focus contents"
)
"""Last words of a tool's name that end in `s` without being a plural."""
_GROUPING_WORDS = word_set("facet facets histogram")
_MANAGING_WORDS = word_set("manage manager management admin crud")
"""Words of tools that read and write, as an argument says."""
_OVERWRITE_VERBS = word_set(
    "update insert delete write set append remove drop rename put upsert edit replace modify "
    "acknowledge approve reject mute draft"
)


@lru_cache(maxsize=1_024)
def is_overwriting_tool(tool: str) -> bool:
    """Return True if the tool's name says that it changes existing data, so that its result only echoes the change."""
    return is_writing_tool(tool) and not tool_words(tool).isdisjoint(_OVERWRITE_VERBS)


@lru_cache(maxsize=1_024)
def performed_tool(tool: str, operation: str) -> str:
    """Return the name of what a call of a tool such as `manage_boats` does: `list_manage_boats` for `list`.

    A tool without a verb, such as `boats`, fetches one thing if the call asks it to: `get_boat_of_boats`.
    """
    words = tool_words(tool)
    if not _MANAGING_WORDS.isdisjoint(words):
        return f"{operation}_{tool}"
    is_noun = words.isdisjoint(_READ_VERBS | _LIST_VERBS | _FETCH_VERBS | _WRITE_VERBS | _SURE_WRITE_VERBS)
    is_fetch = is_noun and operation.lower() in _FETCH_VERBS and is_plural_tool(tool)
    singular = tool[:-3] + "y" if tool.endswith("ies") else tool[:-1]
    return f"{operation}_{singular}_of_{tool}" if is_fetch else tool


@lru_cache(maxsize=1_024)
def tool_words(tool: str) -> frozenset[str]:
    """Return the words of a tool's name, in lower case."""
    return frozenset(_words_in_order(tool))


def _words_in_order(tool: str) -> list[str]:
    return [word.lower() for word in _WORD.findall(tool[:200])]


def _before_preposition(words: list[str]) -> list[str]:
    """Return the words before the first preposition that does not begin the name."""
    end = next((at for at, word in enumerate(words) if at and word in _PREPOSITIONS), len(words))
    return words[:end]


@lru_cache(maxsize=1_024)
def is_writing_tool(tool: str) -> bool:
    """Return True if the tool's name begins with a verb such as `insert`, possibly after a product name, or ends so."""
    first = _words_in_order(tool)[:3]
    first = first if first[1:2] == ["and"] else first[:2]
    return (
        "replace" in first
        or (any(word in _WRITE_VERBS for word in first) and not any(word in _READ_VERBS for word in first))
        or is_sure_write(tool)
    )


@lru_cache(maxsize=1_024)
def is_sure_write(tool: str) -> bool:
    """Return True if the tool's name can only mean a write, so that its result is an acknowledgement or an echo."""
    words = _words_in_order(tool)
    acting = [word for word in words if word not in _QUANTITIES]
    if acting[:1] == ["new"] and acting[-1][-1:] != "s":
        return True
    if acting[:1] == ["index"] and not _INDEXED.isdisjoint(acting[1:2]):
        return True
    is_write = not _SURE_WRITE_VERBS.isdisjoint(acting[:2] + acting[-1:])
    return is_write and _READ_VERBS.isdisjoint(words) and _RECORDS_OF_WRITES.isdisjoint(words)


@lru_cache(maxsize=1_024)
def is_acting_tool(tool: str) -> bool:
    """Return True if the tool's name begins with a verb that changes something: `archive_mails`, `mark_as_read`."""
    acting = [word for word in _words_in_order(tool) if word not in _QUANTITIES]
    if acting[:1] == ["mark"]:
        return True
    nouns = _READ_VERBS | _LIST_VERBS | _DESCRIBE_WORDS | (_RECORDS_OF_WRITES - {"job", "jobs", "comments", "posts"})
    is_noun = not nouns.isdisjoint(acting)
    is_noun = is_noun or acting[-1:] in (["values"], ["names"], ["keys"])  # `label_values`
    return not _ACTING_VERBS.isdisjoint(acting[:1]) and not is_noun


@lru_cache(maxsize=1_024)
def is_done_by(state: str, tool: str) -> bool:
    """Return True if a state is the participle of the tool's verb: `cancelled` of `cancel_search`."""
    stem = state.removesuffix("ed")
    if stem == state:
        return False
    words = [word for word in _words_in_order(tool)[:3] if len(word) > 2 and word not in _READ_VERBS | _FETCH_VERBS]
    return any(stem in (word, word + word[-1], word.removesuffix("e")) for word in words)


@lru_cache(maxsize=1_024)
def has_read_verb(tool: str) -> bool:
    """Return True if a word of the tool's name says that it reads."""
    return not tool_words(tool).isdisjoint(_READ_VERBS | _LIST_VERBS)


@lru_cache(maxsize=1_024)
def is_fetching_tool(tool: str) -> bool:
    """Return True if the tool's name says that it fetches one entity: `get_issue`, but not `get_stats`."""
    words = _words_in_order(tool)
    if _FETCH_VERBS.isdisjoint(words[:3]) or is_listing_tool(tool):
        return False
    return _DESCRIBE_WORDS.isdisjoint(words) or (
        not _PERSONAL_WORDS.isdisjoint(words) and _CONTAINERS.isdisjoint(words)
    )


@lru_cache(maxsize=1_024)
def head_noun(tool: str) -> str:
    """Return the noun that a tool returns by its name: `user` of `get_user_by_id`; empty if many things are in it."""
    words = _before_preposition(_words_in_order(tool))
    noun = next((word for word in reversed(words) if word not in _FETCH_VERBS | _DETAIL_WORDS), "")
    noun = noun if words[-1:] == [noun] else noun.removesuffix("s")  # `boats_get`
    return "" if noun in _CONTAINERS or noun in _COLLECTIVES else noun


@lru_cache(maxsize=1_024)
def is_searching_tool(tool: str) -> bool:
    """Return True if the tool's name says that it searches."""
    return not tool_words(tool).isdisjoint(("search", "find", "query", "lookup"))


@lru_cache(maxsize=1_024)
def is_plural_tool(tool: str) -> bool:
    """Return True if the tool's name ends in a plural, possibly before a preposition: `get_orders_by_city`."""
    words = _words_in_order(tool)
    if not _ANALYSIS_VERBS.isdisjoint(words[:2]) or words[-2:] == ["by", "id"]:
        return False
    last = "".join(_before_preposition(words)[-1:])
    return len(last) > 3 and last[-1:] == "s" and last not in _SINGULARS_IN_S


@lru_cache(maxsize=1_024)
def is_listing_tool(tool: str) -> bool:
    """Return True if the tool's name says that it returns a list of names."""
    return is_plural_tool(tool) or not tool_words(tool).isdisjoint(_LIST_VERBS | _LISTED_THINGS)


@lru_cache(maxsize=1_024)
def is_describing_tool(tool: str) -> bool:
    """Return True if the tool's name says that it returns metadata, such as a schema, and not the data itself."""
    return not tool_words(tool).isdisjoint(_DESCRIBE_WORDS)


@lru_cache(maxsize=1_024)
def may_list(tool: str) -> bool:
    """Return True unless the tool's name says that it does something else: a change, a description, one entity."""
    if is_writing_tool(tool) or is_acting_tool(tool) or is_describing_tool(tool):
        return False
    is_fetch = is_fetching_tool(tool) and bool(head_noun(tool))
    return not is_fetch and (_ANALYSIS_VERBS | _EXECUTION_VERBS).isdisjoint(tool_words(tool))


@lru_cache(maxsize=4_096)
def is_named_after_tool(member: str, tool: str, *, holds_objects: bool = False) -> bool:
    """Return True if a result's member (normalized) has the name of what the tool lists.

    Examples: `keys` of `scan_keys`, `workbooks` of `workbook_list`, `foreign_keys` of `get_foreign_keys`; `triggers` of
    `trigger_get` only if they are objects.
    """
    known, words = tool_words(tool), _words_in_order(tool)
    if any(member == "".join(words[at:]) for at in range(len(words) - 1)):
        return True
    is_plural = (holds_objects or is_listing_tool(tool)) and member.endswith("s")
    return member in known or (is_plural and member[:-1] in known - _LIST_VERBS)


@lru_cache(maxsize=4_096)
def is_returned_by(member: str, tool: str) -> bool:
    """Return True if a result's member (normalized) has the name of the only things that the tool lists.

    It has for `tables` and `list_tables`; not for `roles` and `list_users_with_roles` or `list_users_and_roles`.
    """
    words = _before_preposition(_words_in_order(tool))
    while words and words[-1] in _LIST_VERBS | _FETCH_VERBS:
        words.pop()
    is_plural = is_plural_tool("_".join(words)) and "and" not in words
    return is_plural and any(member == "".join(words[at:]) for at in range(len(words)))


@lru_cache(maxsize=1_024)
def counts_groups(tool: str, *, reads_table: bool) -> bool:
    """Return True if the tool returns numbers by the values of a field: `get_facets`, `count_orders_by_state`.

    The terms that a tool without a table returns may be those of a contract.
    """
    words = tool_words(tool)
    is_terms = reads_table and "terms" in words
    return is_terms or not _GROUPING_WORDS.isdisjoint(words) or {"count", "by"} <= words


def is_listed_thing(member: str) -> bool:
    """Return True if a result's member (normalized) has the name of things that tools list."""
    return member in _LISTED_THINGS


def is_statistics_tool(tool: str) -> bool:
    """Return True if the tool returns statistics about data instead of the columns of a table."""
    return not tool_words(tool).isdisjoint(_STATISTICS_WORDS) and not is_schema_tool(tool)


def is_schema_tool(tool: str) -> bool:
    """Return True if the tool describes the columns of a table."""
    return not tool_words(tool).isdisjoint(_SCHEMA_WORDS)


def is_listing_or_describing_tool(tool: str) -> bool:
    """Return True if the tool lists names or describes metadata."""
    return is_listing_tool(tool) or is_describing_tool(tool)
