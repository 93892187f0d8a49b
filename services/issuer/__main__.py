"""The issuer as a process: python -m services.issuer."""

from cardnet.server import run
from services.issuer.app import Config, build

run("issuer", build, Config)
