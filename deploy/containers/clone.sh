#!/bin/sh
# clone.sh SOURCE FOLDER [REVISION]: a git repository in FOLDER with all of SOURCE's branches and tags, at its newest commit
# or at REVISION, a branch, tag or commit. If SOURCE is a folder without git, its files become a commit. DVC's cache there
# stays; if the source is unreachable, the existing clone is used.
set -eu
source=$1 folder=$2 revision=${3:-refs/source/HEAD}

git init --quiet "$folder"
cd "$folder"
git config gc.auto 0 # the trainings' workspaces use its objects, so none may be removed
if [ -d "$source" ] && ! git -C "$source" rev-parse --git-dir >/dev/null 2>&1; then
  # A folder without git, such as an unpacked ZIP: its files become a commit.
  files() { git -C "$source" --git-dir="$PWD/.git" --work-tree="$source" "$@"; }
  files add --all
  files diff --cached --quiet HEAD 2>/dev/null ||
    files -c user.name=catalog -c user.email=catalog@localhost commit --quiet --message "The files of $source"
  git update-ref refs/source/HEAD HEAD
elif ! git fetch --quiet --tags --force "$source" '+refs/heads/*:refs/remotes/origin/*' '+HEAD:refs/source/HEAD'; then
  git rev-parse --verify --quiet HEAD >/dev/null || exit 1
  echo "$source cannot be fetched: trainings go on with what is here" >&2
fi
commit=$(git rev-parse --verify --quiet "refs/remotes/origin/$revision^{commit}" || git rev-parse --verify "$revision^{commit}")
git checkout --quiet --force --detach "$commit"
echo "$folder is at $(git log -1 --format='%h %s')"
