"""The signature of a request to a webhook: HMAC-SHA256 of the time, a dot and the body.

Pure: does no I/O.
"""

from __future__ import annotations

import hashlib
import hmac

SIGNATURE_HEADER = "X-Gateway-Signature"


def signature(secret: str, body: bytes, seconds: int) -> str:
    """Return the value of `SIGNATURE_HEADER` for a request that is sent at this time (seconds since the epoch)."""
    digest = hmac.new(secret.encode(), b"%d.%b" % (seconds, body), hashlib.sha256).hexdigest()
    return f"t={seconds},v1={digest}"
