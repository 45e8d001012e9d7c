"""Usage events: the event, its stream, the writer, the table and its queries."""
