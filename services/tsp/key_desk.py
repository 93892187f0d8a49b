"""The operator's calls about keys and the whole vault, for the servicer in operator.py."""

from collections.abc import AsyncIterator

from cardnet.call import Call
from cardnet.cde.v1 import token_operator_pb2 as pb
from services.tsp.key_office import KeyOffice
from services.tsp.keyring import Key, Purpose


class KeyDesk:
    """What a TokenOperator servicer inherits beside its generated base."""

    _office: KeyOffice

    async def Unseal(self, request: pb.UnsealRequest, call: Call) -> pb.UnsealResponse:
        """Open the vault."""
        return pb.UnsealResponse(response_code=await self._office.unseal(bytes.fromhex(request.key_encryption_key)))

    async def ListKeys(self, request: pb.ListKeysRequest, call: Call) -> pb.ListKeysResponse:
        """Every key that there is or was, never what it is."""
        return pb.ListKeysResponse(keys=map(_message, await self._office.keys()))

    async def RotateKey(self, request: pb.RotateKeyRequest, call: Call) -> AsyncIterator[pb.RotationProgress]:
        """Replace a key and say how far it is."""
        kek = bytes.fromhex(request.key_encryption_key)
        async for done, total, key in self._office.rotate(Purpose(request.purpose), kek):
            yield pb.RotationProgress(done=done, total=total, key=_message(key) if key else None)

    async def BackUpVault(self, request: pb.BackUpVaultRequest, call: Call) -> AsyncIterator[pb.VaultRows]:
        """Copy the vault as it is stored."""
        async for rows, count in self._office.back_up():
            yield pb.VaultRows(rows=rows, count=count)

    async def RestoreVault(self, request: pb.RestoreVaultRequest, call: Call) -> pb.RestoreVaultResponse:
        """Take rows of a backup; put them back after the last."""
        return pb.RestoreVaultResponse(response_code=await self._office.restore(request.rows))


def _message(key: Key) -> pb.Key:
    return pb.Key(
        purpose=f"KEY_PURPOSE_{key.purpose.name}",
        number=key.number,
        state=f"KEY_STATE_{key.state.name}",
        created_at=key.created_at,
    )
