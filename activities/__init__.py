"""Side effects: admit a run, call a provider, settle; each one activity.

`activities.types` holds names and payloads and is all that a workflow may import from here; the
other files do I/O. To add an activity: a constant for its wire name and its payloads in `types`, a
method of the class that owns its clients, and its registration in `worker.py`.
"""
