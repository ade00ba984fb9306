"""A feed to iterate over, in one call: for scripts that want neither callbacks nor threads."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import ExitStack

from kitecli.gateway.feed import Feed
from kitecli.gateway.spec import GatewayEvent
from kitecli.ring.policy import Policy
from kitecli.ring.reader import DEFAULT_MAX_LAG
from kitecli.secret import Secret
from kitecli.service.interest import Instruments, modes_of
from kitecli.service.supply import policy_named
from kitecli.service.venue import Venue, as_whom, secret_or_none, simulation
from kitecli.settings import Settings
from kitecli.settings.live import LiveConfig
from kitecli.settings.live import config as process_config
from kitecli.sim.options import SimOptions
from kitecli.wiring import FeedPlan, start_feed


def open_feed(
    instruments: Instruments = (),
    mode: str | None = None,
    *,
    api_key: str | Secret | None = None,
    access_token: str | Secret | None = None,
    policy: str | Policy = Policy.EVERY,
    max_lag: int = DEFAULT_MAX_LAG,
    simulated: bool | SimOptions = False,
    config: LiveConfig | None = None,
    on_event: Callable[[GatewayEvent], None] = lambda _: None,
) -> Feed:
    """A running feed of ``instruments``; arguments and errors as those of ``DataFeedService`` and its ``subscribe``.

    ::

        with open_feed(["NSE:INFY"], "full") as feed:
            for batch in feed:
                print(batch.ticks["last_price"])

    It takes a second to come back; on an event loop, ``await asyncio.to_thread(open_feed, …)``.
    """
    live = process_config if config is None else config
    key, token = secret_or_none(api_key), secret_or_none(access_token)

    def settings() -> Settings:
        return as_whom(live.settings, key, token)

    venue = Venue(settings, simulation(simulated))
    held = ExitStack()  # closed once, whoever comes first: the feed, or what kept it from opening
    live.freeze()
    held.callback(live.thaw)
    held.callback(venue.close)
    try:
        modes = modes_of(instruments, mode, settings(), venue.book, venue.prices)
        plan = FeedPlan(policy=policy_named(policy), max_lag=max_lag)
        return start_feed(settings(), venue.market(), modes, plan, on_event, held.close)
    except BaseException:
        held.close()
        raise
