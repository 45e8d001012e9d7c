"""Check of the webhook: is it there, does its TLS work, and are alerts signed? Nothing is sent to it."""

from __future__ import annotations

import asyncio
import ssl
from urllib.parse import urlsplit

from gateway.alerts.webhook import WebhookAddress
from gateway.doctor.deployment import Check, Deployment

CONNECT_SECONDS = 5.0
_NAME = "webhook"
_FIX = "start the receiver, or check GATEWAY_WEBHOOK_URL"


async def check_webhook(deployment: Deployment) -> list[Check]:
    """Check the receiver of alerts. Its host is the only part of the URL in a finding."""
    settings = deployment.settings
    address = WebhookAddress.of(settings.webhook_url, settings.webhook_secret)
    if address is None and "webhook_url" in deployment.unknown_secrets:
        return [Check(_NAME, "skipped", "only the running gateway knows it: try it with `mcp-gateway alert test`")]
    if address is None:
        return [Check(_NAME, "skipped", "no alerts are sent: set GATEWAY_WEBHOOK_URL to get them")]
    checks = [await _connection(address)]
    if address.secret is None and "webhook_secret" not in deployment.unknown_secrets:
        finding = f"alerts to {address.host} are not signed, so anybody who knows its URL can forge them"
        checks.append(Check(_NAME, "warning", finding, "set GATEWAY_WEBHOOK_SECRET if the receiver checks signatures"))
    return checks


async def _connection(address: WebhookAddress) -> Check:
    parts = urlsplit(address.url)
    tls = ssl.create_default_context() if parts.scheme == "https" else None
    port = parts.port or (443 if tls else 80)
    try:
        async with asyncio.timeout(CONNECT_SECONDS):
            _, writer = await asyncio.open_connection(parts.hostname, port, ssl=tls)
    except ssl.SSLCertVerificationError as error:
        finding = f"the certificate of {address.host} is not accepted ({error.verify_message.rstrip('.')})"
        return Check(_NAME, "failed", finding, "set SSL_CERT_FILE to the PEM file of its issuer")
    except ssl.SSLError:
        return Check(_NAME, "failed", f"{address.host} does not speak TLS", "write http:// in GATEWAY_WEBHOOK_URL")
    except TimeoutError:
        return Check(_NAME, "failed", f"{address.host} cannot be reached (timed out)", _FIX)
    except (OSError, UnicodeError) as error:
        reason = getattr(error, "strerror", None) or "the name does not resolve"
        return Check(_NAME, "failed", f"{address.host} cannot be reached ({reason})", _FIX)
    writer.close()
    return Check(_NAME, "ok", f"{address.host} accepts connections; `mcp-gateway alert test` sends an alert")
