"""Prometheus metrics of alerts, in the admin process; see `gateway.observability.metrics`."""

from __future__ import annotations

from prometheus_client import Counter, Gauge

from gateway.alerts.metrics_sink import AlertMetricsSink, Outcome

_attempts = Counter(
    "mcp_gateway_alert_attempts",
    "Attempts to send an alert: sent, retried (the attempt failed, another one follows) or failed (given up).",
    ("outcome",),
)
_waiting = Gauge("mcp_gateway_alerts_waiting", "Alerts that were not sent yet.", multiprocess_mode="mostrecent")


class AlertMetrics(AlertMetricsSink):
    """Metrics of the sender of alerts."""

    def attempted(self, outcome: Outcome) -> None:
        _attempts.labels(outcome).inc()

    def waiting(self, alerts: int) -> None:
        _waiting.set(alerts)
