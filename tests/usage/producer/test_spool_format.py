"""The spool format: intact records are found in a truncated or overwritten file, and the rest is counted."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from gateway.usage.producer.spool_format import SpoolRecord, decode, encode

RECORDS = st.lists(
    st.builds(SpoolRecord, st.text(max_size=30), st.integers(1, 1 << 40), st.integers(0, 300), st.binary(max_size=200)),
    max_size=6,
)


@given(RECORDS)
def test_records_are_decoded_in_order(records: list[SpoolRecord]) -> None:
    contents = decode(b"".join(map(encode, records)))
    assert (contents.records, contents.torn, contents.damaged) == (tuple(records), 0, 0)


@given(RECORDS, st.data())
def test_a_truncated_file_gives_every_record_before_the_cut(records: list[SpoolRecord], data: st.DataObject) -> None:
    encoded = [encode(record) for record in records]
    data_of_all = b"".join(encoded)
    cut = data.draw(st.integers(0, len(data_of_all)))
    kept, end = 0, 0
    while kept < len(encoded) and end + len(encoded[kept]) <= cut:
        end += len(encoded[kept])
        kept += 1
    contents = decode(data_of_all[:cut])
    assert (contents.records, contents.torn, contents.damaged) == (tuple(records[:kept]), cut - end, 0)


@given(RECORDS.filter(lambda records: len(records) > 1), st.data())
def test_a_damaged_record_affects_no_other(records: list[SpoolRecord], data: st.DataObject) -> None:
    encoded = [bytearray(encode(record)) for record in records]
    hit = data.draw(st.integers(0, len(encoded) - 2))
    where = data.draw(st.integers(0, len(encoded[hit]) - 1))
    encoded[hit][where] ^= 0xFF
    contents = decode(b"".join(encoded))
    assert contents.records == tuple(records[:hit] + records[hit + 1 :])
    assert (contents.torn, contents.damaged) == (0, len(encoded[hit]))


@given(st.binary(max_size=300))
def test_decoding_arbitrary_bytes_never_raises(data: bytes) -> None:
    contents = decode(data)
    assert contents.torn + contents.damaged <= len(data)
