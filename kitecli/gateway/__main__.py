"""``python -m kitecli.gateway``: started by kite itself, not by people."""

import sys

from kitecli.gateway.process import main

sys.exit(main())
