"""A thief has the vault's files and the source, and no key: there is no card in them, and no token."""

from pathlib import Path

from canary import found, shapes
from patience import patient

from cardnet.cde.v1.token_operator_pb2 import KEY_PURPOSE_DATA, KEY_PURPOSE_TOKEN_INDEX, RotateKeyRequest
from cardnet.cde.v1.token_operator_pb2_grpc import TokenOperatorStub
from cardnet.embedded_store import EmbeddedStore
from cardnet.env import Env
from cardnet.stage import CARD_ON_FILE, PRICE, Stage
from cardnet.testing import LocalNetwork


async def test_the_vaults_files_tell_neither_cards_nor_tokens(tmp_path: Path) -> None:
    vault, elsewhere = tmp_path / "vault", tmp_path / "elsewhere"
    numbers: list[str] = []
    with EmbeddedStore.start(vault, ["tsp"]) as store:
        settings = patient({"tsp": {"redis_url": store.url("tsp"), "audit_file": str(vault / "audit")}})
        async with LocalNetwork(in_process=True, data_dir=elsewhere, settings=settings) as network:
            stage = Stage(network.channel, Env.of("test"))
            for _ in range(3):
                numbers += await _lived(stage)
            operator = network.stub(TokenOperatorStub, "tsp", "operator")
            for purpose in (KEY_PURPOSE_DATA, KEY_PURPOSE_TOKEN_INDEX):
                assert [progress async for progress in operator.RotateKey(RotateKeyRequest(purpose=purpose))]

    files = [path for path in vault.rglob("*") if path.is_file()]
    loot = b"\n".join(path.read_bytes() for path in files)
    assert {"audit"} < {path.name for path in files}
    assert b":record" in loot  # the thief looks into the right files
    for number in numbers:
        assert not found(loot, shapes(number))


async def _lived(stage: Stage) -> list[str]:
    """A card and its token that have seen everything; gives every number that there was."""
    card, successor = await stage.new_card(), await stage.new_card()
    token = await stage.token(card)
    paid = await stage.pay(token, cryptogram=await stage.cryptogram(token, CARD_ON_FILE, PRICE))
    assert paid.approved
    await stage.replace(card, successor)
    assert (await stage.pay(token)).approved
    await stage.suspend(token)
    await stage.unlink(token)
    return [card.pan, successor.pan, token.payment_token]
