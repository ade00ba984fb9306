"""What kite writes down about itself: JSON lines in one file that is rotated; docs/logs.md has the fields.

``masked``: loggers whose records carry no secret; ``lines``: records as lines and back; ``files``: the file and those
before it; ``courier``: a thread that does what can take long; ``running``: this process's log; ``reading``: what
``kite logs`` shows.
"""

from kitecli.logs.masked import about as about
from kitecli.logs.masked import logger as logger
