"""One attempt on this executor, from its claim to its end, or from where another start left it."""

from collections.abc import Callable, Mapping
from typing import Any, TypeVar

from drover_shared import traces
from drover_shared.domain.reasons import Reason
from drover_shared.domain.states import JobKind, RunState
from drover_shared.logging import get_logger

from drover_executor import metrics
from drover_executor.child.spec import ChildResult
from drover_executor.client.errors import NotOursError, RefusedError, UnavailableError
from drover_executor.client.run_api import Outcome, RunApi
from drover_executor.failures import AbandonedError, CanceledError, RunFailedError
from drover_executor.lease_clock import lease_clock
from drover_executor.project.contents import contents
from drover_executor.running import facts
from drover_executor.running.control import Control
from drover_executor.running.finish import Finisher
from drover_executor.running.keeper import Keeper
from drover_executor.running.lease import Lease
from drover_executor.running.outcome import lost, outcome_of
from drover_executor.running.preparation import Preparation
from drover_executor.running.process import RunProcess
from drover_executor.running.record import Record
from drover_executor.running.supervision import Supervision
from drover_executor.running.workspace import Workspace
from drover_executor.shipping.shipper import Shipper
from drover_executor.shipping.sinks import MakeSink, Sink

T = TypeVar("T")
_log = get_logger("drover.executor.run")
_RETRY_SECONDS = 0.5


class Attempt:
    """`run` or `resume` it once."""

    def __init__(
        self,
        api: RunApi,
        make_sink: MakeSink,
        preparation: Preparation,
        record: Record,
        control: Control,
        space: Workspace,
        lease: Lease,
    ) -> None:
        self._api, self._make_sink, self._record = api, make_sink, record
        self._preparation = preparation
        self._control, self._space, self._lease = control, space, lease
        self._keeper = Keeper(api, control, lease, record.claim.heartbeat_seconds)

    def run(self) -> None:
        """Raises AbandonedError when the attempt is not ours any more."""
        self._keeper.start()
        try:
            manifest = self._answered(self._api.manifest)
            self._note(job_id=int(manifest["job_id"]))
            shipper = Shipper(self._space.spool, self._sink())
            with traces.span("run", manifest.get("traceparent"), self._about(manifest)):
                self._end(self._guarded(lambda: self._outcome(manifest, shipper)), shipper)
        finally:
            self._keeper.stop()

    def resume(self) -> None:
        """Go on where the executor's death left it: watch what lives, report what has ended."""
        self._keeper.start()
        try:
            shipper = Shipper.resumed(self._space.spool, self._sink())
            outcome = self._record.outcome or self._guarded(lambda: self._found(shipper))
            self._end(outcome, shipper)
        finally:
            self._keeper.stop()

    def _about(self, manifest: Mapping[str, Any]) -> dict[str, str | int | bool]:
        attempt = int(manifest.get("attempt_number") or 0)
        run_id = str(self._record.claim.run_id)
        return {
            "drover.job_id": int(manifest["job_id"]),
            "drover.job_run_id": run_id,
            "drover.attempt": attempt,
        }

    def _sink(self) -> Sink:
        return self._make_sink(self._record.claim, self._record.job_id or 0, self._api)

    def _note(self, **values: Any) -> None:
        self._record = self._record.changed(self._space.folder, **values)

    def _end(self, outcome: Outcome, shipper: Shipper) -> None:
        self._space.forget_secrets()
        self._note(outcome=outcome)
        facts.hand_in(self._space, self._api, self._control)
        finisher = Finisher(self._api, self._control, shipper, self._space.folder, self._reported)
        complete = finisher.finish(outcome)
        metrics.ENDED.labels(str(outcome.state)).inc()
        _log.info("run_ended", state=str(outcome.state), reason=outcome.error_reason, complete=complete)

    def _reported(self) -> None:
        self._keeper.stop()
        self._control.report()

    def _guarded(self, outcome: Callable[[], Outcome]) -> Outcome:
        try:
            return outcome()
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

    def _outcome(self, manifest: Mapping[str, Any], shipper: Shipper) -> Outcome:
        if manifest.get("kind") == JobKind.PROJECT_SYNC:
            return self._sync(manifest)
        check = self._control.check
        if manifest.get("use_fact_cache"):
            facts.load(self._space, lambda after: self._answered(lambda: self._api.facts(after)))
        spec, revision = self._preparation.prepare(self._space, manifest, self._credential, check)
        cancel = self._answered(lambda: self._api.start(revision))
        self._control.ask_cancel(cancel)
        self._control.check()
        spec.write(self._space.folder)
        limit = float(manifest.get("timeout_seconds") or 0)
        stop_at = lease_clock() + limit if limit else None
        process = RunProcess.start(self._space)
        self._note(
            guard=process.guard,
            timeout_seconds=limit,
            stop_at=stop_at,
            in_container=spec.output is not None,
        )
        return self._watched(process, shipper)

    def _sync(self, manifest: Mapping[str, Any]) -> Outcome:
        """Find a project's revision and its playbooks; there is nothing to play."""
        self._control.ask_cancel(self._answered(lambda: self._api.start(None)))
        self._control.check()
        project = manifest.get("project") or {}
        source, check = self._preparation.source, self._control.check
        revision = source.check_out(self._space, project, self._credential, check)
        return Outcome(RunState.SUCCESSFUL, artifacts=contents(self._space.project, revision))

    def _credential(self, credential_id: int) -> Mapping[str, Any]:
        try:
            return self._answered(lambda: self._api.credential(credential_id))
        except RefusedError as error:
            raise RunFailedError(Reason.CREDENTIAL_ERROR, f"Credential {credential_id}: {error}") from None

    def _found(self, shipper: Shipper) -> Outcome:
        guard = self._record.guard
        process = None if guard is None else RunProcess.find(guard, self._space)
        if process is not None:
            _log.info("run_found_alive", lease_left=round(self._lease.left, 1))
            return self._watched(process, shipper)
        self._space.kill_processes()
        self._preparation.end_container(self._space)
        shipper.look(at_end=True)
        result = ChildResult.read(self._space.folder)
        if result is None:
            return lost("The executor was stopped, and the playbook with it.")
        return self._told(result)

    def _watched(self, process: RunProcess, shipper: Shipper) -> Outcome:
        supervision = Supervision(self._space, self._control, self._lease, shipper, self._record.stop_at)
        try:
            result = supervision.run(process)
        finally:
            self._preparation.end_container(self._space)
        if result is None:
            _log.error("child_died", last_words=supervision.last_words, expired=supervision.expired)
        if self._control.abandoned:
            raise AbandonedError(self._control.abandoned)
        if result is None and supervision.expired:
            return lost("The executor was held up for too long, and the playbook was stopped.")
        return self._told(result)

    def _told(self, result: ChildResult | None) -> Outcome:
        return outcome_of(
            result,
            self._control.cancel != "none",
            self._record.timeout_seconds,
            in_container=self._record.in_container,
        )

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
