"""Round trips to Redis, by the server's own count of reads from its clients."""

from tests.bench.goals import Row
from tests.bench.operations import Driver, Operation

SLACK = 0.1  # of a trip: what is asked for once in some seconds (API keys, whether there is a replica)


def round_trips(driver: Driver, operation: Operation) -> Row:
    """Send requests one after the other, the `worker` process held still."""
    driver.drive(operation, connections=1, seconds=1)  # scripts and connections are there now
    client = driver.world.redis()
    with driver.world.worker_paused():
        before = int(client.info("stats")["total_reads_processed"])
        measured, _ = driver.drive(operation, connections=1, seconds=2)
        reads = int(client.info("stats")["total_reads_processed"]) - before - 1
    trips = reads / measured.requests
    return Row(operation.name, "round trips to Redis", trips, "", most=operation.trips + SLACK)
