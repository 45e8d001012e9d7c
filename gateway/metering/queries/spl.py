"""SPL, the search language of Splunk: indices (`index=web`), lookups and data models that a search reads and writes.

The tables are exhaustive only if every search names its indices positively (`index=a OR host=x` reaches the default
indices too) and every command is known to read nothing else. Macros and saved searches may reach anything.
"""

from __future__ import annotations

from gateway.metering.queries.analysis import QueryAnalysis, Sources
from gateway.metering.queries.lexer import NAME, STRING, WORD, Lexer, Node, Nodes, find_word, split
from gateway.metering.vocabulary.names import word_set

_LEXER = Lexer(
    comments=("```",),
    strings='"',
    names="`",
    word_characters=r"\w*.:/\\$@%#&;?'{}+~^\-",
    marks=r"==|!=|<=|>=",
)


_COMMANDS = word_set(
    "stats timechart chart eval where fields table sort head tail top rare dedup rename rex regex bin bucket "
    "eventstats streamstats sistats sitimechart transaction fillnull filldown mvexpand makemv mvcombine nomv spath "
    "extract kv convert addtotals addcoltotals replace reverse xmlkv xpath iplocation cluster anomalies "
    "anomalydetection predict trendline untable xyseries transpose accum delta contingency correlate associate format "
    "return gauge highlight outlier setfields strcat uniq foreach appendpipe makeresults gentimes kmeans geostats "
    "autoregress concurrency diff rangemap fieldsummary search join append appendcols multisearch set union"
)
"""Commands that read nothing else, except in sub-searches."""
_SEARCHES = word_set("search metasearch tstats mstats metadata eventcount walklex dbinspect mcatalog mpreview")
"""Commands that restrict their data by `index=`."""
_LOOKUPS = word_set("inputlookup inputcsv lookup")
_WRITES = word_set("outputlookup outputcsv collect mcollect meventcollect summaryindex stash overlap")
_WITHOUT_SOURCE = word_set("foreach appendpipe")
"""Commands whose groups in brackets are commands, not searches."""
_DATASET_KINDS = ("datamodel:", "lookup:", "savedsearch:")


def read(text: str) -> QueryAnalysis | None:
    """Return the tables of a search; `None` if it is not understood."""
    nodes = _LEXER.parse(text)
    if not nodes:
        return None
    sources = Sources(text)
    if "'" in text or '\\\\"' in text or "```" in text:
        sources.reach_more()  # quotes, escapes and comments that versions read differently
    _read_search(nodes, sources)
    return sources.analysis()


def _read_search(nodes: Nodes, sources: Sources) -> None:
    first, *commands = split(nodes, "|")
    if first and first[0].word != "search":
        _read_terms(first, sources)
        _read_groups(first, sources)
    elif first:
        _read_command(first, sources, is_first=True)
    for at, command in enumerate(commands):
        _read_command(command, sources, is_first=not first and at == 0)


def _read_terms(nodes: Nodes, sources: Sources) -> None:
    """Read the indices among search terms."""
    if not _names_index(nodes) or _may_reach_more(nodes):
        sources.reach_more()
    _add_indices(nodes, sources)


def _add_indices(nodes: Nodes, sources: Sources) -> None:
    for at, node in enumerate(nodes):
        if (values := _index_values(nodes, at)) is not None:
            for value in values:
                sources.add(value.text.removeprefix("index::"))
        elif node.word in ("eventtype", "tag", "savedsearch", "savedsplunk"):
            sources.reach_more()
        elif node.kind == "(":
            _add_indices(node.nodes, sources)


def _names_index(nodes: Nodes) -> bool:
    """Return True if search terms are restricted to indices that they name, in each of their alternatives."""
    start = 0
    alternatives: list[Nodes] = []
    for at, node in enumerate(nodes):
        if node.word == "or":
            alternatives.append(nodes[start:at])
            start = at + 1
    alternatives.append(nodes[start:])
    return all(
        any(
            (node.text.startswith("index") and _index_values(part, at) is not None)
            or (node.kind == "(" and _names_index(node.nodes))
            for at, node in enumerate(part)
            if not at or (part[at - 1].word != "not" and not part[at - 1].is_mark("="))
        )
        for part in alternatives
    )


