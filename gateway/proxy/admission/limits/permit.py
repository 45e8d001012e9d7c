"""The permit of an admitted request. It holds the slots until the calls have ended upstream."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from gateway.proxy.admission.limits.slots import Slot


class Permit:
    """An admitted request."""

    __slots__ = ("_give_back", "_release", "_slots", "header_lines")

    def __init__(
        self,
        header_lines: bytes = b"",
        slots: Sequence[Slot] = (),
        release: Callable[[Sequence[Slot]], None] | None = None,
        give_back: Callable[[], None] | None = None,
    ) -> None:
        self.header_lines = header_lines
        """The header lines of the response that say what is left of the limits."""
        self._slots = slots
        self._release = release
        self._give_back = give_back

    @property
    def slots(self) -> Sequence[Slot]:
        """The slots that are held."""
        return self._slots

    def release(self) -> None:
        """Release the slots. Further calls have no effect."""
        slots, self._slots = self._slots, ()
        if slots and self._release is not None:
            self._release(slots)

    def cancel(self) -> None:
        """Give back what the request consumed, because it was not sent."""
        self.release()
        if self._give_back is not None:
            self._give_back()

    def pop_slots(self) -> Sequence[Slot]:
        """Return the slots and stop holding them: the caller lends them to the calls."""
        slots, self._slots = self._slots, ()
        return slots


NO_LIMITS = Permit()
"""The permit of a request whose key has no limits."""
