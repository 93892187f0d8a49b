"""Whether a service serves, asked at its plain health door: python -m cardnet.health HOST:PORT. For container engines.

Exit codes: 0 SERVING, 1 it says that it does not serve, 2 it says nothing.
"""

import sys
from collections.abc import Sequence

import grpc
from grpc_health.v1.health_pb2 import HealthCheckRequest, HealthCheckResponse
from grpc_health.v1.health_pb2_grpc import HealthStub

TIMEOUT_S = 3.0


def main(arguments: Sequence[str]) -> int:
    """Ask once. arguments: host:port."""
    if len(arguments) != 1:
        print("usage: python -m cardnet.health HOST:PORT", file=sys.stderr)
        return 2
    with grpc.insecure_channel(arguments[0], options=(("grpc.enable_http_proxy", 0),)) as channel:
        try:
            answer = HealthStub(channel).Check(HealthCheckRequest(), timeout=TIMEOUT_S)
        except grpc.RpcError as problem:
            print(problem.code().name, file=sys.stderr)
            return 2
    print(HealthCheckResponse.ServingStatus.Name(answer.status))
    return 0 if answer.status == HealthCheckResponse.SERVING else 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
