"""What `sgc analyze` and `sgc latency` do: arguments in, an answer out."""

from __future__ import annotations

from argparse import Namespace
from pathlib import Path
from typing import Any

from .build_time import build_time
from .commands import Answer, UsageError
from .contract import COMP_FILE, MAX_DOCUMENT_BYTES, TAGS_FILE
from .errors import InvalidInput
from .files import Folder
from .jsontext import parse_json_object
from .latency_book import LatencyBook, Removed, found_latency, note_latencies, read_book, users_book
from .midi_file import MAX_MIDI_BYTES
from .take import PARTS, TakeReport, report_lines
from .take.notes import beats_in_bar
from .take_files import Wishes, analyse_files, session_bytes
from .take_plot import plot_bytes, plot_format
from .timestamps import utc_text
from .trees import read_file
from .untrusted import shown


def analyze(arguments: Namespace) -> Answer:
    """The record of a take, and a report that a person reads; written and plotted if asked for."""
    report = _report(arguments)
    record = session_bytes(report.session)
    if arguments.plot:
        form = plot_format(arguments.plot.name)
        _write(arguments.plot, plot_bytes(report, beats_in_bar(report.session.meter), form))
    if arguments.out:
        _write(arguments.out, record)
    latency_ms = None if arguments.no_book or arguments.latency is not None else found_latency(report.session)
    if report.session.device_id and latency_ms is not None:
        removed = Removed(latency_ms=latency_ms, at_utc=utc_text(build_time()))
        note_latencies(arguments.book or users_book(), [(report.session.device_id, removed)])
    document = {"session": parse_json_object(record), "report": report.document()}
    return Answer(record.decode() + "\n".join(["", *report_lines(report), ""]), document)


def latency(arguments: Namespace) -> Answer:
    """The usual latency of each device, and the last takes that it comes from."""
    book = read_book(arguments.book or users_book())
    devices = [arguments.device] if arguments.device else sorted(book.devices)
    if arguments.device and arguments.device not in book.devices:
        raise InvalidInput("no take of this device is known", field=arguments.device, remedy="analyze one first")
    rows = [_row(book, device) for device in devices]
    lines = [
        f"{shown(row['device_id'], 200)}: {row['usual_ms']:+.1f} ms, of the last {len(row['takes'])} "
        f"({', '.join(format(ms, '+.1f') for ms in row['takes'])})"
        for row in rows
    ]
    return Answer("".join(f"{line}\n" for line in lines) or "no take was analysed yet\n", {"devices": rows})


def _row(book: LatencyBook, device: str) -> dict[str, Any]:
    takes = [one.latency_ms for one in book.devices[device]]
    return {"device_id": device, "usual_ms": round(book.usual_ms(device) or 0.0, 2), "takes": takes}


def _report(arguments: Namespace) -> TakeReport:
    if arguments.clip and arguments.bundle:
        raise UsageError("--clip and --bundle contradict each other: --bundle is the clip's own folder")
    if arguments.part and arguments.part not in PARTS:
        raise UsageError(f"--part {arguments.part}: there are: {', '.join(PARTS)}")
    if arguments.out and arguments.plot and arguments.out.resolve() == arguments.plot.resolve():
        raise UsageError("--out and --plot name one file; give each a name of its own")
    take = read_file(arguments.take, MAX_MIDI_BYTES)
    if arguments.out and arguments.out.exists() and arguments.out.samefile(arguments.take):
        raise UsageError("--out is the take itself; give the record a name of its own")
    folder = arguments.clip or arguments.bundle
    clip, tags = _clip(folder) if folder else (None, None)
    if arguments.clip and clip is None:
        raise FileNotFoundError(2, "not there; --clip needs the folder of a clip", str(folder / COMP_FILE))
    wishes = Wishes(
        style=arguments.style,
        part=arguments.part,
        grid=arguments.grid,
        device_id=arguments.device,
        session_id=arguments.session_id,
        latency_ms=arguments.latency,
        count_in_bars=arguments.count_in,
    )
    try:
        return analyse_files(
            take,
            name=arguments.take.stem,
            clip=clip,
            tags=tags,
            wishes=wishes,
            grid_if_another=arguments.clip is None,
        )
    except InvalidInput as error:
        of_clip = folder and error.source in (COMP_FILE, TAGS_FILE)
        raise error.in_file(str(folder / error.source if of_clip else arguments.take)) from error


def _clip(path: Path) -> tuple[bytes | None, dict[str, Any] | None]:
    """The comping and the tags of a clip, each None if it is not there."""
    with Folder.open(path) as folder:
        raw = folder.read_if_there(TAGS_FILE, MAX_DOCUMENT_BYTES)
        clip = folder.read_if_there(COMP_FILE, MAX_MIDI_BYTES)
    try:
        return clip, None if raw is None else parse_json_object(raw)
    except InvalidInput as error:
        raise error.in_file(str(path / TAGS_FILE)) from error


def _write(path: Path, data: bytes) -> None:
    path = path.absolute()
    with Folder.open(path.parent.resolve()) as folder:
        folder.write(path.name, data)
