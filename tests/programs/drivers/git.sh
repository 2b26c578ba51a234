#!/bin/bash
# git: init, add, commit, branch, merge, clone, gc, stash, worktree, hooks.
set -euo pipefail
export HOME="$PWD/home" GIT_CONFIG_NOSYSTEM=1 GIT_PAGER=cat
export GIT_AUTHOR_DATE='2024-01-01T00:00:00Z' GIT_COMMITTER_DATE='2024-01-01T00:00:00Z'
mkdir home
git config --global user.name Tester
git config --global user.email tester@example.invalid
git config --global init.defaultBranch main
git config --global gc.auto 0
git config --global core.trustctime false
git init -q project && cd project
for i in $(seq 1 20); do echo "content $i" >"file-$i"; done
mkdir -p src/deep && echo 'int main(){}' >src/deep/main.c && ln -s file-1 link
git add . && git commit -qm 'first'
git checkout -qb topic && echo more >>file-1 && git commit -qam 'on topic'
git checkout -q main && echo other >>file-2 && git commit -qam 'on main'
git merge -q --no-edit topic && git log --oneline --graph
git mv file-3 renamed && git rm -q file-4 && git commit -qm 'moved and removed'
echo stashed >>file-5 && git stash -q && git stash pop -q && git diff --stat
git checkout -q -- file-5
git tag -a v1 -m 'version one'
printf '#!/bin/sh\necho hook ran\n' >.git/hooks/post-commit && chmod +x .git/hooks/post-commit
git commit -q --allow-empty -m 'with a hook'
git worktree add -q ../tree topic && git worktree remove ../tree
cd .. && git clone -q project clone && git -C clone log --oneline | wc -l
git clone -q --bare project bare.git && git -C clone remote add bare "$PWD/bare.git"
echo pushed >clone/pushed && git -C clone add pushed && git -C clone commit -qm 'to push' && git -C clone push -q bare main
git -C project fetch -q ../bare.git main && git -C project merge -q FETCH_HEAD
git -C project gc -q --prune=now && git -C project fsck --full 2>&1 | sort
git -C project rev-parse HEAD v1 topic
git -C clone status --short
