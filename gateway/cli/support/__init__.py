"""Parts that several commands share: options, output, and access to the gateway's stores and its admin API."""
