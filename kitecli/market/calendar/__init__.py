"""When a segment trades: sessions, holidays, and the answers a program needs about them. Sans I/O.

``session`` is one span of a day, ``rules`` what the data files say, ``files`` reads them, ``calendar`` the questions.
docs/calendar.md has the files' form; where they stand is ``kitecli.settings.calendars``' business.
"""

from __future__ import annotations

from kitecli.market.calendar.calendar import Calendar
from kitecli.market.calendar.rules import Change, Hours, Occasion, Rules, Slot
from kitecli.market.calendar.session import At, Kind, Session, midnight_s

__all__ = ["At", "Calendar", "Change", "Hours", "Kind", "Occasion", "Rules", "Session", "Slot", "midnight_s"]
