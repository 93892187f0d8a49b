"""The payment network as a process: python -m services.network."""

from cardnet.server import run
from services.network.app import Config, build

run("network", build, Config)
