"""What a run leaves in the engine that was killed: the next one removes it, or soon there would be no network left."""

import secrets
from datetime import timedelta

from stack import PREFIX, PROJECT, docker, left_of, sweep


def test_what_a_killed_run_left_is_removed_when_no_run_can_be_behind_it_any_more() -> None:
    project = f"{PREFIX}{secrets.token_hex(4)}"
    its = ("--label", f"{PROJECT}={project}")
    docker("network", "create", *its, project)
    docker("volume", "create", *its, project)
    running = ("--detach", "--restart", "unless-stopped", "--network", project, "--volume", f"{project}:/data")
    docker("run", *its, *running, "redis:8")

    sweep()
    assert all(left_of(project).values()), "it may be of a run beside this one"
    sweep(project, older_than=timedelta(hours=-1))  # its clock may be ahead of ours
    assert not any(left_of(project).values())
