"""A feed as ``python -m kitecli.gateway`` is one, in a hurry: its files are small, and it has them sealed at once.

As shipped, a file takes an hour or 256 MB, and the first half minute of a feed is left to its messages.
"""

from __future__ import annotations

import sys
from functools import partial

from kitecli.gateway import process, recording
from kitecli.store.writer import StoreSettings

recording.MASTER_LOOK_S = recording.RETRY_S = 0.1
recording.StoreSettings = partial(StoreSettings, segment_bytes=1 << 16)

if __name__ == "__main__":
    sys.exit(process.main())
