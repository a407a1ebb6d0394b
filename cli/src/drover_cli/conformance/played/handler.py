"""How the played API answers: routes, tokens and states as docs/executor-protocol.md has them."""

import base64
import hashlib
import json
import secrets
from collections.abc import Callable
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler
from typing import TYPE_CHECKING, Any

from drover_cli.conformance.kit import PREFIX
from drover_cli.conformance.played.runs import Call, Page, PlayedRun, Problem, Trick, gaps, watermark

if TYPE_CHECKING:
    from drover_cli.conformance.played.api import PlayedApi

EXECUTOR_ID = 7
LATE_OUTPUT = ("finish", "events", "log-chunks")  # these are taken after the end, too
_ANSWER_SECONDS = 5.0
Answer = tuple[int, Any]


class ProblemError(Exception):
    """A refusal in problem+json."""

    def __init__(self, status: int, detail: str) -> None:
        super().__init__(detail)
        self.problem = Problem(status, detail)


class Handler(BaseHTTPRequestHandler):
    """`api` is set by a subclass that it makes."""

    api: "PlayedApi"
    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        self._handle("GET")

    def do_POST(self) -> None:
        self._handle("POST")

    def do_PUT(self) -> None:
        self._handle("PUT")

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - http.server's name
        """`calls` of the API are the log."""

    def _handle(self, method: str) -> None:
        raw = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        parts = self.path.removeprefix(PREFIX).strip("/").split("/")
        what = "/".join(part for index, part in enumerate(parts) if index != 1) or parts[0]
        token = (self.headers.get("Authorization") or "").removeprefix("Bearer ")
        call = Call(method, what, parts[1] if len(parts) > 1 else "", token, _object(raw))
        self.api.note(call)
        treatment = call.treatment = self.api.treatment(call)
        if isinstance(treatment, Page):
            self._send(call, treatment.status, "text/html", b"<h1>Something in between</h1>")
        elif isinstance(treatment, Problem):
            self._refuse(call, treatment)
        elif treatment is Trick.SILENT:
            self.close_connection = True
            self.api.stopped.wait()
        elif treatment is Trick.DROPPED:
            self._send(call, HTTPStatus.ACCEPTED, "application/json", b"")
        else:
            self._answer(call, parts, heard=treatment is not Trick.UNHEARD)

    def _answer(self, call: Call, parts: list[str], *, heard: bool) -> None:
        try:
            status, answer = self._route(call, parts)
        except ProblemError as error:
            self._refuse(call, error.problem)
            return
        except (KeyError, TypeError, ValueError, AttributeError) as error:
            self._refuse(call, Problem(422, f"the body does not say what it should: {error!r}"))
            return
        if not heard:
            self.close_connection = True
            return
        body = {**answer, "a_key_of_tomorrow": 1} if answer is not None else None
        self._send(call, status, "application/json", b"" if body is None else json.dumps(body).encode())

    def _refuse(self, call: Call, problem: Problem) -> None:
        told = {"type": "about:blank", "status": problem.status, "detail": problem.detail}
        kind = "application/problem+json"
        self._send(call, problem.status, kind, json.dumps(told).encode(), dict(problem.headers))

    def _send(
        self, call: Call, status: int, kind: str, body: bytes, headers: dict[str, str] | None = None
    ) -> None:
        self.send_response(status)
        for name, value in {
            **(headers or {}),
            "Content-Type": kind,
            "Content-Length": str(len(body)),
        }.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(body)
        self.api.answered(call, status)

    def _route(self, call: Call, parts: list[str]) -> Answer:
        match call.method, parts:
            case "POST", ["executors"]:
                return 200, self._register(call)
            case "POST", ["executors", executor, "next" | "heartbeat" as what]:
                self._known_executor(int(executor), call.token)
                return self._next(call.body) if what == "next" else (200, {"drain": self.api.drain})
            case "POST", ["job-runs", run_id, "claim"]:
                self._known_executor(call.body["executor_id"], call.token)
                return 200, self._claim(self._run(run_id))
            case _, ["job-runs", run_id, *what]:
                run = self._run(run_id)
                if call.token != run.run_token:
                    raise ProblemError(401, "This is not the run's token.")
                with self.api.changed:
                    answer = self._of_run(run, "/".join(what), call.body)
                    self.api.changed.notify_all()
                return answer
        raise ProblemError(404, "no such route")

    def _register(self, call: Call) -> dict[str, Any]:
        if call.token != self.api.registration_token:
            raise ProblemError(401, "This is not the registration token.")
        token = self.api.executor_tokens[EXECUTOR_ID] = secrets.token_hex(8)
        return {"id": EXECUTOR_ID, "token": token, **self._terms()}

    def _terms(self, lease_seconds: float | None = None) -> dict[str, float]:
        return {
            "lease_seconds": self.api.lease_seconds if lease_seconds is None else lease_seconds,
            "heartbeat_interval_seconds": self.api.beat_seconds,
        }

    def _known_executor(self, executor: int, token: str) -> None:
        if not secrets.compare_digest(self.api.executor_tokens.get(executor, ""), token):
            raise ProblemError(401, "unknown executor")

    def _next(self, body: dict[str, Any]) -> Answer:
        drain = self.api.drain

        def pending() -> list[PlayedRun]:
            return [run for run in self.api.runs.values() if run.state == "pending"]

        def over() -> bool:
            return bool(pending()) or self.api.drain != drain or self.api.stopped.is_set()

        with self.api.changed:
            self.api.changed.wait_for(over, float(body["wait_seconds"]))
            found = pending()
        return (200, {"job_run_id": str(found[0].id)}) if found else (204, None)

    def _run(self, run_id: str) -> PlayedRun:
        run = self.api.runs.get(run_id)
        if run is None:
            raise ProblemError(410, "no such run")
        return run

    def _claim(self, run: PlayedRun) -> dict[str, Any]:
        with self.api.changed:
            if run.state not in ("pending", "starting"):
                raise ProblemError(409 if run.state == "running" else 410, "not to be had")
            run.state = "starting"
            run.run_token, run.stream_token = secrets.token_hex(8), secrets.token_hex(8)
            self.api.changed.notify_all()
        tokens = {"run_token": run.run_token, "stream_token": run.stream_token}
        return {**tokens, "lease_expires_at": run.lease_expires_at, **self._terms(run.lease_seconds)}

    def _of_run(self, run: PlayedRun, what: str, body: dict[str, Any]) -> Answer:
        if run.state == "lost" or (run.state not in ("starting", "running") and what not in LATE_OUTPUT):
            run.refused += 1
            self.api.changed.notify_all()
            raise ProblemError(410, "the attempt is over")
        if what.startswith("facts"):
            return self._facts(run, what.partition("after=")[2], body)
        if what.startswith("credentials/"):
            return self._credential(run, int(what.removeprefix("credentials/")))
        answers: dict[str, Callable[[PlayedRun, dict[str, Any]], Answer]] = {
            "manifest": lambda run, _body: (200, {**run.manifest, "job_run_id": str(run.id)}),
            "start": self._start,
            "heartbeat": self._heartbeat,
            "events": self._events,
            "log-chunks": self._log_chunks,
            "finish": self._finish,
        }
        if what not in answers:
            raise ProblemError(404, "no such route")
        return answers[what](run, body)

    def _start(self, run: PlayedRun, body: dict[str, Any]) -> Answer:
        run.state, run.revision = "running", body["project_revision"]
        return 200, {"state": "running", "cancel": run.cancel}

    def _heartbeat(self, run: PlayedRun, body: dict[str, Any]) -> Answer:
        run.beats += 1
        return 200, {
            "lease_expires_at": run.lease_expires_at,
            "cancel": run.cancel,
            "committed_seq": watermark(run.events, 1),
            "missing": gaps(run.events, 1, body["last_seq"]),
            "committed_log_seq": watermark(run.chunks, 0),
            "missing_log": gaps(run.chunks, 0, body["last_log_seq"]),
        }

    def _events(self, run: PlayedRun, body: dict[str, Any]) -> Answer:
        self._streamed(run, body)
        self.api.store_events(run, body["events"])
        return 202, None

    def _log_chunks(self, run: PlayedRun, body: dict[str, Any]) -> Answer:
        self._streamed(run, body)
        self.api.store_chunk(run, body["seq"], base64.b64decode(body["body"]))
        return 202, None

    def _streamed(self, run: PlayedRun, body: dict[str, Any]) -> None:
        if body["token"] != run.stream_token:
            raise ProblemError(401, "This is not the run's stream token.")

    def _credential(self, run: PlayedRun, credential_id: int) -> Answer:
        if credential_id not in run.credentials:
            raise ProblemError(404, "This run uses no such credential.")
        return 200, {"injectors": {}, **run.credentials[credential_id], "id": credential_id}

    def _facts(self, run: PlayedRun, after: str, body: dict[str, Any]) -> Answer:
        """One host a page."""
        for one in body.get("hosts", ()):
            run.kept[one["host"]] = one["facts"]
        if body:
            return 200, {"kept": len(body["hosts"])}
        left = [host for host in sorted(run.facts) if host > after]
        items = [{"host": host, "facts": run.facts[host]} for host in left[:1]]
        return 200, {"items": items, "next": left[0] if len(left) > 1 else None}

    def _finish(self, run: PlayedRun, body: dict[str, Any]) -> Answer:
        run.state, run.finish = body["state"], body
        self.api.changed.wait_for(lambda: self.api.answer_finish(run), _ANSWER_SECONDS)
        missing = gaps(run.events, 1, body["last_seq"])
        missing_log = gaps(run.chunks, 0, body["log_chunks"] - 1)
        if missing or missing_log:
            return 202, {"complete": False, "missing": missing, "missing_log": missing_log}
        log = run.log
        if (len(log), hashlib.sha256(log).hexdigest()) != (body["log_bytes"], body["log_sha256"]):
            raise ProblemError(422, "The log is not the one that finish tells of.")
        run.complete = True
        return 200, {"complete": True, "missing": [], "missing_log": []}


def _object(raw: bytes) -> dict[str, Any]:
    """The body's object; empty where it has none."""
    try:
        body = json.loads(raw)
    except ValueError:
        return {}
    return body if isinstance(body, dict) else {}
