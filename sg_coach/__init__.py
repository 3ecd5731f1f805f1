"""The Smart Guitar's rule-based coach: facts of a take in, coaching decisions out. No network, no event loop, no AI."""

from .coach_policy import Thresholds, evaluate_session
from .contract import BUNDLE_VERSION, COACH_CONTRACT_VERSION
from .errors import CoachError, InvalidInput, InvalidJson, LockTimeout, UnsafePath
from .models import (
    CoachEvaluation,
    CoachFinding,
    CoachingDeterministic,
    Decision,
    FindingCode,
    Focus,
    ProgramRef,
    ProgramType,
    SessionRecord,
    Severity,
    TakeResult,
    session_from,
)
from .progression import (
    POLICIES,
    V1_DEFAULT,
    ProgressionPolicy,
    apply_progression_policy,
    coaching_bytes,
    next_ema,
)

__all__ = [
    "BUNDLE_VERSION",
    "COACH_CONTRACT_VERSION",
    "POLICIES",
    "V1_DEFAULT",
    "CoachError",
    "CoachEvaluation",
    "CoachFinding",
    "CoachingDeterministic",
    "Decision",
    "FindingCode",
    "Focus",
    "InvalidInput",
    "InvalidJson",
    "LockTimeout",
    "ProgramRef",
    "ProgramType",
    "ProgressionPolicy",
    "SessionRecord",
    "Severity",
    "TakeResult",
    "Thresholds",
    "UnsafePath",
    "apply_progression_policy",
    "coaching_bytes",
    "evaluate_session",
    "next_ema",
    "session_from",
]
