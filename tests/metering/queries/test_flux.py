# ruff: noqa: E501 - the cases are read better in one line each
"""The measurements and buckets that Flux names; they are never exhaustive."""

from __future__ import annotations

import pytest

from gateway.metering.queries import flux


@pytest.mark.parametrize(
    ("text", "read", "written"),
    [
        ('from(bucket: "b") |> range(start: -1h) |> filter(fn: (r) => r._measurement == "Cpu")', ("cpu",), ()),
        ('from(bucket: "b") |> filter(fn: (r) => r["_measurement"] == "cpu" or r._measurement == "mem")', ("cpu", "mem"), ()),
        ('from(bucket: "b") |> range(start: -1h)', ("b",), ()),
        ('from(bucket: "b") |> filter(fn: (r) => r._measurement == "cpu") |> to(bucket: "dest")', ("cpu",), ("dest",)),
        ('import "influxdata/influxdb/schema"\nschema.measurementFieldKeys(bucket: "b", measurement: "cpu")', ("cpu",), ()),
        ('import "influxdata/influxdb/schema"\nschema.measurements(bucket: "b")', (), ()),
        ("buckets()", (), ()),
    ],
)  # fmt: skip
def test_tables(text: str, read: tuple[str, ...], written: tuple[str, ...]) -> None:
    found = flux.read(text)
    assert found is not None
    assert (found.read, found.written, found.is_exhaustive) == (read, written, False)


@pytest.mark.parametrize("text", ["", "x = 1", 'from(bucket: "b'])
def test_a_text_that_is_not_understood_has_no_analysis(text: str) -> None:
    assert flux.read(text) is None
