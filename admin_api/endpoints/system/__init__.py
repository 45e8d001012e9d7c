"""The state of the installation: `/api/system`.

| module | holds |
| --- | --- |
| `status` | the endpoint that shows it; begin reading here |
| `dead_letters` | listing, retrying and dropping the events that ClickHouse refused |
| `models` | requests and responses, and their examples |
"""
