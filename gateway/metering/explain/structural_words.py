"""Words that anonymization keeps: those with which results are structured, not those of data.

They are the member and argument names of the vocabulary, the words of headings, footers and messages, keywords of query
languages, types, and syntax of formats. All are common terms.
"""

from __future__ import annotations

from collections.abc import Iterable
from functools import lru_cache

from gateway.metering.vocabulary import arguments, members
from gateway.metering.vocabulary.names import normalize_name, word_set

STATING_WORDS = word_set(
    "rows records results documents items entries lines files matches hits total count found returned showing shown "
    "show displaying page pages of out first last top limit offset limited skip take fetch head tail shape max "
    "maximum next affected inserted updated deleted changed more remaining matched num insgesamt gefunden zeilen "
    "einträge treffer trouvés résultats lignes encontrados encontradas filas registros resultados linhas строк "
    "записей результатов найдено всего"
)
"""Words that, with a number, state how many records there are, were or may be: `found 3`, `limit: 3`."""

COUNTED_WORDS = STATING_WORDS | word_set(
    "issues messages events nodes objects points series groups columns fields tables tasks notes users keys values "
    "tags collections databases indexes sheets cells logs hidden available datensätze ergebnisse enregistrements "
    "tablas tabellen"
)
"""Words that make the number before them a statement: `3 rows`."""

_RECORD_WORDS = word_set(
    "row record result document item entry line file match matching hit size length number issue message event node "
    "object point group column field table task note user key value tag collection database index sheet cell log"
)
_MESSAGE_WORDS = word_set(
    "executing calling running querying fetching creating updating deleting marked you mean a an the and or not no "
    "none nothing zero empty is are was were be been has have had does do did doesn exist exists in at on by to "
    "from for with without within as it its this that these those there here all any each other if when while "
    "during than then so only use used using can could cannot couldn can't unable failed failure fails error errors "
    "exception exceptions traceback most recent call fatal panic invalid unsupported unknown missing denied access "
    "permission permissions unauthorized forbidden authorized rejected blocked refused aborted allowed permitted "
    "supported such syntax timed timeout code occurred warning note info hint success successful successfully ok "
    "okay done true false yes null nil undefined unnamed query queries statement statements command operation "
    "executed execution completed complete finished started pending queued processing retrieved loaded listed "
    "connected validated processed succeeded read written wrote write created added modified removed dropped saved "
    "altered renamed truncated set put pushed stored appended moved copied staged committed commit replaced "
    "archived restored cancelled closed assigned scheduled imported uploaded exported filtered sorted ordered "
    "grouped per time took seconds second minutes ms sec data list output response name names title description "
    "type types schema schemas id ids uuid status state label labels preview sample header headers summary details "
    "contents content body text view views relation relations primary foreign unique constraint constraints default "
    "nullable required optional argument arguments parameter parameters string number boolean integer array object "
    "objects date timestamp year month day hour available current currently new old rows(s) search searching "
    "matched hits listing read-only dataset datasets bucket buckets metric metrics measurement measurements stream "
    "streams topic topics worksheet worksheets spreadsheet directory directories folder folders dir path paths url "
    "uri link links branch branches tool tools function functions s es t am pm"
)

_MESSAGE_WORDS_OF_OTHER_LANGUAGES = word_set(
    "keine kein nicht gefunden fehler ergebnis zeile eintrag datensatz von insgesamt gesamt leer tabelle tabellen "
    "aucun aucune trouvé trouvée trouvés trouvées erreur résultat ligne enregistrement sur vide pas de la le les "
    "ningún ninguna ningun encontró encontraron encontrado encontrados error fila registro resultado vacío se no el "
    "los las nenhum nenhuma encontrada erro linha vazio não nada tabela tabelas tabla tablas errore nessun "
    "risultato ничего не ошибка строка строки запись записи результат результата всего пусто таблица таблицы"
)

