"""What an attempt reports about its end."""

import signal
from dataclasses import replace

from drover_shared.domain.reasons import Reason
from drover_shared.domain.states import RunState

from drover_executor.child.playbook import CANCEL, FLOOD, KILL, TIMEOUT
from drover_executor.child.spec import ChildResult
from drover_executor.client.run_api import Outcome

_PARSER_ERROR = 4  # ansible-playbook's exit statuses: also "hosts unreachable", once a play began
_GENERIC_ERROR = 1
_INVENTORY_WORDS = ("inventory", "--limit")
_FLOOD = "The playbook was stopped: it printed more than this executor takes (DROVER_EXECUTOR_OUTPUT_MB)."
_ENGINE_ERRORS = (125, 126, 127)  # of podman and docker alike: theirs; not executable; not found
_KILLED = 128 + signal.SIGKILL  # as an engine reports it
_KILLED_DETAIL = "Ansible was killed in its container, as by the limit DROVER_EXECUTOR_MEMORY_MB."


def outcome_of(
    result: ChildResult | None, cancel_asked: bool, timeout_seconds: float, *, in_container: bool = False
) -> Outcome:
    """The end of a playbook that was started; `result` is None where its process died without a word."""
    if result is None:
        return Outcome(
            RunState.FAILED, None, Reason.EXECUTOR_ERROR, "The playbook's process ended unexpectedly."
        )
    if result.stopped == KILL and result.rc != 0 and not cancel_asked:
        return lost("The executor was stopped.")
    if in_container and not result.stopped and (ended := _ended_by_engine(result)):
        return replace(ended, artifacts=result.artifacts)
    return replace(_ended(result, cancel_asked, timeout_seconds), artifacts=result.artifacts)


def _ended_by_engine(result: ChildResult) -> Outcome | None:
    """The end of a container that did not start, or was killed; None where it was Ansible's own."""
    if result.rc in _ENGINE_ERRORS and not result.started:
        detail = result.last_error or f"The container ended with exit status {result.rc}."
        return Outcome(RunState.FAILED, result.rc, Reason.EXECUTION_ENVIRONMENT_ERROR, detail)
    if result.rc == _KILLED:
        return Outcome(RunState.FAILED, result.rc, Reason.PLAYBOOK_FAILED, _KILLED_DETAIL)
    return None


def lost(why: str) -> Outcome:
    """The playbook's end that nobody saw: another attempt may follow at once."""
    return Outcome(RunState.FAILED, None, Reason.EXECUTOR_LOST, why)


def _ended(result: ChildResult, cancel_asked: bool, timeout_seconds: float) -> Outcome:
    if result.key_refused:
        return Outcome(RunState.FAILED, None, Reason.CREDENTIAL_ERROR, f"SSH key: {result.key_refused}")
    if result.rc == 0:
        return Outcome(RunState.SUCCESSFUL, 0)
    if result.stopped == TIMEOUT:
        detail = f"The job was stopped after its time-out of {timeout_seconds:g} s."
        return Outcome(RunState.FAILED, result.rc, Reason.TIMEOUT, detail)
    if result.stopped == FLOOD:
        return Outcome(RunState.FAILED, result.rc, Reason.OUTPUT_TOO_LARGE, _FLOOD)
    if result.stopped == CANCEL or (result.stopped and cancel_asked):
        return Outcome(RunState.CANCELED, result.rc, Reason.CANCELED, None)
    reason, told = _failure(result)
    return Outcome(RunState.FAILED, result.rc, reason, told)


def _failure(result: ChildResult) -> tuple[Reason, str | None]:
    if result.started:
        return Reason.PLAYBOOK_FAILED, result.last_error or None
    if result.rc < 0:
        return Reason.EXECUTOR_ERROR, f"Ansible was killed by {signal.Signals(-result.rc).name}."
    told = result.last_error
    if result.rc == _GENERIC_ERROR and any(word in told for word in _INVENTORY_WORDS):
        return Reason.INVENTORY_INVALID, told
    if result.rc in (_PARSER_ERROR, _GENERIC_ERROR):
        return Reason.PLAYBOOK_SYNTAX_ERROR, told or None
    return Reason.EXECUTOR_ERROR, told or f"Ansible ended with exit status {result.rc}."
