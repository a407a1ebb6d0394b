"""The API as a process of its own: live readers over a real socket, and a stop that they do not hold up."""

import http.client
import random
from pathlib import Path

from drover_api.deps import Deps
from drover_api.settings import ApiSettings
from drover_cli.local.ports import choose_port
from support.api import token_for
from support.job_rows import QueuedJob
from support.output_rows import store_events
from support.services import ServiceProcess
from support.waiting import eventually


def environment(settings: ApiSettings, port: int) -> dict[str, str]:
    return {
        "DROVER_DATABASE_URL": settings.database_url,
        "DROVER_REDIS_URL": settings.redis_url,
        "DROVER_S3_ENDPOINT": settings.s3.endpoint,
        "DROVER_S3_BUCKET": settings.s3.bucket,
        "DROVER_S3_ACCESS_KEY": settings.s3.access_key,
        "DROVER_S3_SECRET_KEY": settings.s3.secret_key,
        "DROVER_SECRET_KEYS": ",".join(settings.secret_keys),
        "DROVER_REGISTRATION_TOKEN": settings.registration_token,
        "DROVER_PORT": str(port),
        "DROVER_API_WORKERS": "1",
    }


def answers(port: int) -> bool:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=5)
    try:
        connection.request("GET", "/readyz")
        return connection.getresponse().status == http.HTTPStatus.OK
    except OSError:
        return False
    finally:
        connection.close()


def test_a_live_reader_gets_events_as_they_come_and_does_not_hold_up_a_stop(
    api_settings: ApiSettings, api_deps: Deps, queued: QueuedJob, tmp_path: Path
) -> None:
    port = choose_port(None, set(), random.Random())
    process = ServiceProcess("drover_api", environment(api_settings, port), tmp_path / "api.log")
    with process:
        eventually("the API is ready", lambda: answers(port), 60)
        reader = http.client.HTTPConnection("127.0.0.1", port, timeout=20)
        headers = {
            "Accept": "text/event-stream",
            "Authorization": f"Bearer {token_for(api_deps, 'admin', 'read')}",
        }
        reader.request("GET", f"/api/v1/jobs/{queued.job_id}/events", headers=headers)
        stream = reader.getresponse()
        assert stream.status == http.HTTPStatus.OK
        assert stream.readline() == b"retry: 2000\n"
        with api_deps.sessions.begin() as db:
            store_events(db, queued.run_id, queued.job_id, [1])
        while not (line := stream.readline()).startswith(b"id:"):
            assert line, "the stream ended"
        assert line == b"id: 1\n"
