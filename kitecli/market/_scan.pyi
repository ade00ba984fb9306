from kitecli.market.columns import ExpiryOrdinals
from kitecli.market.index import Buffer

def scan(csv: bytes, start: int, expiry_of: ExpiryOrdinals) -> dict[str, Buffer] | None: ...
