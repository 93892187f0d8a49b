"""`python -m cardnet.cli`, for those who have no command `cardnet` on their PATH."""

import sys

from cardnet.cli import main

sys.exit(main())
