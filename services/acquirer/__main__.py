"""The acquirer as a process: python -m services.acquirer."""

from cardnet.server import run
from services.acquirer.app import Config, build

run("acquirer", build, Config)
