# ruff: noqa: E501 - the cases are read better in one line each
"""Listings of files, and the output of common programs."""

from __future__ import annotations

import pytest

from tests.metering.support import records, texts

SVN_LOG = """\
----------------
r24 | ann | 2026-11-30 16:25:52 +0000 | 1 line

Fix it
----------------
r23 | ben | 2026-11-30 16:25:51 +0000 | 2 lines

Add it
and more
----------------"""


@pytest.mark.parametrize(
    ("tool", "text", "expected"),
    [
        ("list_files", "src/a.py\nsrc/b.py\nREADME.md", 3),
        ("list_files", "README.md\nLICENSE\nMakefile", 3),
        ("search_files", "src/a.py\nREADME.md\n", 2),
        ("search_files", "a.py", 1),
        ("search_files", "notes/a b.md\nnotes/c.md\nd e.md", 3),
        ("glob", "/srv/x/a.py\n/srv/x/b.py\n\nFound 2 files", 2),
    ],
)  # fmt: skip
def test_paths_with_and_without_folders_are_one_record_each(tool: str, text: str, expected: int) -> None:
    assert records(texts(text), tool) == expected


@pytest.mark.parametrize(
    ("tool", "text", "expected"),
    [
        ("list_directory", "total 8\ndrwxr-xr-x 2 ann ann 4096 Jan  2 10:00 .\ndrwxr-xr-x 9 ann ann 4096 Jan  2 10:00 ..\n-rw-r--r-- 1 ann ann  120 Jan  2 10:00 a.txt\n-rw-r--r-- 1 ann ann  120 Jan  2 10:00 b.txt", 2),
        ("list_directory", "-rw-r--r-- 1 ann ann  120 Jan  2 10:00 a.txt\n-rw-r--r-- 1 ann ann  120 Jan  2 10:00 b.txt", 2),
        ("list_directory", "📁 docs\n📁 src\n📄 README.md (1.2 KB)", 3),
        ("list_directory", "docs/\nsrc/\nREADME.md", 3),
        ("directory_tree", ".\n├── a.txt\n├── b\n│   └── c.txt\n└── d.txt\n\n1 directory, 3 files", 4),
        ("directory_tree", "srv\n├── a.txt\n└── d.txt", 2),
        ("grep", "a.py:3:import os\na.py:7:import re\nb/c.py:1:import os", 3),
        ("search_code", "src/a.py:3: import os\nsrc/a.py:7: import re", 2),
        ("search_code", "src/a.py:3:import os: a\nsrc/a.py-4-import re\n--\nsrc/b.py:9:import os", 2),
        ("search_code", "Found 3 matches:\n\na.py:\n  3: import os\n  7: import re\nb.py:\n  1: import os", 3),
        ("search_code", "File: a.py\n  Line 3: import os\n  Line 7: import re\nFile: b.py\n  Line 1: import os\n", 3),
        ("git_log", "commit 1f2e3d4c5b6a79881f2e3d4c5b6a79881f2e3d4c\nAuthor: Ann <a@x.org>\nDate:   Tue Jan 2 10:00:00 2024 +0000\n\n    Fix the door\n\ncommit 2f2e3d4c5b6a79881f2e3d4c5b6a79881f2e3d4c\nAuthor: Bob <b@x.org>\nDate:   Mon Jan 1 10:00:00 2024 +0000\n\n    Begin\n    \n    More text: here", 2),
        ("git_log", "1f2e3d4 Fix the door\n2f2e3d4 Begin", 2),
        ("git_log", "1f2e3d4 (HEAD -> main, origin/main) Fix the door\n2f2e3d4 Begin\nabcdef0 Merge branch 'x'", 3),
        ("git_log", "* 1f2e3d4 Fix the door\n* 2f2e3d4 Begin", 2),
        ("svn_log", SVN_LOG, 2),
        ("git_diff_stat", " a.py | 10 +++++-----\n b.py |  2 +-\n 2 files changed, 6 insertions(+), 6 deletions(-)", 2),
        ("git_tags", "v1.0\nv1.1\nv2.0", 3),
    ],
)  # fmt: skip
def test_the_entries_in_the_output_of_a_program_are_counted(tool: str, text: str, expected: int) -> None:
    assert records(texts(text), tool) == expected
