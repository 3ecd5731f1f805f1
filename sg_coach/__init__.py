"""The Smart Guitar's rule-based coach: facts of a take in, coaching decisions out. No network, no event loop, no AI.

Everything that programs rely on is importable from here. The decisions (pure) are loaded at once; bundles, keys and
the command are loaded when they are first asked for.
"""

from importlib import import_module
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Final

from .assignment_policy import plan_assignment
from .assignment_serializer import assignment_to_json, assignment_to_jsonable, to_jsonable
from .canonical import canonical_assignment, canonical_evaluation, canonical_text
from .coach_policy import Thresholds, evaluate_session
from .contract import BUNDLE_VERSION, COACH_CONTRACT_VERSION
from .errors import (
    ArtifactMissing,
    CoachError,
    ExtraMissing,
    HashMismatch,
    InvalidInput,
    InvalidJson,
    LockTimeout,
    ManifestMissing,
    SignatureRefused,
    UnsafeArchive,
    UnsafePath,
)
from .models import (
    AssignmentMode,
    AssignmentProgression,
    AssignmentTargets,
    CoachEvaluation,
    CoachFinding,
    CoachingDeterministic,
    Decision,
    FindingCode,
    Focus,
    PracticeAssignment,
    ProgramRef,
    ProgramType,
    SessionRecord,
    Severity,
    SuccessCriteria,
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
from .styles import STYLES, Style

if TYPE_CHECKING:
    from .archives import safe_unzip
    from .cli import main
    from .ota_bundle import BundleBuildResult, build_assignment_ota_bundle
    from .ota_keys import SigningKey as SigningKey
    from .ota_keys import TrustedKey as TrustedKey
    from .ota_keys import generate_key_pair as generate_key_pair
    from .ota_keys import load_signing_key as load_signing_key
    from .ota_keys import load_trusted_key as load_trusted_key
    from .ota_manifest import OTA_BUNDLE_CONTRACT_VERSION, OtaArtifact, OtaBundleManifest
    from .ota_signing import SIGNATURE_STUB_VERSION, SignatureStub
    from .ota_verify import VerifiedBundle, verify_assignment_ota_bundle, verify_assignment_ota_zip
    from .trees import sha256_file

_LATER: Final = MappingProxyType(
    {
        "safe_unzip": "archives",
        "main": "cli",
        "BundleBuildResult": "ota_bundle",
        "build_assignment_ota_bundle": "ota_bundle",
        "SigningKey": "ota_keys",
        "TrustedKey": "ota_keys",
        "generate_key_pair": "ota_keys",
        "load_signing_key": "ota_keys",
        "load_trusted_key": "ota_keys",
        "OTA_BUNDLE_CONTRACT_VERSION": "ota_manifest",
        "OtaArtifact": "ota_manifest",
        "OtaBundleManifest": "ota_manifest",
        "SIGNATURE_STUB_VERSION": "ota_signing",
        "SignatureStub": "ota_signing",
        "VerifiedBundle": "ota_verify",
        "verify_assignment_ota_bundle": "ota_verify",
        "verify_assignment_ota_zip": "ota_verify",
        "sha256_file": "trees",
    }
)
"""Names whose module is loaded when they are first used (those of `ota_keys` need the extra `sign`)."""

__all__ = [
    "BUNDLE_VERSION",
    "COACH_CONTRACT_VERSION",
    "OTA_BUNDLE_CONTRACT_VERSION",
    "POLICIES",
    "SIGNATURE_STUB_VERSION",
    "STYLES",
    "V1_DEFAULT",
    "ArtifactMissing",
    "AssignmentMode",
    "AssignmentProgression",
    "AssignmentTargets",
    "BundleBuildResult",
    "CoachError",
    "CoachEvaluation",
    "CoachFinding",
    "CoachingDeterministic",
    "Decision",
    "ExtraMissing",
    "FindingCode",
    "Focus",
    "HashMismatch",
    "InvalidInput",
    "InvalidJson",
    "LockTimeout",
    "ManifestMissing",
    "OtaArtifact",
    "OtaBundleManifest",
    "PracticeAssignment",
    "ProgramRef",
    "ProgramType",
    "ProgressionPolicy",
    "SessionRecord",
    "Severity",
    "SignatureRefused",
    "SignatureStub",
    "Style",
    "SuccessCriteria",
    "TakeResult",
    "Thresholds",
    "UnsafeArchive",
    "UnsafePath",
    "VerifiedBundle",
    "apply_progression_policy",
    "assignment_to_json",
    "assignment_to_jsonable",
    "build_assignment_ota_bundle",
    "canonical_assignment",
    "canonical_evaluation",
    "canonical_text",
    "coaching_bytes",
    "evaluate_session",
    "main",
    "next_ema",
    "plan_assignment",
    "safe_unzip",
    "session_from",
    "sha256_file",
    "to_jsonable",
    "verify_assignment_ota_bundle",
    "verify_assignment_ota_zip",
]


def __getattr__(name: str) -> Any:
    if name not in _LATER:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f".{_LATER[name]}", __name__), name)
