"""The Smart Guitar's rule-based coach: facts of a take in, coaching decisions out. No network, no event loop, no AI.

Everything that programs rely on is importable from here. A module is loaded when one of its names is first asked for,
so this package costs next to nothing until then, and `sgc` can answer a Ctrl-C that comes while it is loaded.
"""

TYPE_CHECKING = False  # as in `typing`, which costs more to load than all of this
if TYPE_CHECKING:
    from typing import Any

    from .archives import safe_unzip
    from .assignment_policy import plan_assignment
    from .assignment_serializer import assignment_to_json, assignment_to_jsonable, to_jsonable
    from .canonical import canonical_assignment, canonical_evaluation, canonical_text
    from .cli import main
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
    from .ota_bundle import BundleBuildResult, build_assignment_ota_bundle
    from .ota_keys import SigningKey as SigningKey
    from .ota_keys import TrustedKey as TrustedKey
    from .ota_keys import generate_key_pair as generate_key_pair
    from .ota_keys import load_signing_key as load_signing_key
    from .ota_keys import load_trusted_key as load_trusted_key
    from .ota_manifest import OTA_BUNDLE_CONTRACT_VERSION, OtaArtifact, OtaBundleManifest
    from .ota_signing import SIGNATURE_STUB_VERSION, SignatureStub
    from .ota_verify import VerifiedBundle, verify_assignment_ota_bundle, verify_assignment_ota_zip
    from .progression import (
        POLICIES,
        V1_DEFAULT,
        ProgressionPolicy,
        apply_progression_policy,
        coaching_bytes,
        next_ema,
    )
    from .styles import STYLES, Style
    from .trees import sha256_file

_NAMES = {
    "archives": ("safe_unzip",),
    "assignment_policy": ("plan_assignment",),
    "assignment_serializer": ("assignment_to_json", "assignment_to_jsonable", "to_jsonable"),
    "canonical": ("canonical_assignment", "canonical_evaluation", "canonical_text"),
    "cli": ("main",),
    "coach_policy": ("Thresholds", "evaluate_session"),
    "contract": ("BUNDLE_VERSION", "COACH_CONTRACT_VERSION"),
    "errors": (
        "ArtifactMissing",
        "CoachError",
        "ExtraMissing",
        "HashMismatch",
        "InvalidInput",
        "InvalidJson",
        "LockTimeout",
        "ManifestMissing",
        "SignatureRefused",
        "UnsafeArchive",
        "UnsafePath",
    ),
    "models": (
        "AssignmentMode",
        "AssignmentProgression",
        "AssignmentTargets",
        "CoachEvaluation",
        "CoachFinding",
        "CoachingDeterministic",
        "Decision",
        "FindingCode",
        "Focus",
        "PracticeAssignment",
        "ProgramRef",
        "ProgramType",
        "SessionRecord",
        "Severity",
        "SuccessCriteria",
        "TakeResult",
        "session_from",
    ),
    "ota_bundle": ("BundleBuildResult", "build_assignment_ota_bundle"),
    "ota_keys": ("SigningKey", "TrustedKey", "generate_key_pair", "load_signing_key", "load_trusted_key"),
    "ota_manifest": ("OTA_BUNDLE_CONTRACT_VERSION", "OtaArtifact", "OtaBundleManifest"),
    "ota_signing": ("SIGNATURE_STUB_VERSION", "SignatureStub"),
    "ota_verify": ("VerifiedBundle", "verify_assignment_ota_bundle", "verify_assignment_ota_zip"),
    "progression": (
        "POLICIES",
        "ProgressionPolicy",
        "V1_DEFAULT",
        "apply_progression_policy",
        "coaching_bytes",
        "next_ema",
    ),
    "styles": ("STYLES", "Style"),
    "trees": ("sha256_file",),
}
"""The public names by their module (those of `ota_keys` need the extra `sign`)."""

_MODULE_OF = {name: module for module, names in _NAMES.items() for name in names}

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


def __getattr__(name: str) -> "Any":
    from importlib import import_module

    if name in _NAMES:
        return import_module(f".{name}", __name__)
    if name not in _MODULE_OF:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    found = globals()[name] = getattr(import_module(f".{_MODULE_OF[name]}", __name__), name)
    return found


def __dir__() -> list[str]:
    from importlib.util import find_spec

    # `help(sg_coach)` asks for each name that is listed, and what needs a missing extra could not be had.
    missing = set() if find_spec("cryptography") else {"ota_keys"}
    return sorted({*globals(), *_NAMES, *__all__} - missing)
