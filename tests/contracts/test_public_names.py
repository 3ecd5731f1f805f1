"""Names and module paths that other programs import, and that each of them says what it is."""

from __future__ import annotations

import importlib
import subprocess
import sys
from enum import Enum

import pytest
from pydantic import BaseModel

import sg_coach

NAMES = {
    "contract": ["COACH_CONTRACT_VERSION"],
    "models": [
        "CoachEvaluation",
        "CoachFinding",
        "FindingCode",
        "PracticeAssignment",
        "ProgramRef",
        "ProgramType",
        "SessionRecord",
        "Severity",
    ],
    "coach_policy": ["evaluate_session"],
    "assignment_policy": ["plan_assignment"],
    "assignment_serializer": ["assignment_to_json", "assignment_to_jsonable", "to_jsonable"],
    "progression": ["apply_progression_policy"],
    "ota_manifest": ["OTA_BUNDLE_CONTRACT_VERSION", "OtaArtifact", "OtaBundleManifest"],
    "ota_bundle": ["BundleBuildResult", "build_assignment_ota_bundle", "verify_assignment_ota_bundle"],
    "ota_signing": ["SIGNATURE_STUB_VERSION", "SignatureStub"],
    "cli": ["main"],
}
PAIRS = [(module, name) for module, names in NAMES.items() for name in names]


@pytest.mark.parametrize(("module", "name"), PAIRS)
def test_a_promised_name_is_where_it_was_promised(module: str, name: str) -> None:
    found = getattr(importlib.import_module(f"sg_coach.{module}"), name)
    assert getattr(sg_coach, name) is found
    assert name in sg_coach.__all__


@pytest.mark.parametrize("name", sorted(sg_coach.__all__))
def test_every_public_name_says_what_it_is(name: str) -> None:
    value = getattr(sg_coach, name)
    if callable(value):
        own = value.__doc__
        assert own
        assert not (isinstance(value, type) and issubclass(value, BaseModel | Enum) and own == value.__mro__[1].__doc__)


def test_versions() -> None:
    assert sg_coach.COACH_CONTRACT_VERSION == "v1"
    assert sg_coach.OTA_BUNDLE_CONTRACT_VERSION == "v1"
    assert sg_coach.SIGNATURE_STUB_VERSION == "v1"


def test_an_unknown_name_is_no_attribute() -> None:
    with pytest.raises(AttributeError, match="no attribute 'nonsense'"):
        sg_coach.nonsense  # noqa: B018 - the access is the test


def printed(program: str) -> str:
    return subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True).stdout


def test_the_rules_load_without_what_only_bundles_need() -> None:
    surplus = {"argparse", "cryptography", "sg_coach.archives", "sg_coach.files"}
    program = f"import sys; from sg_coach import evaluate_session; print(*({surplus} & set(sys.modules)))"
    assert printed(program) == "\n"


def test_a_module_is_an_attribute_of_the_package() -> None:
    assert printed("import sg_coach; print(sg_coach.contract.COACH_CONTRACT_VERSION)") == "v1\n"


def test_the_names_are_listed_before_they_are_loaded() -> None:
    assert printed("import sg_coach; print(set(sg_coach.__all__) - set(dir(sg_coach)))") == "set()\n"


def test_the_package_alone_loads_nothing() -> None:
    """So the command's own Ctrl-C holds from the start."""
    loaded = "[name for name in sys.modules if name.startswith(('sg_coach', 'pydantic'))]"
    assert printed(f"import sys, sg_coach.__main__; print(*sorted({loaded}))") == "sg_coach sg_coach.__main__\n"
