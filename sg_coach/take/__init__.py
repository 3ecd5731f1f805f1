"""From a played take to the facts of a SessionRecord: note lists, tempo and meter in, a record and a report out. Pure.

`analyse.analyse_take` is the way in. Times are in ms from the first beat of bar 1, late is positive.
"""

from .analyse import AnotherPiece, Context, analyse_take
from .clave import PARTS, Part
from .notes import Note, Pulse
from .report import TakeReport, report_lines

__all__ = ["PARTS", "AnotherPiece", "Context", "Note", "Part", "Pulse", "TakeReport", "analyse_take", "report_lines"]
