"""Making a clip of 32 bars: music, files, bundle and HTTP, against mido merely writing the same notes."""

from __future__ import annotations

import http.client
import io
import json
import subprocess
import sys
import time
import tracemalloc
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import mido

from benchmarks._scratch import scratch
from benchmarks.table import Row, at_most, below, known
from sg_generator.engine import arrange
from sg_generator.midi import files_of
from sg_generator.models import STYLE_NAMES, TICKS_PER_BEAT, Arrangement, ClipRequest, request_from

RUNS = 110
"""Ten requests of each style; a p99 is the second worst."""

BARS = 32
CHORDS = ["Dm7", "G7", "Cmaj7", "A7b9 Dm7/C", "F#m7b5", "B7alt", "Em9", "A13"]


def run() -> list[Row]:
    documents = [_document(number) for number in range(RUNS)]
    requests = [request_from(document) for document in documents]
    arranged = [arrange(request) for request in requests]
    with scratch("generate") as folder, _server(folder) as call:
        bare: list[float] = []
        music: list[float] = []
        http_call: list[float] = []
        for document, request, arrangement in zip(documents, requests, arranged, strict=True):
            bare.append(_ms(partial(_bare, arrangement, folder / "bare.mid")))
            music.append(_ms(partial(_music, request)))
            http_call.append(_ms(partial(call, document)))
    peer = "mido writing the same notes"
    return [
        at_most("/generate of 32 bars over HTTP, durable, p50", _p(http_call, 50), "ms", peer, _p(bare, 50), 3),
        at_most("/generate of 32 bars over HTTP, durable, p99", _p(http_call, 99), "ms", peer, _p(bare, 99), 3),
        at_most("the music and its three files, p50", _p(music, 50), "ms", peer, _p(bare, 50), 3),
        at_most("the music and its three files, p99", _p(music, 99), "ms", peer, _p(bare, 99), 3),
        known(
            "the music alone, p50",
            _p([_ms(partial(arrange, one)) for one in requests], 50),
            "ms",
            peer,
            _p(bare, 50),
        ),
        below("memory of a clip of 32 bars, at its peak", _peak_mb(requests[0]), "MB", 8),
        below(
            "memory of a clip of 256 bars, at its peak", _peak_mb(request_from(_document(0) | {"bars": 256})), "MB", 32
        ),
    ]


def _music(request: ClipRequest) -> dict[str, bytes]:
    return files_of(arrange(request))


def _document(number: int) -> dict[str, Any]:
    style = STYLE_NAMES[number % len(STYLE_NAMES)]
    return {"chords": CHORDS, "tempo_bpm": 140, "bars": BARS, "style": style, "seed": number}


def _bare(made: Arrangement, path: Path) -> None:
    """What anybody would write who has the notes already: no tempo map, no markers, one file, not durable."""
    file = mido.MidiFile(type=1, ticks_per_beat=TICKS_PER_BEAT)
    for channel, notes in enumerate((made.comp, made.bass)):
        events = [(note.start, 1, note.pitch, note.velocity) for note in notes]
        events += [(note.end, 0, note.pitch, 0) for note in notes]
        track, before = mido.MidiTrack(), 0
        for tick, _, pitch, velocity in sorted(events):
            track.append(mido.Message("note_on", channel=channel, note=pitch, velocity=velocity, time=tick - before))
            before = tick
        file.tracks.append(track)
    out = io.BytesIO()
    file.save(file=out)
    path.write_bytes(out.getvalue())


@contextmanager
def _server(root: Path) -> Iterator[Callable[[dict[str, Any]], None]]:
    command = [sys.executable, "-m", "sg_generator", "serve", "--port", "0", "--ready-line"]
    folders = ["--bundle-root", str(root / "bundles"), "--queue-dir", str(root / "queue")]
    process = subprocess.Popen([*command, *folders], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
    assert process.stdout is not None
    try:
        address = urlsplit(process.stdout.readline().split()[1])
        connection = http.client.HTTPConnection(address.hostname or "", address.port, timeout=30)
        yield lambda document: _post(connection, document)
    finally:
        process.terminate()
        process.wait(30)


def _post(connection: http.client.HTTPConnection, document: dict[str, Any]) -> None:
    connection.request("POST", "/generate", json.dumps(document), {"Content-Type": "application/json"})
    answer = json.loads(connection.getresponse().read())
    if answer["status"] != "ok":
        raise RuntimeError(str(answer))


def _ms(action: Callable[[], object]) -> float:
    start = time.perf_counter()
    action()
    return (time.perf_counter() - start) * 1000


def _p(times: list[float], percent: int) -> float:
    return sorted(times)[min(len(times) * percent // 100, len(times) - 1)]


def _peak_mb(request: ClipRequest) -> float:
    tracemalloc.start()
    files_of(arrange(request))
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    return peak / 1e6
