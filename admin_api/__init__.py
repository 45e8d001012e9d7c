"""The admin API and its dashboard."""
