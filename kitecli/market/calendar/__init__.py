"""When a segment trades: sessions, holidays, and the answers a program needs about them. Sans I/O.

``session`` is one span of a day, ``rules`` what the data files say, ``calendar`` the questions. The files are read by
``kitecli.settings.calendars``; docs/calendar.md has their form.
"""

from __future__ import annotations

from kitecli.market.calendar.calendar import Calendar
from kitecli.market.calendar.rules import Change, Hours, Occasion, Rules, Slot
from kitecli.market.calendar.session import At, Kind, Session, midnight_s

__all__ = ["At", "Calendar", "Change", "Hours", "Kind", "Occasion", "Rules", "Session", "Slot", "midnight_s"]