def _index_values(nodes: Nodes, at: int) -> list[Node] | None:
    """Return the values of `index=a`, `index IN (a, b)` or `index::a` at a position; `None` for other terms."""
    word = nodes[at].word
    if word.startswith("index::"):
        return [nodes[at]]
    if word not in ("index", "_index") or at + 2 >= len(nodes):
        return None
    value = nodes[at + 2]
    if nodes[at + 1].kind not in (WORD, "(") and nodes[at + 1].text in ("=", "=="):
        return [value] if value.kind in (WORD, STRING) else [Node(STRING, "*")]
    if nodes[at + 1].word == "in" and value.kind == "(":
        return [one for one in value.nodes if one.kind in (WORD, STRING)]
    return None


def _read_command(nodes: Nodes, sources: Sources, *, is_first: bool) -> None:
    name = nodes[0].word if nodes else ""
    rest = nodes[1:]
    if name in _WRITES:
        sources.write(_target(rest, is_index=name in ("collect", "mcollect", "meventcollect")))
    elif name in _LOOKUPS:
        sources.add(_operand(rest))
    elif name in ("from", "datamodel", "pivot"):
        _read_dataset(name, rest, sources)
    elif name in _SEARCHES:
        _read_restricted(name, rest, sources, is_first=is_first)
    elif name == "delete":
        sources.written.update(sources.read)
        sources.reach_more()
    elif name not in _COMMANDS:
        sources.reach_more()
    if _may_reach_more(rest) or (name in ("join", "union") and not any(node.kind == "[" for node in rest)):
        sources.reach_more()
    if name in _WITHOUT_SOURCE:
        for group in rest:
            for command in split(group.nodes, "|") if group.kind == "[" else ():
                _read_command(command, sources, is_first=False)
    else:
        _read_groups(rest, sources)


def _may_reach_more(nodes: Nodes) -> bool:
    """Return True for macros, the function `lookup`, data sets by name, and escapes outside strings."""
    return any(
        node.kind == NAME
        or (node.word == "lookup" and nodes[at + 1 : at + 2] and nodes[at + 1].kind == "(")
        or node.word.startswith(_DATASET_KINDS)
        or (node.kind == WORD and "\\" in node.text)
        or (node.kind != "[" and _may_reach_more(node.nodes))
        for at, node in enumerate(nodes)
    )


def _read_restricted(name: str, nodes: Nodes, sources: Sources, *, is_first: bool) -> None:
    at = find_word(nodes, "from")
    if name == "tstats" and at < len(nodes):
        if at + 3 < len(nodes) and nodes[at + 1].word == "datamodel":
            sources.add(nodes[at + 3].text.partition(".")[0])
        sources.reach_more()  # a data model may read any index
        _add_indices(nodes, sources)
    elif name == "search" and not is_first:
        _add_indices(nodes, sources)  # filters what the search before it found
    else:
        _read_terms(nodes, sources)


def _read_dataset(command: str, nodes: Nodes, sources: Sources) -> None:
    """Read `from datamodel:"X"`, `from lookup:x`, or `datamodel X …`."""
    sources.reach_more()
    name = next((node.text for node in nodes if node.kind in (WORD, STRING)), "")
    kind, _, rest = name.partition(":")
    if command != "from":
        sources.add(name)
    elif kind.lower() in ("datamodel", "lookup", "savedsearch"):
        following = next((node.text for node in nodes[1:] if node.kind == STRING), "")
        if (table := rest or following) and kind.lower() != "savedsearch":
            sources.add(table.partition(".")[0] if kind.lower() == "datamodel" else table)


def _operand(nodes: Nodes) -> str:
    """Return the first argument that is no option, such as `append=true`."""
    at = 0
    while at < len(nodes) and nodes[at].kind in (WORD, STRING):
        if at + 1 >= len(nodes) or not nodes[at + 1].is_mark("="):
            return nodes[at].text
        at += 3
    return ""


def _target(nodes: Nodes, *, is_index: bool) -> str:
    if not is_index:
        return _operand(nodes)
    return next((one.text for at in range(len(nodes)) for one in _index_values(nodes, at) or ()), "")


def _read_groups(nodes: Nodes, sources: Sources) -> None:
    """Read the sub-searches among `nodes`."""
    for node in nodes:
        if node.kind == "[" and node.nodes:
            _read_search(node.nodes, sources)
        elif node.kind == "(":
            _read_groups(node.nodes, sources)
