"""How services say that they are, asked over gRPC."""

from grpc_health.v1.health_pb2 import HealthCheckRequest, HealthCheckResponse

from cardnet.certificates import Identity
from cardnet.errors import Fault
from cardnet.wire import GrpcLink

HEALTH_CHECK = "/grpc.health.v1.Health/Check"

WAIT_S = 2.0
"""How long a service may take to say how it is."""

UNREACHABLE = "UNREACHABLE"


async def health(name: str, address: str, as_: Identity | str) -> str:
    """What a service says of itself: "SERVING" or "NOT_SERVING"; "UNREACHABLE" if it says nothing."""
    link = GrpcLink(name, address, as_)
    try:
        answer = await link.call(HEALTH_CHECK, HealthCheckRequest().SerializeToString(), {}, WAIT_S)
    except Fault:
        return UNREACHABLE
    finally:
        await link.close()
    return str(HealthCheckResponse.ServingStatus.Name(HealthCheckResponse.FromString(answer).status))
