"""`sgc`: the rule-based coach and its OTA bundles on the command line.

Exit codes are a contract, firmware tools branch on them (`EXIT_CODES`). Errors are one line on stderr, `ERROR: …`,
naming the file and the field; then stdout stays empty.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from types import MappingProxyType
from typing import Any, Final, NoReturn
from uuid import UUID

from . import commands, take_commands
from .__about__ import __version__
from .commands import Answer, UsageError
from .contract import CLIP_ID_PATTERN
from .errors import ArtifactMissing, CoachError, HashMismatch, ManifestMissing, SignatureRefused, UnsafePath
from .field_types import is_clip_id
from .jsontext import to_compact_json
from .streams import lost_output, open_streams
from .untrusted import shown

EXIT_CODES: Final = MappingProxyType(
    {
        UsageError: 2,
        FileNotFoundError: 2,
        ManifestMissing: 10,
        ArtifactMissing: 11,
        HashMismatch: 12,
        SignatureRefused: 13,
        UnsafePath: 14,
        KeyboardInterrupt: 130,
    }
)
"""What the command ends with after each kind of error, subclasses included; 1 after any other, 0 if all is fine."""

_EPILOG: Final = """\
exit codes:
   0  fine                      11  artifact missing
   1  any other failure         12  hash or size mismatch
   2  usage or file not found   13  signature mismatch or not trusted
  10  manifest missing          14  unsafe path or archive
                               130  interrupted

environment:
  SOURCE_DATE_EPOCH  seconds since 1970, written instead of the present time; the same input then gives the same bytes
  XDG_DATA_HOME      the user's data folder (default: ~/.local/share), where latencies are remembered
"""


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command and return its exit code; `argv` is the command line without the program's name."""
    try:
        _answer(argv)
        if (lost := lost_output()) is not None:
            raise lost
    except BrokenPipeError:  # the reader has seen enough
        lost_output()
        return 1
    except (CoachError, OSError, KeyboardInterrupt) as error:
        print(f"ERROR: {_one_line(lost_output() or error)}", file=sys.stderr)
        return exit_code(error)
    return 0


def _answer(argv: Sequence[str] | None) -> None:
    open_streams("surrogateescape")  # a file name that is no text stays as it is
    try:
        arguments = build_parser().parse_args(argv)
    except SystemExit:  # --help or --version has been printed; what is wrong with the arguments is a UsageError
        return
    answer: Answer = arguments.run(arguments)
    print(to_compact_json(answer.document) + "\n" if arguments.json else answer.text, end="")


def exit_code(error: BaseException) -> int:
    """Return the exit code for an error: the one of its nearest listed class, else 1."""
    return next((EXIT_CODES[kind] for kind in type(error).__mro__ if kind in EXIT_CODES), 1)


def build_parser() -> argparse.ArgumentParser:
    """Return the parser of the whole command; each command's namespace carries `run`."""
    parser = _Parser(
        prog="sgc", description="The Smart Guitar's rule-based coach, and its OTA bundles.", epilog=_EPILOG
    )
    parser.add_argument("--version", action="version", version=f"%(prog)s {__version__}", help="print the version")
    table = parser.add_subparsers(title="commands", metavar="COMMAND", required=True, parser_class=_Parser)

    def command(name: str, run: Callable[[argparse.Namespace], Answer], summary: str) -> argparse.ArgumentParser:
        added = table.add_parser(name, help=summary, description=summary[0].upper() + summary[1:] + ".")
        added.add_argument("--json", action="store_true", help="answer with one line of JSON")
        added.set_defaults(run=run)
        return added

    _add_coach_commands(command)
    _add_take_commands(command)
    _add_ota_commands(command)
    return parser


def _add_coach_commands(command: Callable[..., argparse.ArgumentParser]) -> None:
    for name, run, summary in (
        ("evaluate", commands.evaluate, "print what the rules say about a take"),
        ("assign", commands.assign, "print what to practise after a take"),
        ("coach", commands.coach, "print what clip.coach.json would say about a take"),
    ):
        added = command(name, run, summary)
        added.add_argument("session", type=Path, metavar="SESSION", help="session.json: the facts of a take")
        if name == "coach":
            text = "earlier takes, a SessionRecord a line, oldest first; those of the same session and program count"
            added.add_argument("--history", type=Path, metavar="FILE", help=text)
            text = "the clip's id (default: the name of the folder that SESSION lies in)"
            added.add_argument("--clip-id", type=_clip_id, metavar="ID", help=text)
        else:
            added.add_argument("--canonical", action="store_true", help="the form of the golden documents")
        if name == "assign":
            text = "with --canonical: use this UUID instead of the one made from the content"
            added.add_argument("--assignment-id", type=UUID, metavar="UUID", help=text)


