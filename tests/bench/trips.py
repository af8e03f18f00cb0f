"""Round trips to Redis, by the server's own count of reads from its clients."""

from tests.bench.goals import Row
from tests.bench.operations import BACKUP, Driver, Operation

SLACK = 0.1  # of a trip: what is asked for once in some seconds (API keys, whether there is a replica)
SECONDS = 3.0  # long enough for one that waits for the disk


def round_trips(driver: Driver, operation: Operation) -> Row:
    """Send requests, the `worker` process held still.

    By one caller, since exchanges that begin at once go out together; what waits for the disk would be asked for
    too seldom by one, and is counted as it is driven.
    """
    connections = operation.connections if operation is BACKUP else 1
    driver.drive(operation, seconds=SECONDS)  # scripts and connections are there now
    with driver.world.worker_paused():
        trips = driver.drive(operation, seconds=SECONDS, connections=connections).reads
        shared = driver.drive(operation, seconds=SECONDS).reads
    more = f"{shared:.2g} with {operation.connections} callers"
    return Row(operation.name, "round trips to Redis", trips, most=operation.trips + SLACK, more=more)
