"""The tables, a file a noun."""

from drover_shared.db.models.base import Base
from drover_shared.db.models.execution import ExecutionEnvironment, Executor, ExecutorPool
from drover_shared.db.models.identity import (
    Activity,
    BrowserSession,
    IdempotencyKey,
    Organization,
    RoleAssignment,
    Team,
    TeamMember,
    Token,
    User,
)
from drover_shared.db.models.inventory import (
    Group,
    GroupChild,
    GroupHost,
    Host,
    HostFacts,
    Inventory,
    InventorySnapshot,
)
from drover_shared.db.models.jobs import Job, JobCount, JobRun
from drover_shared.db.models.output import (
    DeadLetter,
    JobEvent,
    JobHostSummary,
    LogArchive,
    LogChunkRow,
    RunEventProgress,
    RunLogProgress,
)
from drover_shared.db.models.templates import (
    Credential,
    CredentialSnapshot,
    CredentialType,
    JobTemplate,
    JobTemplateCredential,
    Project,
    ProjectContent,
)

__all__ = [
    "Activity",
    "Base",
    "BrowserSession",
    "Credential",
    "CredentialSnapshot",
    "CredentialType",
    "DeadLetter",
    "ExecutionEnvironment",
    "Executor",
    "ExecutorPool",
    "Group",
    "GroupChild",
    "GroupHost",
    "Host",
    "HostFacts",
    "IdempotencyKey",
    "Inventory",
    "InventorySnapshot",
    "Job",
    "JobCount",
    "JobEvent",
    "JobHostSummary",
    "JobRun",
    "JobTemplate",
    "JobTemplateCredential",
    "LogArchive",
    "LogChunkRow",
    "Organization",
    "Project",
    "ProjectContent",
    "RoleAssignment",
    "RunEventProgress",
    "RunLogProgress",
    "Team",
    "TeamMember",
    "Token",
    "User",
]
