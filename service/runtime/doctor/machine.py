"""Checks of this machine: files, limits."""

import resource

from service.runtime.doctor.finding import Finding, fail, ok, skip, warn
from service.runtime.doctor.site import Site
from service.runtime.errors import StartError
from service.runtime.generated import read_master_keys, read_sandbox_account

# A web worker: 1000 callers, as many connections to providers, 512 to Redis, and some to spare.
FILES = 2600


def folder(site: Site) -> Finding:
    """Whether nobody else can read what is generated."""
    path = site.folder.path
    if not path.is_dir():
        return skip(f"{site.folder} is made by the first `otp-fallback serve`")
    mode = path.stat().st_mode & 0o777
    if mode & 0o077:
        return warn(f"{site.folder} is open to others (mode {mode:o})", f"chmod 700 {site.folder}")
    return ok(f"{site.folder} is its owner's alone")


def key_files(site: Site) -> Finding:
    """Whether the generated keys and accounts can be used, by us alone."""
    try:
        found = [read_master_keys(site.folder), read_sandbox_account(site.folder)]
    except StartError as error:
        told, _, mend = str(error).rpartition(": ")
        return fail(told or mend, mend)
    if not any(found):
        return skip("nothing was generated here")
    return ok("generated keys can be read by their owner only")


def open_files(site: Site) -> Finding:
    """Whether a web worker may hold as many connections as it accepts."""
    process = site.running.pid if site.running is not None else 0
    try:
        limit, _ = resource.prlimit(process, resource.RLIMIT_NOFILE)
    except (OSError, AttributeError):  # another user's process; a system without prlimit
        limit, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    if limit != resource.RLIM_INFINITY and limit < FILES:
        return warn(
            f"a process may open {limit} files; a busy web worker needs {FILES}",
            "ulimit -n 65536 where it is started (systemd: LimitNOFILE=65536; Docker: --ulimit nofile=65536)",
        )
    return ok(f"a process may open {'any number of' if limit == resource.RLIM_INFINITY else limit} files")
