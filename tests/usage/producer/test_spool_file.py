"""The format of a spool file: whatever is cut off or overwritten, whole records are found and the rest is told."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from gateway.usage.producer.spool_file import SpoolRecord, decode, encode

RECORDS = st.lists(
    st.builds(SpoolRecord, st.text(max_size=30), st.integers(1, 1 << 40), st.integers(0, 300), st.binary(max_size=200)),
    max_size=6,
)


@given(RECORDS)
def test_records_survive_in_their_order(records: list[SpoolRecord]) -> None:
    contents = decode(b"".join(map(encode, records)))
    assert (contents.records, contents.torn, contents.damaged) == (tuple(records), 0, 0)


@given(RECORDS, st.data())
def test_a_file_cut_off_anywhere_gives_every_record_before_the_cut(
    records: list[SpoolRecord], data: st.DataObject
) -> None:
    encoded = [encode(record) for record in records]
    whole = b"".join(encoded)
    cut = data.draw(st.integers(0, len(whole)))
    kept, end = 0, 0
    while kept < len(encoded) and end + len(encoded[kept]) <= cut:
        end += len(encoded[kept])
        kept += 1
    contents = decode(whole[:cut])
    assert (contents.records, contents.torn, contents.damaged) == (tuple(records[:kept]), cut - end, 0)


@given(RECORDS.filter(lambda records: len(records) > 1), st.data())
def test_a_damaged_record_costs_no_other(records: list[SpoolRecord], data: st.DataObject) -> None:
    encoded = [bytearray(encode(record)) for record in records]
    hit = data.draw(st.integers(0, len(encoded) - 2))
    where = data.draw(st.integers(0, len(encoded[hit]) - 1))
    encoded[hit][where] ^= 0xFF
    contents = decode(b"".join(encoded))
    assert contents.records == tuple(records[:hit] + records[hit + 1 :])
    assert (contents.torn, contents.damaged) == (0, len(encoded[hit]))


@given(st.binary(max_size=300))
def test_any_bytes_are_read_without_an_error(data: bytes) -> None:
    contents = decode(data)
    assert contents.torn + contents.damaged <= len(data)
