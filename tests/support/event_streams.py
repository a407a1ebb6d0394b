"""A reader of server-sent events over a real socket."""

import http.client
from types import TracebackType
from typing import Self


class EventReader:
    """Reads one stream of the API at `port`; `last_id` resumes."""

    def __init__(self, port: int, path: str, token: str, last_id: str = "") -> None:
        self._connection = http.client.HTTPConnection("127.0.0.1", port, timeout=30)
        headers = {"Accept": "text/event-stream", "Authorization": f"Bearer {token}"}
        if last_id:
            headers["Last-Event-ID"] = last_id
        self._connection.request("GET", f"/api/v1{path}", headers=headers)
        self._answer = self._connection.getresponse()
        self.status = self._answer.status

    def next_id(self) -> str | None:
        """The id of the next message that has one; None where the stream ended or broke off."""
        try:
            while line := self._answer.readline():
                if line.startswith(b"id: "):
                    return line[4:].strip().decode()
        except http.client.IncompleteRead:
            pass
        return None

    def close(self) -> None:
        self._answer.close()
        self._connection.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()
