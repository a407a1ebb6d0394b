"""Checks out a git project at an exact revision, through a mirror shared by all runs of this executor."""

import fcntl
import hashlib
import os
import re
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
from drover_executor.running.commands import Ended, TooSlowError, run_helper

_REVISION = re.compile(r"[0-9a-f]{40}(?:[0-9a-f]{24})?")
_REFSPECS = ("+refs/heads/*:refs/heads/*", "+refs/tags/*:refs/tags/*")
_LOCK_SECONDS = 0.2
_DETAIL_CHARS = 500


@dataclass(frozen=True, slots=True)
class GitSource:
    """What to check out: `revision` wins over `branch` (branch, tag or commit; empty for the default)."""

    address: Address
    branch: str
    revision: str | None
    submodules: bool


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
        self._must(["-c", "advice.detachedHead=false", "checkout", "--quiet", "--detach", revision], target)
        if self._source.submodules:
            update = ["submodule", "--quiet", "update", "--init", "--recursive"]
            self._must(update, target, Reason.PROJECT_UNREACHABLE)
        return revision

    def _fetched_revision(self) -> str:
        if not (self._mirror / "HEAD").exists():
            self._must(["init", "--quiet", "--bare", "--", str(self._mirror)], self._mirror.parent)
        pinned = self._source.revision
        if pinned and _REVISION.fullmatch(pinned) and (known := self._resolved(pinned)):
            return known
        check_reachable(self._source.address, dict(self._access.env))
        wanted = pinned or self._source.branch.strip() or self._default_branch()
        self._fetch(_REFSPECS, "--prune")
        found = self._resolved_any(wanted)
        if found is None and _REVISION.fullmatch(wanted):
            self._git(["fetch", "--quiet", self._source.address.url, wanted])
            found = self._resolved(wanted)
        if found is None:
            raise RunFailedError(
                Reason.PROJECT_REF_NOT_FOUND,
                f"{self._source.address.shown} has no branch, tag or commit {wanted!r}.",
            )
        return found

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
            )
        except TooSlowError:
            raise RunFailedError(
                Reason.PROJECT_UNREACHABLE, f"{self._source.address.shown} took too long to answer."
            ) from None

    def _env(self) -> Mapping[str, str]:
        return self._access.env

    def _told(self, errors: str) -> str:
        """Git's own last words, without secrets."""
        shown = errors.replace(self._source.address.url, self._source.address.shown)
        lines = [line.strip() for line in self._masker.mask_text(shown).splitlines() if line.strip()]
        return " ".join(lines)[-_DETAIL_CHARS:] or "git failed without a word."

    @contextmanager
    def _locked(self) -> Iterator[None]:
        """One run at a time fetches into a mirror; the others wait, and may give up meanwhile."""
        descriptor = os.open(f"{self._mirror}.lock", os.O_RDWR | os.O_CREAT, 0o600)
        try:
            waiting = True
            while waiting:
                try:
                    fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
                    waiting = False
                except BlockingIOError:
                    self._check()
                    time.sleep(_LOCK_SECONDS)
            yield
        finally:
            os.close(descriptor)
