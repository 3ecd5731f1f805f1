"""`sg-hybrid show`: what a player should read of a bundle. The hint decides; AI tips stand visibly apart."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from .exits import say
from .options import Bundle, Json, folder_at
from .output import print_json, print_line

if TYPE_CHECKING:
    from sg_hybrid.bundle_reader import BundleView
    from sg_hybrid.models import AiAddendum


def show(bundle: Bundle, json: Json = False) -> None:
    """Show what a player should read: the hint, and AI tips apart.

    --json prints both as one object (contract coaching_envelope_v1). Bundles without AI files, of v1.0 too, are shown
    all the same. What stands in the bundle but does not belong to it is said on stderr.
    """
    from sg_hybrid.bundle_reader import read_bundle

    view = read_bundle(folder_at(bundle))
    if json:
        print_json(view.envelope().model_dump(mode="json"))
    else:
        print_view(view)
    print_notes(view)


def print_notes(view: BundleView) -> None:
    """Say on stderr what stands in the bundle and is not shown."""
    for note in view.notes:
        say(f"NOTE: {note}")


def print_view(view: BundleView) -> None:
    """Print what a player should read."""
    coaching = view.coaching
    trend = "" if coaching.score_trend is None else f", trend {coaching.score_trend:+g}"
    print_line(f"{view.clip_id}: {coaching.take_result}, score {coaching.score:g}{trend}", "bold")
    print_line(coaching.coach_hint)
    if view.ai is not None:
        _print_ai(view.ai, f"AI tip ({view.ai.model_id})")
    if view.queued is not None:
        _print_ai(view.queued, f"AI tip from your last take, {view.queued.clip_id} ({view.queued.model_id})")


def _print_ai(addendum: AiAddendum, title: str) -> None:
    print_line()
    print_line(title, "cyan")
    for text in _texts(addendum):
        print_line(f"  {text}", "cyan")


def _texts(addendum: AiAddendum) -> Iterator[str]:
    labelled = (
        ("Tip", addendum.coaching_tip),
        ("Timing", addendum.timing_insight),
        ("Exercise", addendum.exercise_hint),
    )
    return (f"{label}: {text}" for label, text in labelled if text)
