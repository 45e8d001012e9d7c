"""Scrapes of the metrics port."""

from __future__ import annotations

import time
from typing import NamedTuple

import requests
from prometheus_client import Metric
from prometheus_client.parser import text_string_to_metric_families

from gateway.proxy.worker import METRICS_SECONDS
from tests.support.running_up import Running


class Series(NamedTuple):
    """One time series."""

    name: str
    labels: tuple[tuple[str, str], ...]
    value: float


class Scrape:
    """The result of one scrape."""

    def __init__(self, text: str) -> None:
        self.families: dict[str, Metric] = {family.name: family for family in text_string_to_metric_families(text)}

    @property
    def series(self) -> list[Series]:
        """Every time series."""
        return [
            Series(sample.name, tuple(sorted(sample.labels.items())), sample.value)
            for family in self.families.values()
            for sample in family.samples
        ]

    def value(self, name: str, **labels: str) -> float:
        """Sum the series of a name that have these labels; 0 if there are none."""
        required = set(labels.items())
        return sum(series.value for series in self.series if series.name == name and required <= set(series.labels))


def scraped(running: Running) -> Scrape:
    """Scrape a running gateway, after its workers have written what they counted before."""
    time.sleep(2 * METRICS_SECONDS)
    response = requests.get(f"http://127.0.0.1:{running.environment['GATEWAY_METRICS_PORT']}/metrics", timeout=30)
    assert response.status_code == 200
    assert response.headers["Content-Type"].startswith("text/plain")
    return Scrape(response.text)
