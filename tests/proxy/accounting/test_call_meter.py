"""The worker's meter follows the rules file, and reports rules that fail."""

from __future__ import annotations

import logging
from pathlib import Path

import pytest

from gateway.metering import MeteringResult
from gateway.proxy.accounting.call_meter import CallMeter

RESULT = b'{"content":[],"structuredContent":{"a":[{},{}],"b":[{}],"secret":"s3cr3t"}}'


class MeterWithRules:
    """A meter, its rules file, and the number of rule failures."""

    def __init__(self, folder: Path) -> None:
        self.file = folder / "rules.toml"
        self.failures = 0
        self.meter = CallMeter(self.file, self._failed)

    def _failed(self) -> None:
        self.failures += 1

    async def write(self, text: str) -> None:
        self.file.write_text(text)
        await self.meter.reload()

    def records(self) -> int | None:
        return self.meter("get_x", {}, RESULT).records


def rule(expression: str) -> str:
    return f'workers = 1\n[[metering.rule]]\ntool = "get_*"\nrecords = "{expression}"\n'


@pytest.fixture
def meters(tmp_path: Path) -> MeterWithRules:
    return MeterWithRules(tmp_path)


async def test_new_rules_replace_the_old_ones(meters: MeterWithRules) -> None:
    assert meters.records() is None
    await meters.write(rule("length(structuredContent.a)"))
    assert meters.records() == 2
    await meters.write(rule("length(structuredContent.b)"))
    assert meters.records() == 1
    await meters.write("")
    assert meters.records() is None


@pytest.mark.parametrize("text", [rule("size(result)"), "[[metering", 'metering = "x"'])
async def test_invalid_rules_are_logged_and_the_current_rules_stay(
    text: str, meters: MeterWithRules, caplog: pytest.LogCaptureFixture
) -> None:
    await meters.write(rule("length(structuredContent.a)"))
    await meters.write(text)
    assert meters.records() == 2
    assert "the metering rules stay as they were" in caplog.text
    meters.file.unlink()
    await meters.meter.reload()
    assert meters.records() == 2
    assert "cannot be read" in caplog.text


async def test_a_rule_that_fails_is_logged_once_and_counted_each_time(
    meters: MeterWithRules, caplog: pytest.LogCaptureFixture
) -> None:
    await meters.write(rule("length(structuredContent.none)"))
    with caplog.at_level(logging.WARNING):
        assert meters.meter("get_x", {}, RESULT) == MeteringResult((), None, "unknown", "records: length() got null")
        meters.records()
    assert meters.failures == 2
    assert [record.getMessage() for record in caplog.records] == [
        "metering rule 1 (get_*) failed on a call: records: length() got null"
    ]


async def test_without_a_file_there_are_no_rules() -> None:
    meter = CallMeter(None, lambda: None)
    await meter.reload()
    assert meter("get_x", {}, RESULT).method == "unknown"
