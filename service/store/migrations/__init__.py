"""What brings a state to the present schema: small steps, a file each, in order.

A step is begun again after whatever ended it, and may even run twice at once; so each thing that it does can
be done twice. Processes of the version before may still serve meanwhile: a step adds what the new one reads,
and takes away nothing that the old one reads; a later step may.
"""

from collections.abc import Callable, Iterator, Sequence
from typing import NamedTuple

from service.store.migrations import m0001_counted, m0002_owners
from service.store.migrations.progress import Progress
from service.store.redis import Store
from service.store.sealing import Sealer


class Migration(NamedTuple):
    """The step to a schema from the one before."""

    schema: int
    run: Callable[[Store, Sealer], Iterator[Progress]]


MIGRATIONS: Sequence[Migration] = (
    Migration(1, m0001_counted.run),
    Migration(2, m0002_owners.run),
)
CURRENT = MIGRATIONS[-1].schema
