# ruff: noqa: RUF001 - the cases are read better in one line each
"""The numbers of records that headings and footers state."""

from __future__ import annotations

import pytest

from gateway.metering.text.statements.witnesses import Agreement, Stated, agreement, stated


@pytest.mark.parametrize(
    ("line", "returned", "total"),
    [
        ("(3 rows)", 3, None),
        ("3 rows in set (0.00 sec)", 3, None),
        ("Found 2 issues:", None, 2),
        ("Showing 1–20 of 512", 20, 512),
        ("Showing 1-20 of 512 results:", 20, 512),
        ("Total: 5", None, 5),
        ("Query returned 1 of 41 records:", 1, 41),
        ("2 of 41 (showing first 2)", 2, 41),
        ("0 of 0 (status: open)", 0, 0),
        ("Page 1 of 5", None, None),
        ("1000 rows (4 shown)", 4, None),
        ("Found 12154 documents, showing 3:", 3, 12154),
        ("**3 rows returned**", 3, None),
        ("Rows: 5", 5, None),
        ("Row count: 5", None, 5),
        ("Total results: 10, showing 2", 2, 10),
        ("Results (2 rows):", 2, None),
        ("Tables (3)", 3, None),
        ("3 tables found", None, 3),
        ("Showing first 10 of 1,234 rows", 10, 1234),
        ("Showing 10 results out of 1234", 10, 1234),
        ("Displaying rows 1 to 50 of 500", 50, 500),
        ("Query executed. 2 rows returned.", 2, None),
        ("Total: 2 files, 0 directories", None, 2),
        ("Returned 5 rows in 12 ms", 5, None),
        ("# Tasks", None, None),
        ("*2 task(s)*", 2, None),
        ("Found 2 results for \"x\":", None, 2),
        ("2024-01-02", None, None),
        ("1.5 GB in 3 files", 3, None),
        ("查询结果（共 2 条）：", None, 2),
        ("找到 3 个结果", None, 3),
        ("共５条记录", None, 5),
        ("第 1-20 条，共 512 条", 20, 512),
        ("返回 10 行", 10, None),
        ("总计：5", None, 5),
        ("查询成功，返回 2 行：", 2, None),
        ("共 512 条，显示前 20 条", 20, 512),
        ("2件見つかりました:", 2, None),
        ("検索結果: 2件", 2, None),
        ("全512件中 1～2件を表示", 2, 512),
        ("512件中20件を表示", 20, 512),
        ("合計: 5件", None, 5),
        ("2 Ergebnisse gefunden:", None, 2),
        ("Zeige 1–2 von 1.234:", 2, 1234),
        ("3 Zeilen", 3, None),
        ("Gefunden: 2 Treffer", None, 2),
        ("Anzahl: 5", None, 5),
        ("20 von 512 Datensätzen", 20, 512),
        ("Se encontraron 2 resultados:", None, 2),
        ("Mostrando 1-2 de 512 resultados", 2, 512),
        ("3 filas", 3, None),
        ("Total : 5", None, 5),
        ("2 résultats trouvés :", None, 2),
        ("Affichage de 1 à 2 sur 1 234 résultats", 2, 1234),
        ("3 lignes", 3, None),
        ("Encontrados 2 resultados:", None, 2),
        ("Foram encontrados 2 registros", None, 2),
        ("3 linhas", 3, None),
        ("Найдено 2 записи:", None, 2),
        ("Показано 1–20 из 512", 20, 512),
        ("Всего: 5", None, 5),
        ("3 строки", 3, None),
        ("Найдено: 3", None, 3),
        ("Bob, 5 years", None, None),
        ("Columns (2): a, b", 2, None),
        ("Total rows: 5", None, 5),
        ("5 rows × 3 columns", 5, None),
        ("[5 rows x 3 columns]", 5, None),
        ("5 results", 5, None),
        ("rows=5", 5, None),
        ("count=5", None, 5),
        ("Top 5 results", 5, None),
        ("Last 20 log lines:", 20, None),
        ("Search results (2 found):", None, 2),
        ("Results: 2", 2, None),
        ("3 matches in 2 files", 3, None),
        ("12 of 40 shown", 12, 40),
        ("(showing 20 of 512 rows)", 20, 512),
        ("... and 40 more rows", None, None),
        ("... (40 more)", None, None),
        ("[truncated: 20 of 512 rows shown]", 20, 512),
        ("Fetched 3 rows from users", 3, None),
        ("1/3 tasks completed", 1, 3),
    ],
)  # fmt: skip
def test_a_line_states_the_records_returned_and_those_that_exist(
    line: str, returned: int | None, total: int | None
) -> None:
    found = stated(line)
    assert (found.returned, found.total) == (returned, total)


@pytest.mark.parametrize(
    ("statements", "expected"),
    [
        ([], Agreement.SILENT),
        ([Stated(returned=3)], Agreement.AGREES),
        ([Stated(returned=3, total=512)], Agreement.AGREES),
        ([Stated(total=3)], Agreement.AGREES),
        ([Stated(total=512)], Agreement.SILENT),
        ([Stated(returned=12154)], Agreement.SILENT),
        ([Stated(returned=2)], Agreement.DISAGREES),
        ([Stated(total=2)], Agreement.DISAGREES),
        ([Stated(returned=2, is_of_rows=False)], Agreement.SILENT),
        ([Stated(returned=2), Stated(total=3)], Agreement.AGREES),
    ],
)
def test_a_statement_of_fewer_records_contradicts_a_count(statements: list[Stated], expected: Agreement) -> None:
    assert agreement(statements, 3) is expected
