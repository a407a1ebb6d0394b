"""Checks out a git project at an exact revision, through a mirror shared by all runs of this executor."""

import hashlib
import os
import re
import resource
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from drover_shared.domain.reasons import Reason
from drover_shared.masking import Masker

from drover_executor.failures import RunFailedError
from drover_executor.project.access import GitAccess
from drover_executor.project.address import Address, check_reachable
from drover_executor.project.lock import lock
from drover_executor.project.paths import is_larger
from drover_executor.running.commands import Ended, TooSlowError, run_helper

_REVISION = re.compile(r"[0-9a-f]{40}(?:[0-9a-f]{24})?")
_REFSPECS = ("+refs/heads/*:refs/heads/*", "+refs/tags/*:refs/tags/*")
_SIZE_SECONDS = 1.0
_GIT_MEMORY_BYTES = 1 << 31
_TOO_LARGE = ("File too large", "Out of memory", "out of memory", "died of signal 25", "signal 25")
_DETAIL_CHARS = 500


@dataclass(frozen=True, slots=True)
class GitSource:
    """What to check out: `revision` wins over `branch` (branch, tag or commit; empty for the default).

    `depth`: how many commits of its history are fetched; 0 for all, of all branches and tags. `max_bytes`: of
    its checkout, and of each file of its history; 0 for no limit.
    """

    address: Address
    branch: str
    revision: str | None
    submodules: bool
    depth: int = 0
    max_bytes: int = 0