CJK_PHRASES = word_set(
    "错误 錯誤 查询 结果为空 结果 没有 找到 查到 查询到 未找到 未 暂无 无 数据 记录 匹配 影响 "
    "的行数 行数 行 共 条 总计 返回 显示 表 个 第 页 成功 失败 エラー 件 見つかりません "
    "見つかりました ありません データ 結果 レコード テーブル 行目 全 오류 결과 없음 건 행 개 沒有 任何 查詢 "
    "符合 無 記錄 資料 筆 詳情 狀態 任務 列表 详情 状态 任务 全部 总数 總數"
)
"""Words of languages that are written without spaces."""

_QUERY_WORDS = word_set(
    "get post put patch head eq neq gt gte lt lte ask prefix construct select from where group having order limit "
    "offset distinct union intersect except all join left right inner outer full cross natural on using as with "
    "recursive case when then else end between like ilike in exists and or not null is asc desc nulls insert into "
    "values returning update set delete merge replace truncate create drop alter add table view materialized temp "
    "temporary index database schema function procedure trigger if explain analyze describe show pragma use begin "
    "transaction rollback call exec execute copy attach grant revoke vacuum pivot unpivot summarize over partition "
    "window row_number rank dense_rank lag lead count sum avg min max coalesce cast convert concat substr substring "
    "lower upper trim length round abs extract interval now current_date current_timestamp lateral unnest "
    "tablesample qualify sample top percent ties only rows range preceding following unbounded dual "
    "information_schema pg_catalog pg_class pg_tables sqlite_master sqlite_schema sys sysobjects table_name "
    "table_schema column_name data_type read_csv read_csv_auto read_parquet read_json match unwind return detach "
    "optional project extend take sort render let evaluate mv-expand stats eval dedup rex source keep rename search "
    "bin filter aggregateWindow pipe rate increase by without histogram_quantile"
)

_TYPE_WORDS = word_set(
    "tzinfo utc timedelta int int2 int4 int8 int16 int32 int64 uint8 uint32 uint64 bigint smallint tinyint integer "
    "real float float32 float64 double precision decimal numeric number money text varchar nvarchar char nchar "
    "character varying string str bool boolean bit blob bytea binary date datetime time timestamp timestamptz "
    "timezone json jsonb xml uuid array struct map list tuple dict set object any unknown enum serial objectid "
    "datetime64 none nan nat inf infinity ordereddict row namedtuple i32 i64 f32 f64 u32 u64 memory usage entries "
    "non-null dtype dtypes rangeindex dataframe std mean median"
)

_FORMAT_WORDS = word_set(
    "html head body table thead tbody tr td th ul ol li dl dt dd div span pre code br hr h1 h2 h3 p b i strong em a "
    "href class xml version encoding utf amp lt gt quot apos nbsp http https www file csv tsv json jsonl ndjson "
    "xlsx xls parquet yaml yml db sqlite sql txt md log gz zip plain application image png jpeg audio resource link "
    "mimetype markdown untrusted untrusteddata jsonrpc tool iserror"
)

_NAMES = frozenset(
    normalize_name(name)
    for module in (members, arguments)
    for names in vars(module).values()
    if isinstance(names, frozenset | tuple | list)
    for name in names
    if isinstance(name, str)
)
_WORDS = COUNTED_WORDS.union(
    _RECORD_WORDS, _MESSAGE_WORDS, _MESSAGE_WORDS_OF_OTHER_LANGUAGES, _QUERY_WORDS, _TYPE_WORDS, _FORMAT_WORDS
)


class StructuralWords:
    """The words that are kept in one call: the common ones, and those of the name of its tool."""

    def __init__(self, more: Iterable[str] = ()) -> None:
        self._more = frozenset(word.lower() for word in more)

    def __contains__(self, word: str) -> bool:
        return word.lower() in self._more or is_structural(word)


@lru_cache(maxsize=4_096)
def is_structural(word: str) -> bool:
    """Return True if a word or identifier is a common term with which results are structured."""
    return word.lower() in _WORDS or normalize_name(word) in _NAMES
