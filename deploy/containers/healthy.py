"""`python healthy.py URL`: whether it answers with a 2xx; a container's health check."""

import sys
import urllib.error
import urllib.request

try:
    urllib.request.urlopen(sys.argv[1], timeout=5).close()  # noqa: S310  # on the loopback, as the Dockerfile says
except (urllib.error.URLError, OSError) as error:
    sys.exit(f"{sys.argv[1]}: {error}")
