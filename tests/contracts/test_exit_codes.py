"""Exit codes are a contract: every error has its own, and every place that lists them says the same."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
import typer

from sg_coach import errors as coach_errors
from sg_coach.errors import CoachError, InvalidInput, LockTimeout, UnsafePath
from sg_hybrid import errors
from sg_hybrid.cli import app, exits
from sg_hybrid.cli.exits import Exit, exit_code_of, explained
from sg_hybrid.errors import AiInvalid, BundleRefused, ConfigError, HybridError, QueueHeld

OPERATING = Path(__file__).parents[2] / "docs" / "operating.md"


def test_the_codes_are_frozen() -> None:
    assert {code.name: code.value for code in Exit} == {
        "OK": 0,
        "FAILED": 1,
        "USAGE": 2,
        "CONFIG": 3,
        "QUEUE_HELD": 4,
        "REFUSED": 5,
        "INTERRUPTED": 130,
    }


def test_everybody_lists_the_same_codes() -> None:
    table = OPERATING.read_text("utf-8").partition("## Exit codes")[2].partition("##")[0]
    documented = dict(re.findall(r"^\| (\d+) \| (.*) \|$", table, re.MULTILINE))
    in_module = dict(re.findall(r"^ *(\d+) +(.*)$", exits.__doc__ or "", re.MULTILINE))
    assert {name: text.replace("`", "") for name, text in documented.items()} == {
        name: text.replace("`", "") for name, text in in_module.items()
    }
    assert {int(code) for code in documented} == set(Exit)
    assert {int(code) for code in re.findall(r"(?:codes:|,) (\d+) ", app._EPILOG)} == set(Exit)


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (ConfigError("x"), 3),
        (QueueHeld("x"), 4),
        (BundleRefused("x"), 5),
        (AiInvalid("x"), 1),
        (HybridError("x"), 1),
        (CoachError("x"), 1),
        (InvalidInput("x"), 1),
        (UnsafePath("x"), 1),
        (LockTimeout("x"), 1),
        (FileNotFoundError(2, "No such file or directory", "/x"), 2),
        (PermissionError(13, "Permission denied", "/x"), 1),
        (OSError(28, "No space left on device"), 1),
        (typer.BadParameter("x"), 2),
        (ModuleNotFoundError("No module named 'anthropic'", name="anthropic"), 1),
        (KeyboardInterrupt(), 130),
    ],
)
def test_every_error_has_its_code(error: BaseException, code: int, capsys: pytest.CaptureFixture[str]) -> None:
    def command() -> None:
        raise BaseExceptionGroup("a task group", [BaseExceptionGroup("an inner one", [error])]) from None

    assert explained(error)[0] == code
    assert exit_code_of(lambda: _raise(error)) == code
    alone = capsys.readouterr()
    assert alone.out == ""
    assert alone.err.count("\n") == (0 if code == Exit.INTERRUPTED else 1)
    assert exit_code_of(command) == code
    assert capsys.readouterr() == alone


def _raise(error: BaseException) -> None:
    raise error


def test_no_error_of_ours_is_taken_for_a_bug() -> None:
    for module in (errors, coach_errors):
        for found in vars(module).values():
            if isinstance(found, type) and issubclass(found, HybridError | CoachError):
                code, line = explained(found("said"))
                assert code in set(Exit)
                assert line == "said"


def test_a_bug_is_said_with_its_traceback(capsys: pytest.CaptureFixture[str]) -> None:
    assert exit_code_of(lambda: _raise(ZeroDivisionError("a\x1b[31m b"))) == 1
    said = capsys.readouterr().err
    assert said.startswith("Traceback (most recent call last):\n")
    assert said.splitlines()[-1].startswith("ERROR: ZeroDivisionError: a b; this is a bug")
    assert "\x1b" not in said


def test_errors_are_printed_without_what_a_terminal_acts_on(capsys: pytest.CaptureFixture[str]) -> None:
    exit_code_of(lambda: _raise(CoachError("a\x1b[31mred\n\u202eb")))
    assert capsys.readouterr().err == "ERROR: ared b\n"


@pytest.mark.parametrize(("package", "extra"), [("anthropic", "ai"), ("h11", "simulator"), ("anyio", "worker")])
def test_a_missing_package_names_its_extra(package: str, extra: str) -> None:
    _, line = explained(ModuleNotFoundError(f"No module named {package!r}", name=f"{package}.inner"))
    assert line == f"the package {package} is not installed; pip install 'sg-hybrid[{extra}]'"
