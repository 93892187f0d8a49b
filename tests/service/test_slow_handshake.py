"""A neighbour who is slow to shake hands is waited for: a busy machine is no reason to call a service away."""

import asyncio
from contextlib import suppress

from patience import patient

from cardnet.client import Channel
from cardnet.env import Env
from cardnet.testing import LocalNetwork
from cardnet.v1.token_service_pb2 import GetEncryptionKeyRequest
from cardnet.v1.token_service_pb2_grpc import TokenServiceStub
from cardnet.wire import GrpcLink

SLOW_S = 0.4


async def _carry(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    with suppress(ConnectionError):
        while data := await reader.read(65_536):
            writer.write(data)
            await writer.drain()
    writer.close()


async def test_a_connection_that_takes_its_time_to_come_about_is_not_a_service_that_is_away() -> None:
    async with LocalNetwork(in_process=True, fronts=True, settings=patient()) as network:
        host, port = network.addresses["tsp"].split(":")

        gone = asyncio.Event()

        async def hesitate(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            answered = asyncio.Event()
            asyncio.get_running_loop().call_later(SLOW_S, answered.set)
            await answered.wait()
            to_reader, to_writer = await asyncio.open_connection(host, int(port))
            await asyncio.gather(_carry(reader, to_writer), _carry(to_reader, writer))
            gone.set()

        async with await asyncio.start_server(hesitate, "127.0.0.1", 0) as relay:
            address = f"127.0.0.1:{relay.sockets[0].getsockname()[1]}"
            channel = Channel(GrpcLink("tsp", address, network.presented("cardholder")), Env.of("test"), timeout_s=20)
            answer = await TokenServiceStub(channel).GetEncryptionKey(GetEncryptionKeyRequest())
            await channel.close()
            await gone.wait()  # else a connection might outlive the test

    assert answer.public_key.startswith("-----BEGIN PUBLIC KEY-----")
