"""Three recorders on the same scenarios, in one run: `python benchmarks/recorders [SCENARIO...]`.

It takes what development needs, and: pip install pytest-recording cassetter uvloop httpx
"""

from __future__ import annotations

import sys
import tempfile
from collections.abc import Callable
from pathlib import Path

import importing
import leaking
import losing
import passing
import replaying
import sharing
import sizing
import steering
from peers import PEERS, Project
from server import Served, serving

SCENARIOS: tuple[Callable[[Project, Served], str], ...] = (
    replaying.swapped_requests,
    replaying.changed_prompt,
    replaying.changed_model,
    replaying.swallowed_miss,
    replaying.readable_gzip,
    replaying.first_event,
    replaying.early_leave,
    replaying.many_requests,
    replaying.guarded,
    losing.killed_while_recording,
    losing.killed_while_writing,
    losing.two_processes,
    losing.two_threads,
    losing.damaged_file,
    leaking.secret_placements,
    leaking.credential_headers,
    leaking.credential_parameters,
    leaking.secret_members,
    leaking.signed_addresses,
    leaking.pictures,
    steering.headers_kept,
    steering.bodies_in_pieces,
    steering.redirects_followed,
    steering.streams_left_early,
    passing.calls_that_pass_by,
    passing.hosts_left_alone,
    sharing.forked_worker,
    sharing.late_thread,
    sharing.several_projects,
    importing.foreign_cassettes,
    sizing.large_answer,
    sizing.many_interactions,
)


def main(names: list[str]) -> None:
    """Run the scenarios, all or those named, and print a line for each."""
    print("| scenario |", " | ".join(peer.name for peer in PEERS), "|")
    print("|---|" + "---|" * len(PEERS))
    for scenario in SCENARIOS:
        if not names or scenario.__name__ in names:
            cells = [played(scenario, number) for number in range(len(PEERS))]
            print(f"| {scenario.__name__.replace('_', ' ')} |", " | ".join(cells), "|", flush=True)


def played(scenario: Callable[[Project, Served], str], number: int) -> str:
    """What a recorder does in a scenario."""
    with tempfile.TemporaryDirectory() as folder, serving() as served:
        return scenario(Project(PEERS[number], Path(folder), served.url), served)


if __name__ == "__main__":
    main(sys.argv[1:])
