"""``python -m kitecli.store``: started by kite itself, and by whoever wants to seal a store with a timer of theirs."""

import sys

from kitecli.store.background import main

sys.exit(main())
