"""The process that decodes pictures apart; see `process.py`."""

import sys

from shared.model.images.process import serve

if __name__ == "__main__":
    serve(int(sys.argv[1]))
