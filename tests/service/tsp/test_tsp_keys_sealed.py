"""A vault that stays sealed, and says so: without a key, with another's, or where something was put back."""

from pathlib import Path

import grpc.aio
import pytest
from grpc_health.v1 import health_pb2, health_pb2_grpc
from tsp_provider import KEK as PROVIDERS_KEK
from tsp_provider import PAN, Provider, use
from vault_process import KEK, Process, pans

from cardnet.cde.v1 import token_operator_pb2 as pb
from cardnet.doors import Health
from cardnet.embedded_store import EmbeddedStore
from cardnet.errors import Unavailable
from cardnet.store import Store
from services.tsp.keyring import PLACE, Purpose


async def test_a_record_put_back_and_a_keyring_put_back_are_noticed(
    store: EmbeddedStore, admin: Store, tmp_path: Path
) -> None:
    file = str(tmp_path / "tsp.audit")
    async with Process(store, file) as process:
        entry = await process.issue(pans(1)[0])
        name = f"tsp:{{{entry.reference}}}:record"
        row, ring = await admin.command("HGETALL", name), await admin.command("GET", PLACE)
        await process.delete(entry)
        await admin.command("HSET", name, *(part for pair in row.items() for part in pair))
        with pytest.raises(Unavailable) as fault:
            await process.vault.find(entry.token)
        assert fault.value.reason == "VAULT_RECORD_ROLLED_BACK"
        await process.rotate(Purpose.CARD)
    async with Process(store, file) as again:
        with pytest.raises(Unavailable):
            await again.vault.find(entry.token)
    await admin.command("SET", PLACE, ring)
    async with Process(store, file) as shut:
        assert shut.keys.sealed
        with pytest.raises(Unavailable, match="older one"):
            await shut.office.unseal(KEK)


async def test_a_broken_log_keeps_the_vault_sealed(store: EmbeddedStore, admin: Store, tmp_path: Path) -> None:  # noqa: ARG001
    file = tmp_path / "tsp.audit"
    async with Process(store, str(file)) as process:
        for _ in range(3):
            await process.rotate(Purpose.CARD)
    first, second, third = file.read_bytes().splitlines(keepends=True)
    file.write_bytes(first + third)
    async with Process(store, str(file)) as shut:
        assert shut.keys.sealed
        with pytest.raises(Unavailable, match="line 2 of the audit log .* `cardnet audit verify`"):
            await shut.office.unseal(KEK)
    file.write_bytes(first + second + third)
    async with Process(store, str(file)) as right:
        assert not right.keys.sealed


async def health(address: str, service: str) -> int:
    async with grpc.aio.insecure_channel(address) as channel:
        stub = health_pb2_grpc.HealthStub(channel)
        return int((await stub.Check(health_pb2.HealthCheckRequest(service=service))).status)


async def test_without_a_key_it_starts_sealed_says_so_and_is_opened(store: EmbeddedStore, admin: Store) -> None:  # noqa: ARG001
    provider = Provider(store, kek="")
    await provider.service.start()
    server = grpc.aio.server()
    names = ["cardnet.v1.TokenService", "cardnet.cde.v1.TokenVault"]
    health_pb2_grpc.add_HealthServicer_to_server(Health(names, provider.service.serving), server)
    port = server.add_insecure_port("127.0.0.1:0")
    await server.start()
    serving, not_serving = health_pb2.HealthCheckResponse.SERVING, health_pb2.HealthCheckResponse.NOT_SERVING
    assert {await health(f"127.0.0.1:{port}", name) for name in ("", *names)} == {not_serving}
    for call in (
        provider.request_token(),
        provider.operator.ListKeys(pb.ListKeysRequest()),
        provider.operator.RestoreVault(pb.RestoreVaultRequest()),
    ):
        with pytest.raises(Unavailable) as fault:
            await call
        assert fault.value.reason == "VAULT_SEALED"

    async def unseal(kek: str) -> str:
        return str((await provider.operator.Unseal(pb.UnsealRequest(key_encryption_key=kek))).response_code)

    assert await unseal(PROVIDERS_KEK) == "00"
    assert {await health(f"127.0.0.1:{port}", name) for name in names} == {serving}
    token = await provider.request_token()
    assert (await provider.vault.Detokenise(use(token))).pan == PAN
    assert await unseal("00" * 32) == "00"  # open already: nobody is told whether that was its key
    await server.stop(0)
    await provider.service.stop()

    wrong = Provider(store, kek="00" * 32)
    await wrong.service.start()
    answer = await wrong.operator.Unseal(pb.UnsealRequest(key_encryption_key="00" * 32))
    assert answer.response_code == "63"
    with pytest.raises(Unavailable):
        await wrong.request_token()
    await wrong.service.stop()
