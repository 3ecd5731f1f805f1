"""A local stand-in for the AI service, with latency models and faults: a development tool, never a fallback."""

from .outcomes import PROFILES, Behaviour, Call, Fault, Outcome, ProfileName, error, from_profile, scripted
from .server import Simulator, run_simulator, serve

__all__ = [
    "PROFILES",
    "Behaviour",
    "Call",
    "Fault",
    "Outcome",
    "ProfileName",
    "Simulator",
    "error",
    "from_profile",
    "run_simulator",
    "scripted",
    "serve",
]
