"""The side of the proxy that clients connect to: HTTP/1.1, read strictly and written in as few pieces as can be."""
