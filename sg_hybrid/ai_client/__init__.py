"""The one part that talks to a network: AI providers behind the port `AiCoach`."""

from .coach import RemoteCoach
from .loading import create_coach

__all__ = ["RemoteCoach", "create_coach"]
