"""`cardnet`, as an operator uses it in containers: `python operator_desk.py tokens list`.

An operator's commands find a network by its roster, which `cardnet up` posts. Here it is posted for the time that a
command takes.
"""

import sys

from cardnet.cli import main
from cardnet.roster import PostedRoster, Roster

NETWORK = Roster(
    services={"merchant": "merchant:50051", "tsp": "tsp:50054"},
    admin={"tsp": "tsp:50064", "issuer": "issuer:50065"},
    collector="collector:4317",
    identities="/run/cardnet/identities",
)

if __name__ == "__main__":
    posted = PostedRoster(NETWORK)
    try:
        sys.exit(main(sys.argv[1:]))
    finally:
        posted.take_down()
