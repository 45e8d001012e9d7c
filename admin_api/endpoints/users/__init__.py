"""Users and service accounts: list, add, update, disable, enable, delete.

| module | content |
| --- | --- |
| `endpoints` | the endpoints; begin reading here |
| `models` | requests and responses |
| `policies` | the policy in a request |
| `examples` | examples for the OpenAPI document |
"""
