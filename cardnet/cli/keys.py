"""`cardnet keys`: the keys of a network's token service provider. None is ever shown."""

import secrets
from contextlib import aclosing
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

import click

from cardnet.cli.operator import Visit, ask, at_network, roster_of
from cardnet.cli.private_file import kek_in, write_new
from cardnet.cli.words import InOrder, as_json, complain, print_json
from cardnet.enumeration import number_of, word_of
from cardnet.errors import Fault, InvalidField
from cardnet.response_code import ResponseCode

if TYPE_CHECKING:
    from cardnet.cde.v1.token_operator_pb2 import Key

PURPOSES = ("encryption", "data", "pan-index", "token-index", "cryptogram", "audit", "history", "card")


@click.group(cls=InOrder, short_help="The token service provider's keys: list, rotate, unseal.")
def keys() -> None:
    """The keys of a network's token service provider. None is ever shown.

    Exit codes: 0 done, 1 refused, 2 could not ask.
    """


@keys.command("list", short_help="Each key's purpose, number and state.")
@at_network
@as_json
def list_(port: int, json_: bool) -> None:
    """List the keys: what each is for, what it is used for now, when it was made."""
    found = ask(port, _list)
    if json_:
        print_json([_document(key) for key in found])
        return

    from cardnet.cli.terminal import Terminal

    lines = [tuple(map(str, _document(key).values())) for key in found]
    Terminal().table(("purpose", "number", "state", "made"), lines)


@keys.command(short_help="Replace the key of a purpose, while payments go on.")
@click.argument("purpose", type=click.Choice(PURPOSES), metavar="PURPOSE")
@click.option(
    "--kek-file",
    type=click.Path(path_type=Path, dir_okay=False),
    help="With encryption: the file of the new key-encryption key; made with a fresh key if it is not there.",
)
@at_network
@as_json
def rotate(purpose: str, kek_file: Path | None, port: int, json_: bool) -> None:
    """Replace the key of PURPOSE by a new one and bring everything under it, while payments go on.

    PURPOSE: encryption, data, pan-index, token-index, cryptogram, audit, history or card. A rotation that was broken
    off is finished by the next one of the same purpose. `encryption` is the key that wraps all others: the network's
    own key file is replaced afterwards, and an older one opens the vault no more.
    """
    if purpose != "encryption":
        if kek_file:
            raise InvalidField("kek-file", "must be given for the purpose encryption alone")
        _tell(ask(port, lambda visit: _rotate(visit, purpose, "")), json_)
        return
    _rotate_encryption(kek_file, port, json_)


@keys.command(short_help="Open a sealed vault with its key-encryption key.")
@click.option("--kek-file", type=click.Path(path_type=Path, exists=True, dir_okay=False), required=True)
@at_network
@as_json
def unseal(kek_file: Path, port: int, json_: bool) -> int:
    """Open a vault that is sealed, with the key-encryption key in a file: 64 hexadecimal digits."""
    key = kek_in(kek_file)
    code = ask(port, lambda visit: _unseal(visit, key))
    if json_:
        print_json({"response_code": code.value, "meaning": code.meaning})
    elif code == ResponseCode.APPROVED:
        click.echo("the vault is open")
    else:
        complain(f"{code} {code.meaning}: this is not the key of this vault")
    return 0 if code == ResponseCode.APPROVED else 1


async def _list(visit: Visit) -> "list[Key]":
    from cardnet.cde.v1.token_operator_pb2 import ListKeysRequest
    from cardnet.cde.v1.token_operator_pb2_grpc import TokenOperatorStub

    listed = await (await visit.stub(TokenOperatorStub)).ListKeys(ListKeysRequest())
    return sorted(listed.keys, key=lambda key: (key.purpose, key.number))


async def _rotate(visit: Visit, purpose: str, key_encryption_key: str) -> "Key":
    from cardnet.cde.v1.token_operator_pb2 import KeyPurpose, RotateKeyRequest
    from cardnet.cde.v1.token_operator_pb2_grpc import TokenOperatorStub
    from cardnet.cli.progress import Progress

    request = RotateKeyRequest(purpose=number_of(KeyPurpose, purpose), key_encryption_key=key_encryption_key)
    operator, new = await visit.stub(TokenOperatorStub), None
    with Progress(f"rotating the {purpose} key", "records") as progress:
        async with aclosing(operator.RotateKey(request)) as rotating:
            async for said in rotating:
                progress.at(said.done, said.total)
                new = said.key if said.HasField("key") else new
    if new is None:
        raise Fault("ROTATION_BROKEN_OFF", "the rotation broke off before its end; the same command again finishes it")
    return cast("Key", new)


def _rotate_encryption(kek_file: Path | None, port: int, json_: bool) -> None:
    # The network's own file is replaced last, so that at every moment a file is there that opens the vault.
    own = roster_of(port).kek_file
    if not own and not kek_file:
        raise InvalidField("kek-file", "must name the file of the new key: this network has no key file of its own")
    new = kek_file or Path(f"{own}.new")
    if not new.exists():
        write_new("kek-file", new, secrets.token_hex(32))
    key_encryption_key = kek_in(new)
    try:
        key = ask(port, lambda visit: _rotate(visit, "encryption", key_encryption_key))
    except BaseException:
        complain(f"the new key-encryption key is in {new}: keep it until the rotation has been repeated and is done")
        raise
    if own:
        _put_in_place(key_encryption_key, Path(own))
        if not kek_file:
            new.unlink()
    _tell(key, json_)
    if not json_:
        click.echo(f"the key-encryption key is in {own or new} from now on")


def _put_in_place(key_encryption_key: str, own: Path) -> None:
    from cardnet.cli.private_file import whole

    with whole(own) as file:
        file.write(f"{key_encryption_key}\n".encode())


async def _unseal(visit: Visit, key_encryption_key: str) -> ResponseCode:
    from cardnet.cde.v1.token_operator_pb2 import UnsealRequest
    from cardnet.cde.v1.token_operator_pb2_grpc import TokenOperatorStub

    operator = await visit.stub(TokenOperatorStub)
    answer = await operator.Unseal(UnsealRequest(key_encryption_key=key_encryption_key))
    return ResponseCode(answer.response_code)


def _document(key: "Key") -> dict[str, Any]:
    from cardnet.cde.v1.token_operator_pb2 import KeyPurpose, KeyState

    return {
        "purpose": word_of(KeyPurpose, key.purpose),
        "number": key.number,
        "state": word_of(KeyState, key.state),
        "created_at": key.created_at,
    }


def _tell(key: "Key", json_: bool) -> None:
    known = _document(key)
    if json_:
        print_json(known)
    else:
        click.echo(f"the {known['purpose']} key is number {known['number']} from now on")
