"""Programs that run inside of the sandboxes; copied there, never imported by the lab."""
