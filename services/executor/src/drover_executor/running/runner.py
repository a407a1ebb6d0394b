"""One attempt: claim, prepare, run, report."""

from collections.abc import Callable, Mapping
from typing import Any, TypeVar
from uuid import UUID

import structlog
from drover_shared.domain.reasons import Reason
from drover_shared.domain.states import RunState
from drover_shared.logging import get_logger

from drover_executor.child.spec import ChildSpec
from drover_executor.client.errors import NotOursError, RefusedError, UnavailableError
from drover_executor.client.registration import Registration
from drover_executor.client.run_api import Claim, Outcome, RunApi
from drover_executor.client.transport import Transport
from drover_executor.failures import AbandonedError, CanceledError, RunFailedError
from drover_executor.lease_clock import lease_clock
from drover_executor.project.checkout import ProjectSource
from drover_executor.running.command import Prepared, child_spec
from drover_executor.running.control import Control, Lease
from drover_executor.running.credentials import inject
from drover_executor.running.ending import Ending
from drover_executor.running.environment import playbook_environment
from drover_executor.running.finish import Finisher
from drover_executor.running.keeper import Keeper
from drover_executor.running.outcome import outcome_of
from drover_executor.running.supervision import Supervision
from drover_executor.running.workspace import Workspace, workspace
from drover_executor.settings import ExecutorSettings
from drover_executor.shipping.shipper import Shipper
from drover_executor.shipping.sinks import MakeSink

T = TypeVar("T")
_log = get_logger("drover.executor.run")
_CLAIM_TRIES = 3
_RETRY_SECONDS = 0.5


class RunnerFactory:
    """What every attempt on this executor shares."""

    def __init__(
        self,
        settings: ExecutorSettings,
        transport: Transport,
        registration: Registration,
        make_sink: MakeSink,
    ) -> None:
        self.settings, self.transport, self.registration = settings, transport, registration
        self.make_sink = make_sink
        self.source = ProjectSource(settings.folder, settings.local_roots, settings.git_seconds)

    def claim(self, run_id: UUID) -> Claim | None:
        """Claim a run; None where it is not to be had."""
        for _ in range(_CLAIM_TRIES):
            claimed_at = lease_clock()
            try:
                return Claim.read(run_id, self.registration.claim(run_id), claimed_at)
            except (NotOursError, RefusedError):
                return None
            except UnavailableError as error:
                _log.warning("claim_failed", job_run_id=str(run_id), error=str(error))
        return None

    def run(self, claim: Claim, control: Control) -> None:
        """Run a claimed attempt to its end. Whatever goes wrong stays within this attempt."""
        with structlog.contextvars.bound_contextvars(job_run_id=str(claim.run_id)):
            try:
                with workspace(self.settings.folder, claim.run_id) as space:
                    Attempt(self, claim, control, space).run()
            except AbandonedError as error:
                _log.warning("run_abandoned", why=str(error))
            except Exception:  # noqa: BLE001 - the executor serves other runs; this one's lease ends
                _log.exception("run_broke")


class Attempt:
    """The steps of one claimed attempt."""

    def __init__(self, shared: RunnerFactory, claim: Claim, control: Control, space: Workspace) -> None:
        self._shared, self._claim, self._control, self._space = shared, claim, control, space
        self._api = RunApi(shared.transport, claim)
        self._lease = Lease(claim.lease_seconds, claim.claimed_at)
        self._keeper = Keeper(self._api, control, self._lease, claim.heartbeat_seconds)

    def run(self) -> None:
        """Raises AbandonedError when the attempt is not ours any more."""
        self._keeper.start()
        try:
            manifest = self._answered(self._api.manifest)
            job_id, folder = int(manifest["job_id"]), self._space.folder
            shipper = Shipper(self._space.spool, self._shared.make_sink(self._claim, job_id, self._api))
            outcome = self._outcome(manifest, shipper)
            self._space.forget_secrets()
            Ending(self._claim, job_id, outcome, shipper.chunk_ends).write(folder)
            finisher = Finisher(self._api, self._control, shipper, folder, self._keeper.stop)
            complete = finisher.finish(outcome)
            _log.info("run_ended", state=str(outcome.state), reason=outcome.error_reason, complete=complete)
        finally:
            self._keeper.stop()

    def _outcome(self, manifest: Mapping[str, Any], shipper: Shipper) -> Outcome:
        try:
            spec, revision = self._prepare(manifest)
            cancel = self._answered(lambda: self._api.start(revision))
            self._control.ask_cancel(cancel)
            self._control.check()
            return self._play(spec, manifest, shipper)
        except CanceledError:
            return Outcome(RunState.CANCELED, None, Reason.CANCELED)
        except RunFailedError as error:
            _log.warning("run_failed", reason=error.reason.value, detail=str(error))
            return Outcome(RunState.FAILED, None, error.reason, str(error))
        except AbandonedError:
            raise
        except Exception as error:  # noqa: BLE001 - whatever it is, the job says that the executor failed
            _log.exception("run_failed_here")
            return Outcome(RunState.FAILED, None, Reason.EXECUTOR_ERROR, type(error).__name__)

    def _prepare(self, manifest: Mapping[str, Any]) -> tuple[ChildSpec, str | None]:
        source, project = self._shared.source, manifest.get("project") or {}
        revision = source.check_out(self._space, project, self._credential, self._control.check)
        env = playbook_environment(self._space, {})
        paths = source.requirements(self._space, project, revision, env, self._control.check)
        credentials = [self._credential(int(one["id"])) for one in manifest.get("credentials") or ()]
        injected = inject(self._space, credentials)
        return child_spec(Prepared(self._space, manifest, injected, source, paths)), revision

    def _credential(self, credential_id: int) -> Mapping[str, Any]:
        try:
            return self._answered(lambda: self._api.credential(credential_id))
        except RefusedError as error:
            raise RunFailedError(Reason.CREDENTIAL_ERROR, f"Credential {credential_id}: {error}") from None

    def _play(self, spec: ChildSpec, manifest: Mapping[str, Any], shipper: Shipper) -> Outcome:
        supervision = Supervision(self._space, spec, self._control, self._lease, shipper)
        limit = float(manifest.get("timeout_seconds") or 0)
        result = supervision.run(limit)
        if result is None:
            _log.error("child_died", last_words=supervision.last_words)
        if self._control.abandoned:
            raise AbandonedError(self._control.abandoned)
        return outcome_of(result, self._control.cancel != "none", limit)

    def _answered(self, call: Callable[[], T]) -> T:
        """Ask until the API answers; the keeper ends the attempt when the lease does.

        Raises AbandonedError, RefusedError.
        """
        while True:
            if self._control.abandoned:
                raise AbandonedError(self._control.abandoned)
            try:
                return call()
            except NotOursError as error:
                self._control.abandon(str(error))
            except UnavailableError as error:
                _log.warning("api_unavailable", error=str(error))
                self._control.changed.wait(_RETRY_SECONDS)
                self._control.changed.clear()
