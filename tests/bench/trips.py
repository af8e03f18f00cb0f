"""Round trips to Redis, by the server's own count of reads from its clients."""

from tests.bench.goals import Row
from tests.bench.operations import Driver, Operation

SLACK = 0.1  # of a trip: what is asked for once in some seconds (API keys, whether there is a replica)
SECONDS = 3.0  # long enough for one that waits for the disk


def round_trips(driver: Driver, operation: Operation) -> Row:
    """Send requests, the `worker` process held still."""
    driver.drive(operation, seconds=SECONDS)  # scripts and connections are there now
    client = driver.world.redis()
    with driver.world.worker_paused():
        before = int(client.info("stats")["total_reads_processed"])
        done = driver.drive(operation, seconds=SECONDS).done
        reads = int(client.info("stats")["total_reads_processed"]) - before - 1
    return Row(operation.name, "round trips to Redis", reads / done, most=operation.trips + SLACK)
