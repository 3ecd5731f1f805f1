"""A take as a picture: each event's error over the bars, and how the errors are distributed. SVG or PNG.

Drawn by `matplotlib` (extra `plot`), loaded when a plot is asked for. The same report gives the same bytes.
"""

from __future__ import annotations

import io
from math import ceil
from pathlib import PurePath
from typing import TYPE_CHECKING, Any, Final

from .errors import ExtraMissing, InvalidInput
from .take.analyse import FEWEST_EVENTS
from .take.report import TakeReport
from .take.statistics import ON_GRID_MS

if TYPE_CHECKING:
    from matplotlib.axes import Axes

FORMATS: Final = ("svg", "png")
_INK, _EVENT, _ACCENT, _BAND = "#22313f", "#1f6f8b", "#b8501f", "#dcefe6"
_DOT: Final[dict[str, Any]] = {"markersize": 3.6, "markeredgewidth": 0, "alpha": 0.85}
_LABEL: Final[dict[str, Any]] = {"ha": "right", "va": "top", "fontsize": 7.5, "color": "#4d7a63"}
_BIN_MS: Final = 5.0
_MARKED_MS: Final = 5.0
"""A beat that lies so far off on average is marked."""


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
        reach = max(1.2 * ON_GRID_MS, *(1.1 * abs(one.error_ms) for one in report.placed))
        _draw_bars(over_bars, report, beats_a_bar, reach)
        _draw_distribution(distribution, report, reach)
        drawn = io.BytesIO()
        metadata: dict[str, Any] = {"Date": None} if form == "svg" else {}
        figure.savefig(drawn, format=form, metadata=metadata, dpi=120)
    return drawn.getvalue()


def _draw_bars(axes: Axes, report: TakeReport, beats_a_bar: int, reach: float) -> None:
    steps = 2 if report.reference == "grid" and report.session.grid == 8 else 4
    dragged = _beat_that_is_off(report)
    for beat in (None, dragged):
        placed = [one for one in report.placed if (one.beat % beats_a_bar == dragged) == (beat is not None)]
        bars = [(one.beat + one.step / steps) / beats_a_bar + 1 for one in placed]
        axes.plot(bars, [one.error_ms for one in placed], "o", color=_EVENT if beat is None else _ACCENT, **_DOT)
    _draw_band(axes, reach)
    axes.set_xlim(0.75, report.session.bars + 1.25)
    axes.locator_params(axis="x", integer=True)
    axes.set_xlabel("bar")
    axes.set_ylabel("error in ms (late is up)")
    axes.set_title(f"latency of {_signed(report.session.latency_removed_ms or 0)} ms taken out", loc="left", fontsize=9)
    axes.set_title(_remark(report, dragged), loc="right", fontsize=9, color=_ACCENT)


def _draw_distribution(axes: Axes, report: TakeReport, reach: float) -> None:
    errors = [one.error_ms for one in report.placed]
    lowest = -_BIN_MS * ceil(reach / _BIN_MS)
    edges = [lowest + _BIN_MS * number for number in range(round(-2 * lowest / _BIN_MS) + 1)]
    axes.hist(errors, bins=edges, orientation="horizontal", color=_EVENT, edgecolor="white", linewidth=0.5)
    _draw_band(axes, reach)
    axes.text(1.0, ON_GRID_MS, f"in place: ±{ON_GRID_MS:g} ms ", transform=axes.get_yaxis_transform(), **_LABEL)
    axes.locator_params(axis="x", integer=True)
    axes.set_xlabel("events")
    axes.set_title(f"95 % within {report.session.timing_p95_error_ms:.0f} ms", loc="left", fontsize=9)


def _draw_band(axes: Axes, reach: float) -> None:
    axes.axhspan(-ON_GRID_MS, ON_GRID_MS, color=_BAND, zorder=0)
    axes.axhline(0, color=_INK, linewidth=0.8, zorder=1)
    axes.set_ylim(-reach, reach)
    axes.spines[["top", "right"]].set_visible(False)
    axes.yaxis.set_major_formatter(lambda ms, _: _signed(ms, 0))


def _beat_that_is_off(report: TakeReport) -> int | None:
    """The beat whose mean error is largest, if it is worth a mark."""
    errors = report.session.error_by_beat_ms or ()
    known = [(abs(error), beat) for beat, error in enumerate(errors) if error is not None]
    worst, beat = max(known, default=(0.0, 0))
    return beat if worst >= _MARKED_MS and report.session.timing_measurable else None


def _remark(report: TakeReport, dragged: int | None) -> str:
    """What the picture itself does not say."""
    if report.session.timing_measurable is False:
        if report.session.total_events < FEWEST_EVENTS:
            return f"not measurable: fewer than {FEWEST_EVENTS} events"
        return f"not measurable: 95 % of random notes within {report.chance_p95_ms:.0f} ms"
    mean = None if dragged is None else (report.session.error_by_beat_ms or ())[dragged]
    return "" if dragged is None or mean is None else f"● beat {dragged + 1}: {_signed(mean)} ms"


def _signed(ms: float, decimals: int = 1) -> str:
    """A signed number with a true minus; 0 has no sign."""
    return f"{ms:+.{decimals}f}".replace("-", "−") if round(ms, decimals) else "0"
