"""Saving all that the service keeps, while it runs, and restoring it elsewhere: `catalog-run backup` and `restore`.

A backup is a folder, or a URL of fsspec:

    redis/000001.resp …    Redis' commands that make all keys again, in the form of Redis' own append-only file
    pictures/ab/abcd…      pictures of jobs, by sha256
    labels/ …              the label store: its files, decisions and taxonomies beside them, and its pictures by sha256
    protected/ …           the protected set, if the settings name one
    models/registry.json   the registered model, its versions, and the runs of their trainings
    models/files/ab/abcd…  files of these runs, by sha256
    index/000001.ndjson …  path, size and sha256 of each file above
    manifest.json          written last: figures, and size and sha256 of each file of the index
"""

__all__ = [
    "command",
]