class GitCheckout:
    """One checkout. `check` is called while git runs and may raise."""

    def __init__(
        self, cache: Path, source: GitSource, access: GitAccess, seconds: float, check: Callable[[], None]
    ) -> None:
        self._source, self._access, self._check = source, access, check
        self._masker = Masker(access.secrets)
        self._deadline = time.monotonic() + seconds
        identity = f"{source.address.url}\0{hashlib.sha256(repr(access.secrets).encode()).hexdigest()}"
        self._mirror = cache / f"{hashlib.sha256(identity.encode()).hexdigest()[:32]}.git"

    def into(self, target: Path) -> str:
        """Check out into the new folder `target`; returns the revision. Raises RunFailedError, OSError."""
        self._mirror.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        with self._locked():
            revision = self._fetched_revision()
            self._must(["clone", "--quiet", "--local", "--no-checkout", "--", str(self._mirror), str(target)])
        self._must(["remote", "set-url", "origin", "--", self._source.address.shown], target)
        self._check = self._size_check(target)
        self._must(["-c", "advice.detachedHead=false", "checkout", "--quiet", "--detach", revision], target)
        if self._source.submodules:
            update = ["submodule", "--quiet", "update", "--init", "--recursive", *self._shallow]
            self._must(update, target, Reason.PROJECT_UNREACHABLE)
        self._size_check(target, at_once=True)()
        return revision

    def _size_check(self, target: Path, *, at_once: bool = False) -> Callable[[], None]:
        """The same check, which also fails when what is checked out grows over the limit."""
        limit, other, next_look = self._source.max_bytes, self._check, time.monotonic()

        def check() -> None:
            nonlocal next_look
            other()
            if limit and (at_once or time.monotonic() >= next_look):
                if is_larger(target, limit):
                    raise self._too_large()
                next_look = time.monotonic() + _SIZE_SECONDS

        return check

    def _too_large(self) -> RunFailedError:
        megabytes = self._source.max_bytes / 1_000_000
        return RunFailedError(
            Reason.PROJECT_INVALID,
            f"{self._source.address.shown} holds more than {megabytes:g} MB (DROVER_EXECUTOR_PROJECT_MB).",
        )

    def _fetched_revision(self) -> str:
        if not (self._mirror / "HEAD").exists():
            self._must(["init", "--quiet", "--bare", "--", str(self._mirror)], self._mirror.parent)
        pinned = self._source.revision
        if pinned and _REVISION.fullmatch(pinned) and (known := self._resolved(pinned)):
            return known
        check_reachable(self._source.address, dict(self._access.env))
        wanted = pinned or self._source.branch.strip() or self._default_branch()
        if self._source.depth:
            return self._fetched_shallow(wanted)
        self._fetch(_REFSPECS, "--prune")
        found = self._resolved_any(wanted)
        if found is None and _REVISION.fullmatch(wanted):
            self._git(["fetch", "--quiet", self._source.address.url, wanted])
            found = self._resolved(wanted)
        if found is None:
            raise self._no_such(wanted)
        return found

    @property
    def _shallow(self) -> list[str]:
        return [f"--depth={self._source.depth}"] if self._source.depth else []

    def _fetched_shallow(self, wanted: str) -> str:
        """Only the wanted commit and as much of its history as is asked for."""
        revision = wanted if _REVISION.fullmatch(wanted) else self._remote_revision(wanted)
        if revision is None:
            raise self._no_such(wanted)
        if self._resolved(revision) is None:
            url = self._source.address.url
            done = self._git(["fetch", "--quiet", "--no-tags", *self._shallow, "--", url, revision])
            if done.status:
                raise self._no_such(wanted)
        found = self._must(["rev-parse", "--verify", f"{revision}^{{commit}}"]).output.strip()
        self._must(["update-ref", f"refs/heads/drover/{found}", found])  # a clone takes branches only
        return found

    def _remote_revision(self, name: str) -> str | None:
        """The object a branch or a tag of the repository names now; a branch wins."""
        if name.startswith("-"):
            return None
        names = [f"refs/heads/{name}", f"refs/tags/{name}"]
        command = ["ls-remote", "--", self._source.address.url, *names]
        done = self._must(command, None, Reason.PROJECT_UNREACHABLE)
        found = {
            ref: revision for revision, _, ref in (line.partition("\t") for line in done.output.splitlines())
        }
        return next((found[one] for one in names if one in found), None)

    def _no_such(self, wanted: str) -> RunFailedError:
        return RunFailedError(
            Reason.PROJECT_REF_NOT_FOUND,
            f"{self._source.address.shown} has no branch, tag or commit {wanted!r}.",
        )

    def _default_branch(self) -> str:
        url = self._source.address.url
        done = self._must(["ls-remote", "--symref", "--", url, "HEAD"], None, Reason.PROJECT_UNREACHABLE)
        found = re.search(r"^ref: refs/heads/(\S+)\tHEAD$", done.output, re.MULTILINE)
        if found:
            return found[1]
        found = re.search(r"^([0-9a-f]{40,64})\tHEAD$", done.output, re.MULTILINE)
        if found:
            return found[1]
        raise RunFailedError(Reason.PROJECT_REF_NOT_FOUND, f"{self._source.address.shown} has no commit yet.")

    def _fetch(self, refspecs: tuple[str, ...], *options: str) -> None:
        command = ["fetch", "--quiet", "--no-tags", *options, "--", self._source.address.url, *refspecs]
        self._must(command, None, Reason.PROJECT_UNREACHABLE)

    def _resolved_any(self, name: str) -> str | None:
        if name.startswith("-"):
            return None
        for candidate in (f"refs/heads/{name}", f"refs/tags/{name}", name):
            if found := self._resolved(candidate):
                return found
        return None

    def _resolved(self, name: str) -> str | None:
        done = self._git(["rev-parse", "--quiet", "--verify", "--end-of-options", f"{name}^{{commit}}"])
        return done.output.strip() if done.status == 0 else None

    def _must(
        self, arguments: list[str], cwd: Path | None = None, reason: Reason = Reason.PROJECT_INVALID
    ) -> Ended:
        done = self._git(arguments, cwd)
        if done.status and any(word in done.errors for word in _TOO_LARGE):
            raise self._too_large()
        if done.status:
            raise RunFailedError(reason, self._told(done.errors))
        return done

    def _git(self, arguments: list[str], cwd: Path | None = None) -> Ended:
        place = self._mirror if cwd is None else cwd
        folder = place if place.is_dir() else place.parent
        try:
            return run_helper(
                ["git", *arguments],
                env=self._env(),
                cwd=folder,
                seconds=self._deadline - time.monotonic(),
                check=self._check,
                limits=self._limits,
            )
        except TooSlowError:
            raise RunFailedError(
                Reason.PROJECT_UNREACHABLE, f"{self._source.address.shown} took too long to answer."
            ) from None

    @property
    def _limits(self) -> dict[int, int]:
        """A tree that names itself over and over would take all memory before it takes all disk."""
        most = self._source.max_bytes
        return {resource.RLIMIT_FSIZE: most, resource.RLIMIT_DATA: _GIT_MEMORY_BYTES} if most else {}

    def _env(self) -> Mapping[str, str]:
        return self._access.env

    def _told(self, errors: str) -> str:
        """Git's own last words, without secrets."""
        shown = errors.replace(self._source.address.url, self._source.address.shown)
        lines = [line.strip() for line in self._masker.mask_text(shown).splitlines() if line.strip()]
        return " ".join(lines)[-_DETAIL_CHARS:] or "git failed without a word."

    @contextmanager
    def _locked(self) -> Iterator[None]:
        """One run at a time fetches into a mirror."""
        descriptor = os.open(f"{self._mirror}.lock", os.O_RDWR | os.O_CREAT, 0o600)
        try:
            lock(descriptor, self._check)
            yield
        finally:
            os.close(descriptor)
