"""`otp-fallback fraud`."""

from service.cli.output import as_json, core, fail, operator, require_sentence, table
from service.domain.errors import NotFound
from service.http.views import suspect_view


def show(json_output: bool) -> None:
    """List suspected blocks of numbers."""
    with core() as c:
        found = [suspect_view(suspect) for suspect in c.toll_fraud.suspects()]
    if json_output:
        as_json({"suspects": found})
    elif found:
        columns = ["block", "country", "since", "until"]
        table(columns, [[one[column] for column in columns] for one in found])
    else:
        print("No toll fraud is suspected.")


def clear(block: str, reason: str, json_output: bool) -> None:
    """Send to one again."""
    require_sentence("--reason", reason)
    with core() as c:
        try:
            c.toll_fraud.clear(block, reason, operator())
        except NotFound:
            fail("BLOCK: not suspected; `otp-fallback fraud` lists those that are", 1)
    if json_output:
        as_json({"cleared": block})
    else:
        print(f"Messages are sent to {block}… again.")
