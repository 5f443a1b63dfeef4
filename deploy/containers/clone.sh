#!/bin/sh
# clone.sh SOURCE FOLDER: a git repository in FOLDER, at SOURCE's newest commit; DVC's cache there stays.
set -eu
if [ -d "$2/.git" ]; then
  git -C "$2" fetch --quiet "$1" HEAD
  git -C "$2" reset --quiet --hard FETCH_HEAD
else
  git clone --quiet "$1" "$2"
fi
echo "$2 is at $(git -C "$2" log -1 --format='%h %s')"
