"""What `mcp-gateway doctor` looks at: each thing is one line that says what is wrong and how to mend it."""

from gateway.doctor.checks import Check, Subject, examine

__all__ = ["Check", "Subject", "examine"]
