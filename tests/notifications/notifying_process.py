"""Notifies of the alerts in a folder until it is killed: `python notifying_process.py FOLDER`."""

import sys
from contextlib import closing
from pathlib import Path

from otpconv.access.sealing import Sealer
from otpconv.clock import wall_clock
from otpconv.notifications.notifier import Notifier
from otpconv.service.engines import SqliteEngine

#: Seals the secrets of the folder.
SEALER = Sealer(bytes(range(32)))

#: What links to alerts begin with.
PUBLIC_URL = "https://otpconv.example"

if __name__ == "__main__":
    engine = SqliteEngine(Path(sys.argv[1]))
    with closing(engine.access(wall_clock).alert_targets(SEALER)) as targets:
        Notifier(
            engine.alerts(), engine.notifications(), targets.list, wall_clock, public_url=PUBLIC_URL
        ).run()
