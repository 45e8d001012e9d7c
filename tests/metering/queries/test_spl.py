"""The indices, lookups and data models that SPL reads, writes and may reach."""

from __future__ import annotations

import pytest

from gateway.metering.queries import spl
from gateway.metering.queries.analysis import QueryAnalysis


def analyzed(text: str) -> QueryAnalysis:
    found = spl.read(text)
    assert found is not None, text
    return found


@pytest.mark.parametrize(
    ("text", "read"),
    [
        ("search index=web status=500 | stats count by host, status", "web"),
        ('index="Web" OR index=audit | head 5', "audit web"),
        ('index IN (web, "audit") error', "audit web"),
        ("index::web", "web"),
        ("index=web (status=500 OR status=404)", "web"),
        ("index=web [ search index=audit | fields id ]", "audit web"),
        ("index=web | join id [ search index=audit | table id ]", "audit web"),
        ("| multisearch [search index=a] [search index=b]", "a b"),
        ("| tstats count where index=web by host", "web"),
        ("| inputlookup append=true users.csv", "users.csv"),
        ("index=web | lookup users id OUTPUT name", "users web"),
        ("index=web | appendpipe [ lookup users id ]", "users web"),
        ('index=web | eval x="| inputlookup users"', "web"),
        ("| metadata type=hosts index=web", "web"),
        ("| makeresults count=5", ""),
    ],
)
def test_sources_read(text: str, read: str) -> None:
    found = analyzed(text)
    assert (" ".join(found.read), found.is_exhaustive) == (read, True)


@pytest.mark.parametrize(
    ("text", "read"),
    [
        ("| tstats count from datamodel=Web where index=x by y", "web x"),
        ('| from datamodel:"Web.All"', "web"),
        ("| datamodel Web All search", "web"),
        ("| from lookup:users.csv", "users.csv"),
        ("index=web* | head", "web*"),
    ],
)
def test_a_data_model_is_a_source_that_may_read_others(text: str, read: str) -> None:
    found = analyzed(text)
    assert (" ".join(found.read), found.is_exhaustive) == (read, False)


@pytest.mark.parametrize(
    ("text", "written"),
    [
        ("index=web | collect index=summary", ("summary",)),
        ("index=web | outputlookup append=true users.csv", ("users.csv",)),
        ("index=web | delete", ("web",)),
    ],
)
def test_sources_written(text: str, written: tuple[str, ...]) -> None:
    found = analyzed(text)
    assert (found.read, found.written, found.is_exhaustive) == (("web",), written, False)


@pytest.mark.parametrize(
    "text",
    [
        "error",
        "index=*",
        "index!=web",
        "NOT index=web",
        "index=web OR host=x",
        "INDEX=web",
        "index=web | append [ search host=x ]",
        "index=web `macro(1)`",
        "index=web (host=x `macro`)",
        "eventtype=x index=web",
        "| savedsearch x",
        "| rest /services/server",
        '| dbxquery query="SELECT 1"',
        'index=web | map search="search index=secret"',
        'index=web | eval x=if(a, lookup("users", json_object()), b)',
        'index=web | join id datamodel:"Web"',
        "index=web | union secret",
        "index=web | foreach * [ unknown x ]",
        "index=web | unknown",
        "index=web ```comment``` | head",
        'index=web foo\\" | append [search index=secret] | eval x=\\"',
        "index=web | eval x='\"' | append [search index=secret] | eval y='\"'",
        "| tstats count from namespace where index=web",
    ],
)
def test_a_search_that_may_reach_more_is_not_exhaustive(text: str) -> None:
    found = spl.read(text)
    assert found is None or not found.is_exhaustive


@pytest.mark.parametrize("text", ["", 'index=web "open', "index=web [ search"])
def test_a_text_that_is_not_understood_has_no_analysis(text: str) -> None:
    assert spl.read(text) is None
