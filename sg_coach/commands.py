"""What each command of `sgc` does: arguments in, an answer out. Printing and exit codes are in `cli`."""

from __future__ import annotations

from argparse import Namespace
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from .assignment_policy import plan_assignment
from .assignment_serializer import assignment_to_jsonable, to_jsonable
from .build_time import build_time
from .canonical import canonical_assignment, canonical_evaluation
from .coach_policy import evaluate_session, judge
from .contract import MAX_SESSION_BYTES, OTA_PREFIX
from .errors import CoachError, InvalidInput
from .field_types import is_clip_id
from .jsontext import parse_json_object, to_json_text
from .models import CoachEvaluation, SessionRecord, session_from
from .ota_bundle import Attachment, build_assignment_ota_bundle
from .ota_signing import Signer, Verifier
from .ota_verify import VerifiedBundle, verify_assignment_ota_bundle, verify_assignment_ota_zip
from .progression import Standing, coaching_after, next_standing
from .timestamps import utc_text
from .trees import read_file
from .uncertainty import score_se

MAX_HISTORY_BYTES: Final = 64 * 1024 * 1024


class UsageError(CoachError):
    """The command line cannot be used."""


@dataclass(frozen=True, slots=True)
class Answer:
    """`text` for people, `document` for `--json`."""

    text: str
    document: Any


def evaluate(arguments: Namespace) -> Answer:
    """What the rules say about a take; `--canonical` in the form of the golden documents."""
    session, evaluation = _evaluated(arguments.session)
    if arguments.canonical:
        return _document(canonical_evaluation(session, evaluation))
    return _document(to_jsonable(evaluation))


def assign(arguments: Namespace) -> Answer:
    """What to practise after a take; `--canonical` in the form of the golden documents."""
    session, evaluation = _evaluated(arguments.session)
    if arguments.canonical:
        return _document(canonical_assignment(session, evaluation, assignment_id=arguments.assignment_id))
    if arguments.assignment_id:
        raise UsageError("--assignment-id goes with --canonical: the other form's id is made from its content")
    return _document(assignment_to_jsonable(plan_assignment(session=session, eval=evaluation)))


def coach(arguments: Namespace) -> Answer:
    """What `clip.coach.json` would say about a take, its trend from the earlier takes of `--history`."""
    session, evaluation = _evaluated(arguments.session)
    before = _standing_before(session, arguments.history) if arguments.history else None
    clip_id = arguments.clip_id or _clip_id_of(arguments.session)
    now = utc_text(build_time())
    return _document(
        to_jsonable(coaching_after(before, evaluation, score_se(session), clip_id=clip_id, created_at_utc=now))
    )


def ota_bundle(arguments: Namespace) -> Answer:
    """Build a bundle; the folder, then the zip, one a line."""
    if arguments.unsigned and arguments.sign_key:
        raise UsageError("--unsigned and --sign-key contradict each other")
    session, evaluation = _evaluated(arguments.session)
    built = build_assignment_ota_bundle(
        assignment=plan_assignment(session=session, eval=evaluation),
        out_dir=arguments.out,
        bundle_name=arguments.name,
        product=arguments.product,
        target_device_model=arguments.device_model,
        target_min_firmware=arguments.min_firmware,
        attachments=[_attachment(text) for text in arguments.attach],
        make_zip=arguments.zip,
        write_signature=not arguments.unsigned,
        signing_key=_signing_key(arguments.sign_key),
        force=arguments.force,
    )
    lines = [str(path) for path in (built.bundle_dir, built.zip_path) if path]
    return Answer("\n".join(lines) + "\n", to_jsonable(built))


def ota_verify(arguments: Namespace) -> Answer:
    """Check a bundle folder."""
    return _verified(verify_assignment_ota_bundle(arguments.folder, trusted_key=_trusted_key(arguments.trust_key)))


def ota_verify_zip(arguments: Namespace) -> Answer:
    """Check a zipped bundle."""
    return _verified(verify_assignment_ota_zip(arguments.file, trusted_key=_trusted_key(arguments.trust_key)))


def keygen(arguments: Namespace) -> Answer:
    """Make a key pair; the private file, then the public one, one a line."""
    from .ota_keys import generate_key_pair, load_trusted_key

    private, public = generate_key_pair(arguments.out)
    document = {"private_key": str(private), "public_key": str(public), "key_id": load_trusted_key(public).key_id}
    return Answer(f"{private}\n{public}\n", document)


def _document(document: dict[str, Any]) -> Answer:
    return Answer(to_json_text(document), document)


def _verified(bundle: VerifiedBundle) -> Answer:
    signature = bundle.signature
    document = {
        "ok": True,
        "manifest_id": str(bundle.manifest.manifest_id),
        "assignment_id": str(bundle.manifest.assignment_id),
        "session_id": str(bundle.manifest.session_id),
        "files": len(bundle.manifest.artifacts),
        "signature": signature.algorithm if signature else None,
        "key_id": signature.key_id if signature else None,
        "trusted": bundle.trusted,
    }
    return Answer("OK\n", document)


def _evaluated(path: Path) -> tuple[SessionRecord, CoachEvaluation]:
    session = _session(read_file(path, MAX_SESSION_BYTES), str(path))
    return session, evaluate_session(session)


def _session(raw: bytes, source: str) -> SessionRecord:
    try:
        document = parse_json_object(raw)
    except InvalidInput as error:
        raise error.in_file(source) from error
    return session_from(document, source=source)


def _standing_before(session: SessionRecord, history: Path) -> Standing | None:
    """Where the earlier takes of the session and program left it; one SessionRecord a line, oldest first."""
    standing: Standing | None = None
    for number, line in enumerate(read_file(history, MAX_HISTORY_BYTES).splitlines(), start=1):
        if not line.strip():
            continue
        earlier = _session(line, f"{history} line {number}")
        if _series(earlier) == _series(session):
            standing = next_standing(standing, judge(earlier).score_0_100, score_se(earlier))
    return standing


def _series(session: SessionRecord) -> tuple[object, ...]:
    return session.session_id, session.program.kind, session.program.name


def _clip_id_of(session_path: Path) -> str:
    """The name of the bundle folder that the session lies in, or `clip` if that is no clip id."""
    name = session_path.resolve().parent.name.removeprefix(OTA_PREFIX)
    return name if is_clip_id(name) else "clip"


def _attachment(text: str) -> Attachment:
    name, sign, file = text.partition("=")
    if not (name and sign and file):
        raise UsageError(f"--attach {text}: not NAME=FILE")
    return name, Path(file)


def _signing_key(path: Path | None) -> Signer | None:
    if path is None:
        return None
    from .ota_keys import load_signing_key

    return load_signing_key(path)


def _trusted_key(path: Path | None) -> Verifier | None:
    if path is None:
        return None
    from .ota_keys import load_trusted_key

    return load_trusted_key(path)
