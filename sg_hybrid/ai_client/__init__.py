"""The one part that talks to a network: the Messages API behind the port `AiCoach`."""

from .coach import AnthropicCoach

__all__ = ["AnthropicCoach"]
