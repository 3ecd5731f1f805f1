"""`sg-hybrid queue`: the late replies that wait, for people and programs; with and without a running worker."""

from __future__ import annotations

import sys
from enum import StrEnum
from io import TextIOWrapper
from typing import TYPE_CHECKING, Annotated, Final

import typer

from sg_hybrid.plaintext import printable

from .exits import Exit, say
from .options import ConfigFile, Json, QueueDir, note_missing_queue, settings_from
from .output import print_json, print_line, print_table
from .queue_views import HEAD, RIGHT, histogram, moment, reply_document, reply_lines, row_document, table_cells

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from sg_hybrid.queue_tools import QueueChange, QueueRow
    from sg_hybrid.settings import Settings


class State(StrEnum):
    """The folders of the queue that hold replies, in the order of a reply's life."""

    PENDING = "pending"
    CLAIMED = "claimed"
    APPLIED = "applied"
    REJECTED = "rejected"


MAX_QUOTED: Final = 200
"""Longest part of an id that an error line quotes, in characters; no clip's id is longer."""

WAITING: Final = (State.PENDING, State.CLAIMED)

Ids = Annotated[
    list[str],
    typer.Argument(metavar="ID...", show_default=False, help="Clip ids; - reads them from stdin, one a line."),
]

app = typer.Typer(help="Look into the queue of late replies, expire and requeue them.", rich_markup_mode=None)


@app.command("ls")
def ls(
    state: Annotated[
        list[State] | None,
        typer.Option("--state", show_default=False, help="Folder to list; may be given several times [those waiting]."),
    ] = None,
    everything: Annotated[bool, typer.Option("--all", help="List all four folders.")] = False,
    ids: Annotated[bool, typer.Option("--ids", help="Print clip ids only, one a line.")] = False,
    queue_dir: QueueDir = None,
    config: ConfigFile = None,
    json: Json = False,
) -> None:
    """List late replies: clip, session, age, time left, tip. The oldest comes first."""
    states = tuple(State) if everything else tuple(state or WAITING)
    rows = _rows(settings_from(config, queue_dir=queue_dir), states)
    if json:
        print_json([row_document(row) for row in rows])
    elif ids:
        for clip_id in dict.fromkeys(row.clip_id for row in rows):
            print_line(clip_id)
    elif rows:
        print_table(HEAD, table_cells(rows), right=RIGHT)
    else:
        print_line("Nothing waits." if states == WAITING else "Nothing there.")


@app.command("show")
def show(ids: Ids, queue_dir: QueueDir = None, config: ConfigFile = None, json: Json = False) -> None:
    """Show late replies in full, wherever they are.

    That is: their texts, model, session, times and file.
    """
    settings, wanted = settings_from(config, queue_dir=queue_dir), _wanted(ids)
    found = _rows(settings, tuple(State)) if wanted else []
    rows = [row for clip_id in wanted for row in found if row.clip_id == clip_id]
    if json:
        print_json([reply_document(row) for row in rows])
    else:
        for line in (line for row in rows for line in reply_lines(row)):
            print_line(line)
    _end([(clip_id, "no late reply of this clip is known") for clip_id in _missing(wanted, rows)])


@app.command("age")
def age(queue_dir: QueueDir = None, config: ConfigFile = None, json: Json = False) -> None:
    """Show how long replies have been waiting, as a histogram."""
    settings = settings_from(config, queue_dir=queue_dir)
    ages = [row.age_s for row in _rows(settings, (State.PENDING,)) if not row.problem]
    result = histogram(ages, settings.spool_ttl_s)
    if json:
        print_json(result.document())
        return
    print_table(("AGE", "REPLIES", ""), result.rows(), right=(0, 1))
    print_line(result.summary())


@app.command("expire")
def expire(ids: Ids, queue_dir: QueueDir = None, config: ConfigFile = None, json: Json = False) -> None:
    """Discard waiting replies before their time. Works beside a running worker."""
    from sg_hybrid.queue_tools import expire_ids

    settings, wanted = settings_from(config, queue_dir=queue_dir), _wanted(ids)
    _tell(expire_ids(settings.queue_dir, wanted) if wanted else [], "discarded", json)


@app.command("requeue")
def requeue(ids: Ids, queue_dir: QueueDir = None, config: ConfigFile = None, json: Json = False) -> None:
    """Let rejected replies wait again, if they are usable after all.

    Their time counts from now. One that was applied is refused: a tip is never shown twice.
    """
    from sg_hybrid.queue_tools import requeue as bring_back

    settings, wanted = settings_from(config, queue_dir=queue_dir), _wanted(ids)
    _tell(bring_back(settings.queue_dir, wanted, moment()) if wanted else [], "waits again", json)


def _rows(settings: Settings, states: Sequence[State]) -> list[QueueRow]:
    from sg_hybrid.queue_tools import list_queue

    note_missing_queue(settings)
    return list_queue(settings.queue_dir, moment(), settings.spool_ttl_s, states)


def _wanted(ids: Sequence[str]) -> list[str]:
    """The ids of the command line, each once; `-` stands for the words of stdin."""
    each = (word for named in ids for word in (_words_of_stdin() if named == "-" else [named]))
    return list(dict.fromkeys(each))


def _words_of_stdin() -> list[str]:
    """The words of stdin; bytes that are no text make words, too, so that one of them does not hide the others."""
    if sys.stdin is None:
        raise typer.BadParameter("- reads clip ids from stdin, and it is closed", param_hint="ID")
    if isinstance(sys.stdin, TextIOWrapper):
        sys.stdin.reconfigure(errors="surrogateescape")
    return sys.stdin.read().split()


def _missing(wanted: Iterable[str], rows: Iterable[QueueRow]) -> list[str]:
    there = {row.clip_id for row in rows}
    return [clip_id for clip_id in wanted if clip_id not in there]


def _tell(changes: Sequence[QueueChange], done: str, json: bool) -> None:
    """Print what became of each id; the exit code is 1 if one could not be changed."""
    if json:
        print_json([{"clip_id": one.clip_id, "done": one.done, "problem": one.problem or None} for one in changes])
    else:
        for change in changes:
            if change.done:
                print_line(f"{change.clip_id}: {done}")
    _end([(change.clip_id, change.problem) for change in changes if not change.done])


def _end(problems: Sequence[tuple[str, str]]) -> None:
    for clip_id, problem in problems:
        say(f"ERROR: {_seen(clip_id)}: {_short(problem)}")
    raise typer.Exit(Exit.FAILED if problems else Exit.OK)


def _seen(clip_id: str) -> str:
    """A clip id as a person can see it; one with characters that are not shown, or without any, is quoted."""
    short = _short(clip_id)
    return short if short and short == printable(short) else ascii(short)


def _short(text: str) -> str:
    """What an error line may quote: a word of stdin can be a whole file."""
    return text if len(text) <= MAX_QUOTED else f"{text[:MAX_QUOTED]}…"
