"""`cardnet tokens follow`: what a Token Requestor is told of its tokens, as it comes."""

from contextlib import aclosing

import click

from cardnet.cli.operator import Visit, ask, at_network
from cardnet.cli.words import as_json, print_json


@click.command(short_help="A requestor's notifications, live, until Ctrl-C.")
@click.argument("requestor", metavar="TRID")
@click.option("--after", type=click.IntRange(0), default=0, metavar="POSITION", help="Begin after this one. 0: all.")
@click.option("--count", type=click.IntRange(1), metavar="N", help="Stop after so many; until Ctrl-C if not given.")
@at_network
@as_json
def follow(requestor: str, after: int, count: int | None, port: int, json_: bool) -> None:
    """Print the notifications of the Token Requestor TRID: those that were, then each one as it comes.

    Each line begins with its position: `--after` that goes on from there. --json prints one document a line.
    """
    try:
        ask(port, lambda visit: _follow(visit, requestor, after, count, json_))
    except KeyboardInterrupt:
        return  # that is how it is stopped


async def _follow(visit: Visit, token_requestor_id: str, after: int, count: int | None, json_: bool) -> None:
    from cardnet.token_lines import notification_document, notification_line
    from cardnet.v1.token_lifecycle_pb2 import FollowTokensRequest
    from cardnet.v1.token_lifecycle_pb2_grpc import TokenNotificationsStub

    identity = (await visit.requestor(token_requestor_id)).identity
    notifications = await visit.stub(TokenNotificationsStub, as_=identity)
    request = FollowTokensRequest(token_requestor_id=token_requestor_id, after_position=after)
    left = count
    async with aclosing(notifications.FollowTokens(request)) as following:
        async for notification in following:
            if json_:
                print_json(notification_document(notification))
            else:
                click.echo(notification_line(notification))
            if left is not None:
                left -= 1
                if not left:
                    return
