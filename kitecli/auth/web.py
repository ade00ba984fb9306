"""One browser's worth of HTTP for the headless login: cookies are kept, redirects are not followed."""

from __future__ import annotations

from types import TracebackType
from typing import Final, Self

from kitecli.auth.headless import Answer, Ask
from kitecli.secret import Secret

TIMEOUT_S: Final = 7.0


class Web:
    """To be closed, best by ``with``."""

    def __init__(self) -> None:
        import requests

        self._http = requests.Session()

    def ask(self, asked: Ask) -> Answer:
        """Raises :class:`BrokerUnavailable`, never with the address's query, which may hold secrets."""
        import requests

        from kitecli.broker.rest import certificates, is_on_this_machine, unreachable

        form = {name: value.reveal() if isinstance(value, Secret) else value for name, value in asked.form.items()}
        self._http.trust_env = not is_on_this_machine(asked.url)
        try:
            with self._http.request(
                asked.method,
                asked.url,
                data=form or None,
                timeout=TIMEOUT_S,
                allow_redirects=False,
                verify=certificates(),
            ) as response:
                headers = {name.lower(): value for name, value in response.headers.items()}
                return Answer(response.status_code, headers, response.content)
        except requests.RequestException as error:
            raise unreachable(asked.url, error) from None

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._http.close()