def _add_take_commands(command: Callable[..., argparse.ArgumentParser]) -> None:
    summary = "measure a played take: print its record and a report"
    analyze = command("analyze", take_commands.analyze, summary)

    def option(name: str, metavar: str | None, text: str, **more: Any) -> None:
        analyze.add_argument(name, metavar=metavar, help=text, **more)

    analyze.add_argument("take", type=Path, metavar="TAKE.mid", help="Standard MIDI File of what was played")
    option("--clip", "DIR", "folder of the clip: measure against its clip.comp.mid", type=Path)
    option("--bundle", "DIR", "bundle of the take: its clip if it has one and this is a take of it", type=Path)
    option("--grid", None, "8 cuts each beat in 2, 16 in 4 (default: by tempo and playing)", type=int, choices=(8, 16))
    option("--style", "STYLE", "style of music: swing moves the off-beats (default: the clip's tags)")
    option("--part", "PART", "part that follows the clave: tumbao, montuno-2-3, clave-son-3-2, …")
    option("--count-in", "BARS", "bars before bar 1; they are left out (default: 0)", type=_count, default=0)
    option("--latency", "MS", "latency that you know, late is positive; then none is looked for", type=_latency)
    option("--device", "ID", "device that was played (default: the clip's tags)", type=_named)
    option("--session-id", "UUID", "practice session (default: the clip's tags, else of the take alone)", type=UUID)
    option("--out", "FILE", "write the record there", type=Path)
    option("--plot", "FILE", "draw the errors: .svg or .png (needs the extra sg-hybrid[plot])", type=Path)
    analyze.add_argument("--no-book", action="store_true", help="do not remember the device's latency")
    latency = command(
        "latency", take_commands.latency, "print the latency that was removed from each device's last takes"
    )
    latency.add_argument("--device", metavar="ID", help="this device alone", type=_named)
    for added in (analyze, latency):
        text = "where latencies are remembered (default: sgc/latency.json in the user's data folder)"
        added.add_argument("--book", type=Path, metavar="FILE", help=text)


def _count(text: str) -> int:
    if not (text.isascii() and text.isdigit() and len(text) < 3):
        raise argparse.ArgumentTypeError(f"not a number of bars from 0 to 99: {text!r}")
    return int(text)


def _latency(text: str) -> float:
    try:
        value = float(text)
    except ValueError:
        value = float("nan")
    if not -80 <= value <= 80:
        raise argparse.ArgumentTypeError(f"not a latency from -80 to 80 ms: {text!r}")
    return value


def _named(text: str) -> str:
    if not (0 < len(text) <= 200 and text.isprintable()):
        raise argparse.ArgumentTypeError("a device's name is 1 to 200 printable characters")
    return text


def _add_ota_commands(command: Callable[..., argparse.ArgumentParser]) -> None:
    _add_build_options(command("ota-bundle", commands.ota_bundle, "build the OTA bundle of a take's assignment"))
    verify = command("ota-verify", commands.ota_verify, "check a bundle folder and print OK")
    verify.add_argument("folder", type=Path, metavar="DIR")
    verify_zip = command("ota-verify-zip", commands.ota_verify_zip, "check a zipped bundle and print OK")
    verify_zip.add_argument("file", type=Path, metavar="FILE")
    for added in (verify, verify_zip):
        added.add_argument("--trust-key", type=Path, metavar="PEM", help="refuse anything that this key did not sign")
    keygen = command("keygen", commands.keygen, "make a key pair, the private key readable by its owner only")
    keygen.add_argument("--out", type=Path, metavar="DIR", required=True, help="folder for the two files")


def _add_build_options(build: argparse.ArgumentParser) -> None:
    def option(name: str, metavar: str, text: str, **more: Any) -> None:
        build.add_argument(name, metavar=metavar, help=text, **more)

    option("--session", "FILE", "session.json: the facts of a take", type=Path, required=True)
    option("--out", "DIR", "where the bundle goes; created if missing", type=Path, required=True)
    option("--name", "NAME", "name of the bundle (default: ota_assignment_ and the assignment's id)")
    option("--product", "PRODUCT", "product that it is for (default: smart-guitar)", default="smart-guitar")
    option("--device-model", "MODEL", "device model that it is for")
    option("--min-firmware", "VERSION", "oldest firmware that it is for")
    option("--attach", "NAME=FILE", "add FILE as attachments/NAME; may be repeated", action="append", default=[])
    option("--sign-key", "PEM", "sign with this private key (needs the extra sg-hybrid[sign])", type=Path)
    build.add_argument("--unsigned", action="store_true", help="leave signature.json out")
    build.add_argument("--zip", action="store_true", help="write the zip beside the folder, too")
    build.add_argument("--force", action="store_true", help="replace a bundle that is there already, as a whole")


class _Parser(argparse.ArgumentParser):
    """A parser whose errors are ours, and whose help does not depend on the terminal."""

    def __init__(self, **options: Any) -> None:
        super().__init__(formatter_class=_Help, allow_abbrev=False, **options)

    def error(self, message: str) -> NoReturn:
        raise UsageError(f"{message}; see: {self.prog} --help")


class _Help(argparse.RawDescriptionHelpFormatter):
    def __init__(self, prog: str) -> None:
        super().__init__(prog, max_help_position=28, width=110)


def _clip_id(text: str) -> str:
    if not is_clip_id(text):
        raise argparse.ArgumentTypeError(f"not a clip id ({CLIP_ID_PATTERN}): {text!r}")
    return text


def _one_line(error: BaseException) -> str:
    """The message without anything that could move a terminal's cursor or start a line."""
    if isinstance(error, KeyboardInterrupt):
        return "interrupted"
    if isinstance(error, OSError) and error.strerror:
        named = f"{error.filename}: " if error.filename is not None else ""
        return shown(f"{named}{error.strerror}", longest=1000)
    return shown(str(error), longest=1000)


if __name__ == "__main__":
    sys.exit(main())
