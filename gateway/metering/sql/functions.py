"""SQL functions by what they can read: files, or nothing but their arguments.

A function that neither is listed here nor is known to the parser may be user-defined, and may read any table.
"""

from __future__ import annotations

from gateway.metering.vocabulary.names import word_set

_FILE_READERS = word_set(
    "readcsv readcsvauto readparquet parquetscan readjson readjsonauto readndjson readndjsonauto readjsonobjects "
    "readxlsx readtext readblob stread icebergscan deltascan sniffcsv file url s3 s3cluster gcs hdfs"
)
_ROW_GENERATORS = word_set(
    "generateseries explodinggenerateseries generatedatearray generatetimestamparray range unnest explode "
    "posexplode jsoneach jsontree jsonbeach jsontable jsonbarrayelements jsonarrayelements jsonbarrayelementstext "
    "jsonarrayelementstext jsonbtorecordset jsontorecordset jsonobjectkeys jsonbobjectkeys regexpmatches "
    "regexpsplittotable stringtotable stringsplit splittotable flatten openjson numbers values"
)
_PURE = word_set(
    "abs age arrayagg avg ceil ceiling changes char chr coalesce concat count cos date dateadd datediff datepart "
    "datetime day dayofweek dayofyear degrees exp extract floor format formatdatetime gcd glob greatest hex hour "
    "ifnull iif instr isnull json jsonarray jsonarraylength jsonb jsonbbuildobject jsonbuildobject jsonbagg "
    "jsonextract jsonobject jsongroupobject jsongrouparray julianday justifyhours lag lastvalue lcase least left "
    "len length ln log log10 log2 lower lpad ltrim makedate maketime max md5 median min minute mod mode month "
    "monthname now ntile nullif octetlength overlay percentilecont percentiledisc pi position pow power printf "
    "quarter quote radians random regexpcount regexpinstr regexplike regexpmatch regexpreplace regexpsubstr "
    "repeat replace reverse right round rpad rtrim sha256 second sign sin soundex splitpart sqrt stddev strftime "
    "strpos strptime strtodate substr substring sum tan time timediff timestamp toascii todays tochar todate "
    "tohex tojson tojsonb tonumber totimestamp total translate trim trunc truncate typeof ucase unicode unixepoch "
    "upper variance version week weekday weekofyear year zeroblob"
)


def _normalize(name: str) -> str:
    return name.replace("_", "").lower()


def reads_files(name: str) -> bool:
    """Return True if the table function reads the files that its arguments name."""
    return _normalize(name) in _FILE_READERS


def generates_rows(name: str) -> bool:
    """Return True if the table function makes its rows from its arguments alone."""
    return _normalize(name) in _ROW_GENERATORS


def reads_arguments_only(name: str) -> bool:
    """Return True if the function is known to read nothing but its arguments."""
    return _normalize(name) in _PURE or _normalize(name) in _ROW_GENERATORS
