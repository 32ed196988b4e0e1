"""`python -m lab_plugin.local_api --home FOLDER`: the UI on a lab's history."""

from lab_plugin.local_api._server import main

raise SystemExit(main())
