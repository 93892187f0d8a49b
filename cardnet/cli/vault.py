"""`cardnet vault`: a copy of the vault as it is stored, and putting one back."""

from collections.abc import Iterator
from contextlib import aclosing
from itertools import chain
from pathlib import Path
from typing import BinaryIO

import click

from cardnet.cli.operator import Visit, ask, at_network
from cardnet.cli.private_file import check_new, whole
from cardnet.cli.words import InOrder, as_json, complain, print_json
from cardnet.errors import InvalidField
from cardnet.response_code import ResponseCode
from cardnet.rules import MOST_SEALED_BYTES

HEADING = b"cardnet vault backup 1\n"

_LENGTH = 4
"""Each piece stands behind its length in so many bytes, most significant first; a length of 0 stands at the end."""

_WHY = {
    ResponseCode.DUPLICATE_TRANSMISSION: "the vault is not empty; a backup goes into an empty one alone",
    ResponseCode.SECURITY_VIOLATION: "the backup is not as it was written, or needs another key-encryption key",
}


@click.group(cls=InOrder, short_help="Back the vault up, and restore it.")
def vault() -> None:
    """Copies of a vault: ciphertext and wrapped keys. The key-encryption key, which opens them, is not in them."""


@vault.command(short_help="Write a copy of the vault to a new file.")
@click.argument("file", type=click.Path(path_type=Path, dir_okay=False))
@click.option("--force", is_flag=True, help="Replace FILE if there is one.")
@at_network
@as_json
def backup(file: Path, force: bool, port: int, json_: bool) -> None:
    """Write a copy of the vault to FILE, which its owner alone can read. FILE appears when all of it is written."""
    if not force:
        check_new("FILE", file)
    count = ask(port, lambda visit: _back_up(visit, file))
    if json_:
        print_json({"file": str(file), "keys": count})
    else:
        click.echo(f"{count:,} keys of the store are in {file}; keep the key-encryption key elsewhere")


@vault.command(short_help="Put a copy back, into an empty vault.")
@click.argument("file", type=click.Path(path_type=Path, exists=True, dir_okay=False))
@at_network
@as_json
def restore(file: Path, port: int, json_: bool) -> int:
    """Put the copy in FILE into an empty vault. Exit codes: 0 done, 1 refused, 2 could not ask."""
    total = sum(map(len, _pieces(file)))  # that the file is whole is known before anything is sent
    code = ask(port, lambda visit: _restore(visit, file, total))
    if json_:
        print_json({"response_code": code.value, "meaning": code.meaning})
    elif code == ResponseCode.APPROVED:
        click.echo(f"the vault is as it was when {file} was written")
    else:
        complain(f"{code} {code.meaning}: {_WHY.get(code, 'nothing was put back')}")
    return 0 if code == ResponseCode.APPROVED else 1


async def _back_up(visit: Visit, file: Path) -> int:
    from cardnet.cde.v1.token_operator_pb2 import BackUpVaultRequest
    from cardnet.cde.v1.token_operator_pb2_grpc import TokenOperatorStub
    from cardnet.cli.progress import Progress

    operator, count = await visit.stub(TokenOperatorStub), 0
    with whole(file) as copy, Progress("backing up", "keys") as progress:
        copy.write(HEADING)
        async with aclosing(operator.BackUpVault(BackUpVaultRequest())) as pieces:
            async for piece in pieces:
                _write(copy, piece.rows)
                count += piece.count
                progress.at(count)
        _write(copy, b"")
    return count


async def _restore(visit: Visit, file: Path, total: int) -> ResponseCode:
    from cardnet.cde.v1.token_operator_pb2 import RestoreVaultRequest
    from cardnet.cde.v1.token_operator_pb2_grpc import TokenOperatorStub
    from cardnet.cli.progress import Progress

    operator, sent = await visit.stub(TokenOperatorStub), 0
    with Progress("restoring", "bytes") as progress:
        for rows in chain(_pieces(file), (b"",)):
            answer = await operator.RestoreVault(RestoreVaultRequest(rows=rows))
            if answer.response_code != ResponseCode.APPROVED:
                break
            sent += len(rows)
            progress.at(sent, total)
    return ResponseCode(answer.response_code)


def _write(file: BinaryIO, piece: bytes) -> None:
    file.write(len(piece).to_bytes(_LENGTH, "big") + piece)


def _pieces(file: Path) -> Iterator[bytes]:
    """The pieces of a copy, in order. InvalidField if it is none or not whole."""
    with file.open("rb") as copy:
        if copy.read(len(HEADING)) != HEADING:
            raise InvalidField("FILE", "must be a copy that `cardnet vault backup` wrote")
        while length := int.from_bytes(_exactly(copy, _LENGTH), "big"):
            if length > MOST_SEALED_BYTES:
                raise InvalidField("FILE", "must be as it was written; a length in it is not")
            yield _exactly(copy, length)


def _exactly(file: BinaryIO, length: int) -> bytes:
    read = file.read(length)
    if len(read) != length:
        raise InvalidField("FILE", "must be whole; its end is missing")
    return read
