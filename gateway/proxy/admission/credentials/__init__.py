"""Credentials: the API key of a request.

- `key_headers`: finds the key in the headers of a request; pure.
- `authentication`: from the key to a `Principal`.
- `wrong_keys`: how many wrong keys a source may try.
"""
