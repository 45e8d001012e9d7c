"""TLS of the proxy and the admin API: the certificate, its reload, and how commands on this machine verify it.

- `pair`: the certificate and the key, read from their files; begin here.
- `server`: the TLS context of a listening socket; new handshakes use the current files.
- `transport`: a TLS connection that pauses and closes as a plain one.
- `inspection`: names and expiry of a certificate.
- `local_client`: the TLS context of commands that connect to the gateway on this machine.

Imports no other package of the project; the table in tests/test_imports.py says which packages import it.
"""
