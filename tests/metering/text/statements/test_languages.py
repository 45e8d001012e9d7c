# ruff: noqa: E501, RUF001 - the cases are read better in one line each
"""Messages in eight languages, and data and prose that have words of messages in them."""

from __future__ import annotations

import pytest

from gateway.metering import MeteringResult
from tests.metering.support import metered, records, texts


@pytest.mark.parametrize(
    "text",
    [
        "ОШИБКА: отношение \"x\" не существует\nLINE 1: SELECT * FROM x",
        "错误：关系 \"x\" 不存在",
        "エラー:  リレーション\"x\"は存在しません",
        "FEHLER:  Relation »x« existiert nicht",
        "ERREUR:  la relation « x » n'existe pas",
        "ERROR:  no existe la relación «x»",
        "ERRO:  relação \"x\" não existe",
        "查询执行失败: syntax error",
        "查詢執行錯誤：語法錯誤",
        "数据库连接失败",
        "資料庫連線失敗",
        "请求超时",
        "クエリ実行エラー: x",
        "データベースに接続できません",
        "Verbindung zur Datenbank fehlgeschlagen",
        "Datenbankfehler: x",
        "Ha ocurrido un error al consultar",
        "Une erreur est survenue lors de la requête",
        "Ocorreu um erro ao consultar",
        "Ошибка базы данных: x",
        "Ошибка подключения",
    ],
)  # fmt: skip
def test_an_error_in_any_language_is_an_error(text: str) -> None:
    assert metered(texts(text)) == MeteringResult((), 0, "error")


@pytest.mark.parametrize(
    ("tool", "text", "expected"),
    [
        ("get_document", "Fehler: Eine kurze Geschichte\n\nEs war einmal ein Fehler, der lange lebte.\n\nEr ging hinaus in die Welt.\n\nDort blieb er.", None),
        ("get_page", "No results were better. We found three.\n\nMore text follows here, and more.", None),
        ("list_notes", "1. No results from the test (id: 4)\n2. Error in login (id: 5)", 2),
        ("list_notes", "Notes:\n- Nothing found in the cellar\n- No milk", 2),
        ("list_notes", "- No milk\n- No bread", 2),
        ("list_tasks", "Failed tasks:\n- build (exit 1)\n- test (exit 2)", 2),
        ("list_tasks", "Failed: 2\n- build\n- test", 2),
        ("get_failed_jobs", "Failed jobs (2):\n\n- build\n- test", 2),
        ("list_errors", "Error 1: timeout\nError 2: refused", 2),
        ("list_errors", "Errors (2):\n- timeout\n- refused", 2),
        ("list_errors", "Error summary:\n- timeout: 5\n- refused: 2", 2),
        ("query", "status | n\nfailed | 3\nopen | 2", 2),
        ("query", "message\nError: disk full\nNo rows found", None),
        ("query", "| message |\n|---|\n| No rows found |", 1),
        ("query", "| message |\n|---|\n| Error: x |", 1),
        ("search", "发现 3 个问题：\n\n1. 甲\n2. 乙\n3. 丙", 3),
        ("search", "共找到 512 条结果，显示前 2 条：\n\n- 甲\n- 乙", 2),
        ("search", "共找到 512 條結果，顯示第 1-2 條：\n\n1. 甲\n2. 乙", 2),
        ("search", "検索結果（2件）\n\n・甲\n・乙", 2),
        ("search", "Se encontraron 2 de 40 resultados:\n\n1. a\n2. b", 2),
        ("search", "Résultats (2) :\n\n1. a\n2. b", 2),
        ("search", "Найдено результатов: 2\n\n1. a\n2. b", 2),
        ("search", "Es wurden 2 Dokumente gefunden:\n\n1. a\n2. b", 2),
        ("search", "Foram encontrados 2 de 10 resultados\n\n1. a\n2. b", 2),
        ("search", "没有找到与“x”相关的结果。", 0),
        ("list_orders", "没有找到订单", 0),
        ("search", "找不到任何符合的結果", 0),
        ("search", "未找到任何内容", 0),
        ("search", "お探しの条件に一致する結果は見つかりませんでした。", 0),
        ("search", "一致するレコードはありません。", 0),
        ("search", "Für Ihre Suche wurden keine Ergebnisse gefunden.", 0),
        ("search", "Leider keine Treffer.", 0),
        ("search", "No se han encontrado coincidencias para su búsqueda.", 0),
        ("search", "No hay registros que coincidan.", 0),
        ("search", "Aucun résultat ne correspond à votre recherche.", 0),
        ("search", "Désolé, aucun document trouvé.", 0),
        ("search", "Não foi encontrado nenhum resultado.", 0),
        ("search", "Nenhum documento corresponde à sua pesquisa.", 0),
        ("search", "По вашему запросу ничего не найдено.", 0),
        ("search", "Записей нет", 0),
        ("search", "Список пуст", 0),
        ("query", "共 2 行受影响", 0),
        ("query", "成功更新 1 行数据", 0),
        ("query", "数据插入成功", 0),
        ("query", "執行成功，影響 2 筆資料", 0),
        ("query", "1 件のレコードが削除されました", 0),
        ("query", "1 Datensatz wurde gelöscht", 0),
        ("query", "Se actualizó 1 fila", 0),
        ("query", "1 fila insertada correctamente", 0),
        ("query", "1 ligne supprimée avec succès", 0),
        ("query", "1 linha atualizada com sucesso", 0),
        ("query", "1 registro excluído", 0),
        ("query", "Удалена 1 запись", 0),
        ("query", "1 строка обновлена", 0),
        ("query", "| 姓名 | 城市 |\n|---|---|\n| 张三 | 北京 |\n| 李四 | 上海 |\n\n共 2 条记录", 2),
        ("query", "姓名\t城市\n张三\t北京\n李四\t上海", 2),
        ("query", "查询返回 2 行:\n姓名, 城市\n张三, 北京\n李四, 上海", 2),
        ("list_tables", "表列表：\n1. 用户表\n2. 订单表", 2),
        ("list_tables", "数据库包含以下表：用户, 订单, 商品", 3),
    ],
)  # fmt: skip
def test_messages_have_no_records_but_data_with_their_words_has(tool: str, text: str, expected: int | None) -> None:
    assert records(texts(text), tool) == expected


def test_the_rows_of_one_selected_column_are_no_messages() -> None:
    text = "message\nError: disk full\nNo rows found"
    assert records(texts(text), sql="SELECT message FROM log") == 2
