"""The structure of a JSON value, read within bounds: `reading` chooses `sampled` or `single_pass` by the size."""

from gateway.metering.json.structure.reading import MAX_ELEMENT_BYTES, MAX_SAMPLED_BYTES, read
from gateway.metering.json.structure.sampled import MAX_WHOLE
from gateway.metering.json.structure.single_pass import MAX_OBJECTS

__all__ = ["MAX_ELEMENT_BYTES", "MAX_OBJECTS", "MAX_SAMPLED_BYTES", "MAX_WHOLE", "read"]
