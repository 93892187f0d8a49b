"""The wallet as a process: python -m services.wallet."""

from cardnet.server import run
from services.wallet.app import Config, build

run("wallet", build, Config)
