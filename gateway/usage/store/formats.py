"""The formats of exports."""

from __future__ import annotations

from enum import StrEnum


class Format(StrEnum):
    """File formats."""

    CSV = "csv"
    NDJSON = "ndjson"
    PARQUET = "parquet"


MEDIA_TYPES = {
    Format.CSV: "text/csv",
    Format.NDJSON: "application/x-ndjson",
    Format.PARQUET: "application/vnd.apache.parquet",
}
ENGINE_FORMATS = {Format.CSV: "CSVWithNames", Format.NDJSON: "JSONEachRow", Format.PARQUET: "Parquet"}
"""The names of the formats in ClickHouse."""
