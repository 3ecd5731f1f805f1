"""`sg-generator generate` and `sg-generator styles`: a clip without a server, and what can be asked for."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Annotated, Any

import typer

from sg_coach.untrusted import shown

if TYPE_CHECKING:
    from sg_generator.answers import Generated
    from sg_generator.styles import Style

Chords = Annotated[
    str, typer.Option("--chords", metavar="CHORDS", show_default=False, help="Bars, as 'Dm7 | G7 | Cmaj7 A7'.")
]
Tempo = Annotated[float, typer.Option("--tempo", metavar="BPM", help="Quarter notes a minute, 30 to 300.")]
Meter = Annotated[str, typer.Option("--meter", metavar="METER", help="4/4, 3/4, 2/4, 5/4, 6/8 or 12/8.")]
Bars = Annotated[
    int | None, typer.Option("--bars", metavar="N", show_default=False, help="Length, 1 to 256 [as many as given].")
]
StyleOption = Annotated[
    str | None,
    typer.Option("--style", metavar="STYLE", show_default=False, help="See `styles` [the meter's own]."),
]
Seed = Annotated[int, typer.Option("--seed", metavar="N", help="Which variation.")]
KeyOption = Annotated[
    str | None,
    typer.Option("--key", metavar="KEY", show_default=False, help="For Roman numerals, as 'C' or 'A minor'."),
]
Density = Annotated[str, typer.Option("--density", metavar="BUCKET", help="sparse, medium or dense.")]
Syncopation = Annotated[str, typer.Option("--syncopation", metavar="BUCKET", help="straight, light or heavy.")]
Root = Annotated[
    str | None,
    typer.Option("--root", metavar="DIR", show_default=False, help="Folder for clips [SG_BUNDLE_ROOTS]."),
]
Json = Annotated[bool, typer.Option("--json", help="Print JSON, for programs.")]


def generate(
    chords: Chords,
    tempo: Tempo = 120.0,
    meter: Meter = "4/4",
    bars: Bars = None,
    style: StyleOption = None,
    seed: Seed = 0,
    key: KeyOption = None,
    density: Density = "medium",
    syncopation: Syncopation = "light",
    root: Root = None,
    json: Json = False,
) -> None:
    """Make a clip and print its folder.

    The same request and seed give the same notes. Exit code 2: the request cannot be used, and stderr names the
    chord symbol or option.
    """
    from sg_generator import logs
    from sg_generator.compose import service_of
    from sg_generator.models import request_from
    from sg_generator.settings import load_settings

    if root is not None and not root.strip():
        raise typer.BadParameter("it is empty; is a variable not set?", param_hint="--root")
    written = [bar.strip() for bar in chords.split("|") if bar.strip()]
    document = {
        "chords": written,
        "tempo_bpm": tempo,
        "meter": meter,
        "bars": max(len(written), 1) if bars is None else bars,
        "style": style,
        "seed": seed,
        "key": key,
        "density_bucket": density,
        "syncopation_bucket": syncopation,
    }
    request = request_from(document)
    logs.configure("auto", "error")
    _print_clip(service_of(load_settings({"bundle_roots": None if root is None else [root]})).generate(request), json)


def styles(json: Json = False) -> None:
    """List the styles: name, meters of its own, a usual tempo, what it is."""
    from sg_generator.styles import STYLES

    if json:
        _print_json([_style_document(style) for style in STYLES.values()])
        return
    rows = [(style.name, " ".join(style.meters), f"{style.tempo_bpm:g}", style.note) for style in STYLES.values()]
    lines = [("STYLE", "METERS", "BPM", "WHAT IT IS"), *rows]
    widths = [max(len(line[column]) for line in lines) for column in range(3)]
    for line in lines:
        print("  ".join([*(cell.ljust(width) for cell, width in zip(line, widths, strict=False)), line[3]]))


def _style_document(style: Style) -> dict[str, Any]:
    return {
        "name": style.name,
        "title": style.title,
        "meters": list(style.meters),
        "tempo_bpm": style.tempo_bpm,
        "note": style.note,
    }


def _print_clip(made: Generated, json: bool) -> None:
    if json:
        _print_json(made.model_dump(mode="json"))
    else:
        print(made.bundle_dir)
    if made.error_message:  # the clip is there; something beside it is not
        print(f"WARNING: {shown(made.error_message, 500)}", file=sys.stderr)


def _print_json(value: object) -> None:
    from sg_coach.jsontext import to_json_text

    print(to_json_text(value), end="")
