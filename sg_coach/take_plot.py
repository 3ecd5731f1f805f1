"""A take as a picture: each event's error over the bars, and how the errors are distributed. SVG or PNG.

Drawn by `matplotlib` (extra `plot`), loaded when a plot is asked for. The same report gives the same bytes.
"""

from __future__ import annotations

import io
from pathlib import PurePath
from typing import TYPE_CHECKING, Any, Final

from .errors import ExtraMissing, InvalidInput
from .take.report import TakeReport
from .take.statistics import ON_GRID_MS

if TYPE_CHECKING:
    from matplotlib.axes import Axes

FORMATS: Final = ("svg", "png")
_INK, _EVENT, _BAND = "#22313f", "#1f6f8b", "#dcefe6"


def plot_format(name: str) -> str:
    """Return the format that a file's name asks for. Raises InvalidInput for another one."""
    suffix = PurePath(name).suffix.lower().removeprefix(".")
    if suffix not in FORMATS:
        raise InvalidInput("a plot is .svg or .png", source=name, remedy="name the file so")
    return suffix


def plot_bytes(report: TakeReport, beats_a_bar: int, form: str) -> bytes:
    """Return the plot of a report in the format `form`. Raises ExtraMissing if matplotlib is not installed."""
    try:
        from matplotlib import rc_context
        from matplotlib.backends.backend_agg import FigureCanvasAgg
        from matplotlib.figure import Figure
    except ImportError as error:
        need = "plots need the matplotlib package; install it with: pip install sg-hybrid[plot]"
        raise ExtraMissing(need) from error
    with rc_context({"svg.hashsalt": "sgc", "svg.fonttype": "none", "font.size": 9, "text.color": _INK}):
        figure = Figure(figsize=(9, 3.4), layout="constrained")
        FigureCanvasAgg(figure)
        over_bars, distribution = figure.subplots(1, 2, width_ratios=(3, 1), sharey=True)
        _draw_bars(over_bars, report, beats_a_bar)
        _draw_distribution(distribution, report)
        drawn = io.BytesIO()
        metadata: dict[str, Any] = {"Date": None} if form == "svg" else {}
        figure.savefig(drawn, format=form, metadata=metadata, dpi=120)
    return drawn.getvalue()


def _draw_bars(axes: Axes, report: TakeReport, beats_a_bar: int) -> None:
    steps = 2 if report.reference == "grid" and report.session.grid == 8 else 4
    bars = [(one.beat + one.step / steps) / beats_a_bar + 1 for one in report.placed]
    _draw_band(axes)
    axes.plot(bars, [one.error_ms for one in report.placed], ".", color=_EVENT, markersize=4)
    axes.set_xlabel("bar")
    axes.set_ylabel("error in ms (late is up)")
    axes.set_title(f"latency of {report.session.latency_removed_ms or 0:+.1f} ms taken out", loc="left", fontsize=9)


def _draw_distribution(axes: Axes, report: TakeReport) -> None:
    _draw_band(axes)
    errors = [one.error_ms for one in report.placed]
    axes.hist(errors, bins=31, orientation="horizontal", color=_EVENT)
    axes.set_xlabel("events")
    axes.set_title(f"95 % within {report.session.timing_p95_error_ms:.0f} ms", loc="left", fontsize=9)


def _draw_band(axes: Axes) -> None:
    axes.axhspan(-ON_GRID_MS, ON_GRID_MS, color=_BAND, zorder=0)
    axes.axhline(0, color=_INK, linewidth=0.8)
