"""What can go wrong in the worker.

    HybridError
    ├── ConfigError        a setting that cannot be used (exit 3)
    ├── QueueHeld          another worker owns this queue (exit 4)
    ├── BundleRefused      a bundle whose input cannot be used: becomes `clip.error.json` (exit 5)
    ├── StaleTake          a newer take replaced the one that an addendum was meant for
    └── AiError            a call that gave no usable reply; `kind` is what logs and metrics count
        ├── AiUnreachable  offline, DNS, TLS, refused or broken connection (kind `unreachable`)
        │   └── AiNotReached  there was no connection at all
        ├── AiTimeout      no complete reply inside the late window (kind `timeout`)
        ├── AiBusy         429, 529 or 5xx after the retries (kind `busy`)
        ├── AiRefused      4xx: key, model or request not accepted (kind `refused`); never retried
        │   └── AiNotUsable    the client cannot be made: no key, no SDK
        ├── AiPaused       nothing was asked: the service failed lately and is left alone (kind `paused`)
        │   └── AiUsedUp       nothing was asked: others used up the day's limit meanwhile
        └── AiInvalid      an answer that is no usable coaching (kind `invalid`)
            └── AiRejected whole, but its words may not be shown: not clean, or not grounded (kind `rejected`)

`sg_coach.errors` covers input and disk paths; `OSError` is never wrapped.
"""

from __future__ import annotations

from typing import ClassVar


class HybridError(Exception):
    """The worker could not do what was asked."""

    exit_code: ClassVar[int] = 1

    def __init__(self, message: str | None = None) -> None:
        super().__init__(message or (type(self).__doc__ or "").strip())


class ConfigError(HybridError):
    """A setting cannot be used."""

    exit_code = 3


class QueueHeld(HybridError):
    """Another worker owns this queue."""

    exit_code = 4


class BundleRefused(HybridError):
    """The bundle's input cannot be used."""

    exit_code = 5


class StaleTake(HybridError):
    """A newer take replaced this one."""


class AiError(HybridError):
    """The AI gave no usable reply."""

    kind: ClassVar[str] = "error"
    was_sent: ClassVar[bool] = True
    """False: nothing went out, so that the call cost nothing and counts in no limit."""


class AiUnreachable(AiError):
    """The AI service could not be reached."""

    kind = "unreachable"


class AiNotReached(AiUnreachable):
    """There was no connection to the AI service."""

    was_sent = False


class AiTimeout(AiError):
    """The AI service did not answer in time."""

    kind = "timeout"


class AiBusy(AiError):
    """The AI service is overloaded or limits our calls."""

    kind = "busy"

    def __init__(self, message: str | None = None, *, retry_after_s: float | None = None) -> None:
        super().__init__(message)
        self.retry_after_s = retry_after_s


class AiRefused(AiError):
    """The AI service does not accept the request."""

    kind = "refused"


class AiNotUsable(AiRefused):
    """The client of the AI service cannot be made."""

    was_sent = False


class AiPaused(AiError):
    """The AI service failed lately and is left alone for a while."""

    kind = "paused"
    was_sent = False


class AiUsedUp(AiPaused):
    """The day's limit of AI calls is used up."""


class AiInvalid(AiError):
    """The AI's answer is no usable coaching."""

    kind = "invalid"


class AiRejected(AiInvalid):
    """The AI's words may not be shown to a player."""

    kind = "rejected"
