"""The token service provider as a process: python -m services.tsp."""

from cardnet.server import run
from services.tsp.app import Config, build

run("tsp", build, Config)
