"""Why a run or a job ended as it did: codes for programs, sentences for people."""

from enum import StrEnum

from drover_shared.domain.states import JobStatus, RunState


class Reason(StrEnum):
    """The value of `error_reason` on a run and on its job."""

    PLAYBOOK_FAILED = "playbook_failed"
    PLAYBOOK_SYNTAX_ERROR = "playbook_syntax_error"
    PLAYBOOK_NOT_FOUND = "playbook_not_found"
    TIMEOUT = "timeout"
    OUTPUT_TOO_LARGE = "output_too_large"
    WAITING_TIMEOUT = "waiting_timeout"
    START_TIMEOUT = "start_timeout"
    CANCELED = "canceled"
    PROJECT_UNREACHABLE = "project_unreachable"
    PROJECT_REF_NOT_FOUND = "project_ref_not_found"
    PROJECT_INVALID = "project_invalid"
    INVENTORY_INVALID = "inventory_invalid"
    CREDENTIAL_ERROR = "credential_error"
    EXECUTION_ENVIRONMENT_ERROR = "execution_environment_error"
    EXECUTOR_ERROR = "executor_error"
    EXECUTOR_LOST = "executor_lost"


SENTENCES: dict[Reason, str] = {
    Reason.PLAYBOOK_FAILED: "The playbook failed on at least one host.",
    Reason.PLAYBOOK_SYNTAX_ERROR: "Ansible could not read the playbook.",
    Reason.PLAYBOOK_NOT_FOUND: "The project holds no such playbook.",
    Reason.TIMEOUT: "The job ran longer than its time-out allows.",
    Reason.OUTPUT_TOO_LARGE: "The playbook printed more than the executor takes.",
    Reason.WAITING_TIMEOUT: "No executor took the job within the time it may wait.",
    Reason.START_TIMEOUT: "The executor did not get the playbook started within the time it may take.",
    Reason.CANCELED: "A user canceled the job.",
    Reason.PROJECT_UNREACHABLE: "The project's repository did not answer or refused access.",
    Reason.PROJECT_REF_NOT_FOUND: "The project's repository has no such branch, tag or commit.",
    Reason.PROJECT_INVALID: "The project could not be checked out.",
    Reason.INVENTORY_INVALID: "Ansible could not read the inventory.",
    Reason.CREDENTIAL_ERROR: "A credential could not be used.",
    Reason.EXECUTION_ENVIRONMENT_ERROR: "The execution environment's image could not be had or started.",
    Reason.EXECUTOR_ERROR: "The executor could not run the playbook.",
    Reason.EXECUTOR_LOST: "The executor stopped answering.",
}

# The playbook's own fault: the job is `failed`. Anything else is the platform's: `error`.
_PLAYBOOKS_FAULT = frozenset(
    {
        Reason.PLAYBOOK_FAILED,
        Reason.PLAYBOOK_SYNTAX_ERROR,
        Reason.PLAYBOOK_NOT_FOUND,
        Reason.TIMEOUT,
        Reason.OUTPUT_TOO_LARGE,
    }
)


def job_status_after(state: RunState, reason: str | None) -> JobStatus:
    """The status of a job whose run ended in `state`; `lost` means no attempt is left.

    Raises ValueError for a state that is not final.
    """
    match state:
        case RunState.SUCCESSFUL:
            return JobStatus.SUCCESSFUL
        case RunState.CANCELED:
            return JobStatus.CANCELED
        case RunState.LOST:
            return JobStatus.ERROR
        case RunState.FAILED:
            return JobStatus.FAILED if reason is None or reason in _PLAYBOOKS_FAULT else JobStatus.ERROR
        case _:
            raise ValueError(f"a run in state {state} has not ended")
