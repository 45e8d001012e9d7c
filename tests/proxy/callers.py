"""A caller, for tests in which it does not matter."""

from __future__ import annotations

from gateway.proxy.admission.admitted_request import Caller

CALLER = Caller(
    key_id="key_1",
    key_name="k",
    owner="ann",
    client_name="c",
    client_version="1",
    session_id="",
    protocol_version="",
    client_ip="127.0.0.1",
    gateway_id="g",
)
