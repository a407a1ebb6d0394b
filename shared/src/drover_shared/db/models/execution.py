"""Where playbooks run."""

from datetime import datetime

from sqlalchemy import CheckConstraint, ForeignKey, Integer, LargeBinary, UniqueConstraint, false, func
from sqlalchemy.orm import Mapped, mapped_column

from drover_shared.db.models.base import Base, IntPk, Stamped, Texts


class ExecutionEnvironment(Stamped, Base):
    """Specification 2.4; without an organization it is everybody's."""

    __tablename__ = "execution_environments"
    __table_args__ = (
        UniqueConstraint("organization_id", "name", postgresql_nulls_not_distinct=True),
        CheckConstraint("pull IN ('always', 'missing', 'never')", name="pull"),
    )
    id: Mapped[IntPk]
    name: Mapped[str]
    description: Mapped[str] = mapped_column(server_default="")
    organization_id: Mapped[int | None] = mapped_column(ForeignKey("organizations.id"))
    image: Mapped[str]
    credential_id: Mapped[int | None] = mapped_column(ForeignKey("credentials.id"), index=True)
    pull: Mapped[str] = mapped_column(server_default="missing")
    managed: Mapped[bool] = mapped_column(server_default=false())


class ExecutorPool(Stamped, Base):
    """A named set of executors; `default` always exists. While one drains, none of its jobs are begun."""

    __tablename__ = "executor_pools"
    id: Mapped[IntPk]
    name: Mapped[str] = mapped_column(unique=True)
    description: Mapped[str] = mapped_column(server_default="")
    draining: Mapped[bool] = mapped_column(server_default=false())


class Executor(Base):
    """One registered executor; its token is kept as SHA-256."""

    __tablename__ = "executors"
    id: Mapped[IntPk]
    name: Mapped[str] = mapped_column(unique=True)
    pools: Mapped[Texts]
    slots: Mapped[int] = mapped_column(Integer)
    version: Mapped[str]
    isolation: Mapped[str] = mapped_column(server_default="none")
    token_hash: Mapped[bytes] = mapped_column(LargeBinary, unique=True)
    draining: Mapped[bool] = mapped_column(server_default=false())
    created_at: Mapped[datetime] = mapped_column(server_default=func.now())
    last_seen_at: Mapped[datetime] = mapped_column(server_default=func.now())
