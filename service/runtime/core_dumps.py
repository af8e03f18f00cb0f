"""No core dumps: the memory of these processes holds master keys, and a dump lies around in a file."""

import resource

# For the kernel one byte means none at all, also where dumps go to a program, which no other limit stops
# (core(5), "Piping core dumps to a program").
_NONE = 1


def forbid() -> None:
    """Forbid them to this process and to all that it starts."""
    _, hard = resource.getrlimit(resource.RLIMIT_CORE)
    limit = _NONE if hard == resource.RLIM_INFINITY or hard > _NONE else hard
    resource.setrlimit(resource.RLIMIT_CORE, (limit, limit))
