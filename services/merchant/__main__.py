"""The merchant as a process: python -m services.merchant."""

from cardnet.server import run
from services.merchant.app import Config, build

run("merchant", build, Config)
